"""The device's crop: exact where nothing is resized, mean colour outside, and the host's crop (Pillow) elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data import pairs
from adadepth.maths import crop
from adadepth.maths.crop import window_px

HEIGHT, WIDTH = 96, 160
crop_square = jax.jit(crop.crop_square, static_argnames=("crop_px", "window_hw"))


def random_frame(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
  """Pixels without any smoothness: the hardest to resize alike. Few bright ones, so that the mean is no grey."""
  rng = np.random.default_rng(0)
  return (255 * rng.beta(1, 2, (height, width, 3))).astype(np.uint8)


FRAME = random_frame()
MEAN = FRAME.mean((0, 1))


def device_crop(frame, center, side, crop_px, window_hw=None) -> np.ndarray:
  return np.asarray(
    crop_square(
      jnp.asarray(frame),
      jnp.array(center, jnp.float32),
      jnp.float32(side),
      crop_px=crop_px,
      window_hw=window_hw or frame.shape[:2],
    )
  )


def host_crop(frame, center, side, crop_px) -> np.ndarray:
  return pairs.crop_square(frame, np.array(center, np.float32), float(side), crop_px).astype(np.float32)


# Invariants


@pytest.mark.parametrize("side", [20.0, 27.99, 28.01, 60.3])
@pytest.mark.parametrize("center", [(80.4, 50.7), (5.0, 4.2), (158.0, 95.0)])
def test_a_window_gives_what_the_whole_frame_gives(side, center):
  """Enlarging: bilinear needs no more than a pixel around the crop, which the window has."""
  window_hw = window_px(side, HEIGHT, crop_px=64), window_px(side, WIDTH, crop_px=64)
  assert window_hw[1] < WIDTH
  windowed = device_crop(FRAME, center, side, 64, window_hw)
  np.testing.assert_allclose(windowed, device_crop(FRAME, center, side, 64), atol=1e-2)
  assert windowed.std() > 10


def test_windows_hold_the_crop_with_a_margin_and_come_in_steps():
  for side in np.linspace(1, 200, 399):
    window = window_px(float(side), 10_000, crop_px=100)
    margin = 2 if side <= 100 else 3
    assert window % 32 == 0
    assert side + 2 * margin <= window < side + 2 * margin + 33
  assert window_px(500.0, 360, crop_px=128) == 360


# Limits


def test_a_crop_of_its_own_size_on_whole_pixels_is_the_pixels():
  cut = device_crop(FRAME, (60, 40), 32, 32)
  np.testing.assert_allclose(cut, FRAME[24:56, 44:76], atol=1e-3)  # the mean is subtracted and added


@pytest.mark.parametrize(
  ("center", "outside"),
  [
    ((0, 48), np.s_[:, :31]),
    ((160, 48), np.s_[:, 33:]),
    ((80, 0), np.s_[:31]),
    ((80, 96), np.s_[33:]),
  ],
  ids=["left", "right", "top", "bottom"],
)
def test_what_leaves_the_image_has_its_mean_colour(center, outside):
  cut = device_crop(FRAME, center, 32, 64)
  region = cut[outside]
  np.testing.assert_allclose(region, np.broadcast_to(MEAN, region.shape), atol=1e-3)
  assert cut.std() > 10


def test_a_crop_wholly_outside_is_the_mean_colour():
  cut = device_crop(FRAME, (-300, 48), 40, 32)
  np.testing.assert_allclose(cut, np.broadcast_to(MEAN, cut.shape), atol=1e-3)


# Oracles

CROPS = {
  "enlarged": ((80.3, 47.6), 30.7),
  "much enlarged": ((81.0, 40.5), 6.4),
  "reduced": ((80.2, 48.1), 90.5),
  "left": ((3.3, 50.2), 40.0),
  "right": ((157.7, 47.0), 41.5),
  "top": ((70.1, 2.5), 38.8),
  "bottom": ((71.0, 94.4), 45.0),
  "corner": ((2.0, 1.5), 50.0),
  "larger than the frame": ((80.0, 48.0), 220.0),
}


@pytest.mark.parametrize("name", CROPS)
@pytest.mark.parametrize("windowed", [False, True], ids=["frame", "window"])
def test_the_device_cuts_what_the_host_cuts(name, windowed):
  """Within 1 of 255 in the mean: the host rounds pixels (0.25) and the mean colour (up to 0.5) to whole numbers."""
  center, side = CROPS[name]
  window_hw = (window_px(side, HEIGHT, crop_px=64), window_px(side, WIDTH, crop_px=64)) if windowed else None
  device, host = device_crop(FRAME, center, side, 64, window_hw), host_crop(FRAME, center, side, 64)
  assert np.abs(device - host).mean() <= 1
  # Noise is unforgiving: a quarter of a pixel's shift would show.
  shifted = host_crop(FRAME, np.add(center, side / 64 / 4 + 0.25), side, 64)
  assert np.abs(device - shifted).mean() > 1


@pytest.mark.parametrize("side", [252.0, 256.0, 284.0])
def test_a_reduced_frame_is_what_the_host_cuts_up_to_the_border(side):
  """There the filter reaches several pixels of the image past the crop, and the window has them, whatever its steps."""
  frame = random_frame(400, 400)
  window_hw = (window_px(side, 400, crop_px=32),) * 2
  assert window_hw[0] < 400
  device, host = device_crop(frame, (200.3, 200.2), side, 32, window_hw), host_crop(frame, (200.3, 200.2), side, 32)
  assert np.abs(device - host).max() <= 1


# Errors


def test_a_window_larger_than_the_frame_is_refused():
  with pytest.raises(TypeError, match="slice_sizes"):
    device_crop(FRAME, (80, 50), 30, 64, (HEIGHT + 32, WIDTH))
