"""Crops, on the host and on the device: what is cut, where it lies, and what is not looked at."""

import math

import numpy as np
import pytest
from PIL import Image

from adadepth.data import device_crops
from adadepth.data.crops import crop_square, cut_window
from adadepth.data.device_crops import crop_square_on_device

CROP = 32
CUTS = {"host": crop_square, "device": crop_square_on_device}
both = pytest.mark.parametrize("where", CUTS)
# (centre, side) in a frame of 160 x 96; at twice the crop's side, 64 px, it begins to be averaged.
SQUARES = {
  "enlarged": ((80.3, 47.6), 15.7),
  "much enlarged": ((81.0, 40.5), 3.4),
  "reduced": ((80.2, 48.1), 45.5),
  "averaged": ((80.2, 48.1), 85.3),
  "left": ((3.3, 50.2), 20.0),
  "right": ((157.7, 47.0), 21.5),
  "top": ((70.1, 2.5), 38.8),
  "bottom": ((71.0, 94.4), 45.0),
  "corner": ((2.0, 1.5), 50.0),
  "larger than the frame": ((80.0, 48.0), 220.0),
}


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
  """Pixels without any smoothness: the hardest to resize alike. Few bright ones, so that the mean is no grey."""
  return (255 * np.random.default_rng(0).beta(1, 2, (96, 160, 3))).astype(np.uint8)


def cut(where: str, frame: np.ndarray, center: tuple[float, float], side_px: float, crop_px: int = CROP) -> np.ndarray:
  crop = CUTS[where](frame, np.array(center, np.float32), side_px, crop_px)
  assert crop.dtype == np.uint8
  return np.asarray(crop).astype(np.float32)


def spot(center: tuple[float, float], sigma: float, height: int, width: int) -> np.ndarray:
  """A bright spot on black, its centre in image pixels."""
  y, x = np.mgrid[:height, :width] + 0.5
  value = 255 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * sigma**2))
  return np.repeat(value[..., None], 3, axis=2).round().astype(np.uint8)


def mean_place(crop: np.ndarray) -> tuple[float, float]:
  """(x, y) of the centre of mass, crop pixels."""
  value = crop[..., 0].astype(np.float64)
  y, x = np.mgrid[: len(crop), : len(crop)] + 0.5
  return (value * x).sum() / value.sum(), (value * y).sum() / value.sum()


# Invariants.


@both
@pytest.mark.parametrize("side_px", [24.0, 50.0, 150.0, 600.0], ids=["enlarged", "reduced", "averaged", "rows skipped"])
def test_a_point_lies_in_the_crop_where_it_lies_in_the_square(where, side_px):
  center, px_per_crop_px = (351.3, 348.6), side_px / CROP
  offset = (0.2 * side_px, -0.15 * side_px)
  frame = spot((center[0] + offset[0], center[1] + offset[1]), 3 * max(px_per_crop_px, 0.5), 700, 700)
  found = mean_place(cut(where, frame, center, side_px))
  expected = [CROP / 2 + d / px_per_crop_px for d in offset]
  # Where rows are skipped those that are looked at lie up to a sixteenth of a crop pixel higher than they count.
  np.testing.assert_allclose(found, expected, atol=0.08)


@both
@pytest.mark.parametrize("side_px", [15.0, 40.0, 90.0, 300.0])
def test_far_pixels_may_be_anything(where, side_px):
  rng = np.random.default_rng(1)
  frame = rng.integers(0, 256, (700, 700, 3), np.uint8)
  other = rng.integers(0, 256, frame.shape, np.uint8)
  near = slice(350 - math.ceil(0.75 * side_px) - 4, 350 + math.ceil(0.75 * side_px) + 4)
  other[near, near] = frame[near, near]
  one, two = (cut(where, f, (350.2, 349.7), side_px) for f in (frame, other))
  np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("side_px", [5.0, 63.9, 64.1, 500.0, 5000.0])
def test_a_window_is_small_whatever_the_square(noise, side_px):
  assert max(cut_window(noise, np.array([80.0, 48.0], np.float32), side_px, CROP).pixels.shape) <= 2 * CROP + 8


def test_windows_for_the_device_have_one_shape_so_that_there_is_one_program(noise):
  cut("device", noise, (80.0, 48.0), 20.0)
  programs = device_crops._resize._cache_size()
  for frame, center, side_px in ((noise[:50], (3.0, 4.0), 90.0), (noise, (80.0, 48.0), 700.0)):
    cut("device", frame, center, side_px)
  assert device_crops._resize._cache_size() == programs


@both
@pytest.mark.parametrize("name", SQUARES)
def test_a_frame_is_left_as_it_was(noise, where, name):
  frame = noise.copy()
  cut(where, frame, *SQUARES[name])
  np.testing.assert_array_equal(frame, noise)


# Limits.


@both
def test_a_crop_of_its_own_size_on_whole_pixels_is_the_pixels(noise, where):
  np.testing.assert_array_equal(cut(where, noise, (60, 40), 32.0), noise[24:56, 44:76])


@both
@pytest.mark.parametrize(
  ("center", "outside"),
  [((0, 20), np.s_[:, :15]), ((40, 20), np.s_[:, 17:]), ((20, 0), np.s_[:15]), ((20, 40), np.s_[17:])],
  ids=["left", "right", "top", "bottom"],
)
def test_outside_the_image_a_crop_has_its_mean_colour(where, center, outside):
  frame = np.zeros((40, 40, 3), np.uint8)
  frame[:, :, 1], frame[:20, :, 2] = 200, 100
  crop = cut(where, frame, center, 32.0)
  np.testing.assert_array_equal(np.unique(crop[outside].reshape(-1, 3), axis=0), [[0, 200, 50]])
  assert len(np.unique(crop[..., 2])) > 1


@both
@pytest.mark.parametrize("center", [(300.0, -90.0), (-300.0, 20.0), (20.0, 300.0)])
def test_a_crop_wholly_outside_the_image_is_its_mean_colour(where, center):
  frame = np.full((40, 40, 3), 7, np.uint8)
  np.testing.assert_array_equal(cut(where, frame, center, 32.0), np.full((CROP, CROP, 3), 7))


@both
def test_a_large_frames_mean_colour_is_taken_from_some_of_its_pixels(where):
  frame = np.random.default_rng(2).integers(0, 256, (400, 500, 3), np.uint8)
  crop = cut(where, frame, (-300.0, 48.0), 40.0)
  # Some 5,000 samples of a standard deviation of 74: their mean has one of 1.
  np.testing.assert_allclose(crop, np.broadcast_to(frame.mean((0, 1)), crop.shape), atol=4)


# Oracles.


def resized(frame: np.ndarray, center: tuple[float, float], side_px: float, crop_px: int) -> np.ndarray:
  """Triangle filters as wide as a crop pixel, or an image pixel if that is wider, pixel by pixel."""
  reach = math.ceil(side_px) + 4
  surround = np.tile(frame.mean((0, 1)).round(), (frame.shape[0] + 2 * reach, frame.shape[1] + 2 * reach, 1))
  surround[reach:-reach, reach:-reach] = frame
  width = max(side_px / crop_px, 1)

  def weights(middle: float, pixels: int) -> np.ndarray:
    at = np.array([middle + reach - side_px / 2 + (i + 0.5) * side_px / crop_px for i in range(crop_px)])
    w = np.maximum(0, 1 - np.abs(np.arange(pixels)[None] + 0.5 - at[:, None]) / width)
    return w / w.sum(1, keepdims=True)

  rows, cols = weights(center[1], surround.shape[0]), weights(center[0], surround.shape[1])
  return np.einsum("iy,jx,yxc->ijc", rows, cols, surround, optimize=True)


@both
@pytest.mark.parametrize("name", [n for n, (_, side_px) in SQUARES.items() if side_px <= 2 * CROP])
def test_a_crop_is_a_resize_by_triangle_filters(where, name):
  frame = (255 * np.random.default_rng(3).beta(1, 2, (63, 63, 3))).astype(np.uint8)  # its mean is of all its pixels
  (x, y), side_px = SQUARES[name]
  center = x * 63 / 160, y * 63 / 96
  # Two passes are rounded to grey levels, and Pillow's weights are fixed-point.
  np.testing.assert_allclose(cut(where, frame, center, side_px), resized(frame, center, side_px, CROP), atol=1.5)


@pytest.mark.parametrize(("side_px", "crop_px"), [(60.0, 32), (50.5, 64), (33.3, 33)])
def test_a_crop_inside_the_image_is_pillows_resize_of_the_whole_frame(side_px, crop_px):
  frame = np.random.default_rng(0).integers(0, 256, (140, 170, 3), np.uint8)
  x0, y0 = 81.25 - side_px / 2, 66.5 - side_px / 2
  box = (x0, y0, x0 + side_px, y0 + side_px)
  expected = Image.fromarray(frame).resize((crop_px, crop_px), Image.Resampling.BILINEAR, box=box)
  # Pillow's weights are fixed-point and depend on where the box starts: a grey level of rounding.
  np.testing.assert_allclose(cut("host", frame, (81.25, 66.5), side_px, crop_px), np.asarray(expected), atol=1)


@both
@pytest.mark.parametrize("side_px", [85.0, 150.0, 600.0])
def test_an_averaged_square_of_a_smooth_frame_is_its_resize(where, side_px):
  y, x = np.mgrid[:640, :640] / side_px
  frame = np.stack([127 + 120 * np.sin(4 * x), 127 + 120 * np.cos(5 * y), 127 + 120 * np.sin(3 * (x + y))], axis=-1)
  frame = frame.round().astype(np.uint8)
  found = cut(where, frame, (320.4, 319.8), side_px)
  # A sixteenth of a crop pixel of the steepest wave is 1.2 grey levels, where rows are skipped.
  np.testing.assert_allclose(found, resized(frame, (320.4, 319.8), side_px, CROP), atol=2.5)


def assert_device_cuts_what_the_host_cuts(frame: np.ndarray, center: tuple[float, float], side_px: float) -> None:
  """Within 1 of 255 in the mean, where a shift by a quarter of a pixel is more."""
  device, host = (cut(where, frame, center, side_px) for where in ("device", "host"))
  assert np.abs(device - host).mean() <= 1
  shifted = cut("host", frame, np.add(center, side_px / CROP / 4 + 0.25), side_px)
  assert np.abs(device - shifted).mean() > 1


@pytest.mark.parametrize("name", SQUARES)
def test_the_device_cuts_what_the_host_cuts(noise, name):
  assert_device_cuts_what_the_host_cuts(noise, *SQUARES[name])


@pytest.mark.parametrize("center", [(640.3, 384.2), (20.0, 750.0)], ids=["inside", "at the border"])
def test_the_device_cuts_what_the_host_cuts_where_rows_are_skipped(noise, center):
  assert_device_cuts_what_the_host_cuts(noise.repeat(8, 0).repeat(8, 1), center, 600.0)
