"""Rendered video out of photos: what is cut is what the labels say, boxes are exact, shapes change."""

import dataclasses
import pathlib

import numpy as np
import pytest
from PIL import Image

from adadepth.data.render import SPLITS, Difficulty, render_split
from adadepth.data.render.cutouts import Album, cut_sprite, find_region, open_album
from adadepth.data.render.film import compress, expose, load_film
from adadepth.data.render.rendering import render_stream
from adadepth.data.render.scene import STREAMS, Scene, build_scene
from adadepth.data.render.sprite import measure_boxes, recolor
from adadepth.errors import InputError

HEIGHT, WIDTH, FRAMES = 96, 128, 12
RED, GREEN = (200, 30, 30), (30, 160, 60)


def save(path: pathlib.Path, pixels: np.ndarray) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(pixels).save(path)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
  """Two folders of photos: a red cross on green with its labels, and grain without any."""
  folder = tmp_path_factory.mktemp("photos")
  labels = np.zeros((80, 120), np.uint8)
  labels[20:60, 50:70] = labels[30:50, 30:90] = 7
  save(folder / "objects" / "masks" / "cross.png", labels)
  save(folder / "objects" / "cross.png", np.where(labels[..., None] == 7, RED, GREEN).astype(np.uint8))
  rng = np.random.default_rng(0)
  for name in "ab":
    save(folder / "textures" / f"{name}.png", rng.integers(0, 256, (70, 90, 3), np.uint8))
  return folder


@pytest.fixture(scope="session")
def album(folder) -> Album:
  return open_album(str(folder))


def scene_of(album: Album, seed: int, difficulty: Difficulty, frames: int = FRAMES) -> Scene:
  streams = dict(zip(STREAMS, np.random.default_rng(seed).spawn(len(STREAMS)), strict=True))
  return build_scene(streams, frames, HEIGHT, WIDTH, difficulty, album)


def coverage_of_target(scene: Scene) -> np.ndarray:
  """What the target covers in each frame, [t, h, w] in [0, 1]: white against black."""
  frames = len(scene.camera)
  film = dataclasses.replace(load_film(np.random.default_rng(0), frames, HEIGHT, WIDTH, Difficulty()), grey=False)
  sprite, track = scene.target
  black, white = (
    dataclasses.replace(scene, target=(recolor(sprite, np.full((3, 256), level)), track)) for level in (0, 255)
  )
  shots = [[expose(s, film, t, HEIGHT, WIDTH).astype(np.float64) for t in range(frames)] for s in (black, white)]
  return np.subtract(shots[1], shots[0]).mean(axis=-1) / 255


def region_of(tmp_path: pathlib.Path, labels: np.ndarray) -> tuple[int, int, np.ndarray] | None:
  save(tmp_path / "labels.png", labels)
  return find_region(np.random.default_rng(0), Image.new("RGB", labels.shape[::-1]), tmp_path / "labels.png")


def test_a_folder_is_read_with_the_labels_beside_its_photos(folder, album):
  assert [path.name for path in album.photos] == ["cross.png", "a.png", "b.png"]
  assert album.masked == (((folder / "objects" / "cross.png", folder / "objects" / "masks" / "cross.png"),),)


@pytest.mark.parametrize("seed", range(4))
def test_a_cutout_has_the_shape_and_the_colour_of_its_region(album, seed):
  sprite = cut_sprite(np.random.default_rng(seed), np.full(2, 60.0), album=album, picked=album.masked[0][0])
  inside = np.asarray(sprite.mask) > 128
  # The region is 60 x 40; it is stretched by up to exp(0.5), and a pixel of its rim is left out.
  assert 1.5 * np.exp(-0.55) < sprite.size_xy[0] / sprite.size_xy[1] < 1.5 * np.exp(0.55)
  assert np.sqrt(sprite.size_xy.prod()) == pytest.approx(60, rel=0.1)
  # A cross whose arms are 1/3 and 1/2 of its box: 2/3 of the box.
  assert inside.sum() / (sprite.size_xy * sprite.density).prod() == pytest.approx(2 / 3, abs=0.05)
  assert np.abs(np.asarray(sprite.faces[0], np.int16)[inside] - RED).mean() < 3
  assert np.asarray(sprite.faces[1], np.int16)[inside].mean() < np.mean(RED) - 10


@pytest.mark.parametrize("seed", range(8))
def test_boxes_bound_the_pixels_that_the_target_changes(album, seed):
  scene = scene_of(album, seed, Difficulty(scale=1.0, rotation=1.0, motion=0.2))
  boxes = measure_boxes(scene.target[0].outline, scene.target[1])
  for coverage, (x, y, w, h) in zip(coverage_of_target(scene), boxes.astype(np.float64), strict=True):
    rows, columns = np.nonzero((coverage > 0.5).any(axis=1))[0], np.nonzero((coverage > 0.5).any(axis=0))[0]
    seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    inwards = (seen - np.clip([x, y, x + w, y + h], 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))) * (1, 1, -1, -1)
    # As for painted targets: half a pixel and soft edges outwards, sharp corners inwards.
    assert (inwards > -0.75).all() and (inwards < 0.75 + 0.1 * max(w, h)).all()


def test_width_and_height_change_on_their_own_and_only_with_scale(album):
  def shapes(scale: float) -> np.ndarray:
    tracks = [scene_of(album, seed, Difficulty(scale=scale, motion=1.0), frames=60).target for seed in range(6)]
    sizes = np.stack([measure_boxes(sprite.outline, track)[:, 2:] for sprite, track in tracks])
    assert (sizes[..., 0] <= 0.9 * WIDTH + 1e-3).all() and (sizes[..., 1] <= 0.9 * HEIGHT + 1e-3).all()
    area, aspect = sizes.prod(axis=-1) ** 0.5, sizes[..., 0] / sizes[..., 1]
    return np.array([value.max(axis=1) / value.min(axis=1) for value in (area, aspect)])

  np.testing.assert_allclose(shapes(0.0), 1, rtol=1e-4)
  area, aspect = shapes(1.0)
  assert area.max() > 2.0 and (area < np.exp(1.4)).all()
  assert aspect.max() > 1.5 and (aspect < np.exp(0.8)).all()


def test_texture_brings_the_target_to_the_colour_of_its_background(album):
  def contrast(texture: float) -> float:
    gaps = []
    for seed in range(6):
      scene = scene_of(album, seed, Difficulty(texture=texture), frames=1)
      mask = np.asarray(scene.target[0].mask) > 128
      gaps.append(
        np.asarray(scene.target[0].faces[0])[mask].mean(axis=0) - np.asarray(scene.backdrop).mean(axis=(0, 1))
      )
    return np.abs(gaps).mean()

  assert contrast(1.0) < 0.8 * contrast(0.0)


def test_every_knob_has_things_cut_from_photos(album):
  scene = scene_of(album, 0, Difficulty.graded(1.0), frames=40)
  assert len(scene.below) == 3 + 4 and len(scene.above) == 3


def test_the_same_seed_gives_the_same_pixels_and_no_two_sequences_are_alike(folder):
  splits = [
    render_split(split=split, sequences=2, seed=seed, frames=2, height=48, width=64, photos=str(folder))
    for split in SPLITS
    for seed in range(2)
  ]
  frames = [split[i].frames for split in splits for i in range(2)]
  np.testing.assert_array_equal(splits[0][1].frames, frames[1])
  assert all(np.mean(one != other) > 0.3 for i, one in enumerate(frames) for other in frames[i + 1 :])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 200), (200, 40)])
def test_the_smallest_and_the_oddest_sizes_render(folder, height, width):
  split = render_split(split="dev", sequences=6, seed=0, frames=2, height=height, width=width, photos=str(folder))
  for sequence in split:
    center = sequence.boxes_xywh[:, :2] + sequence.boxes_xywh[:, 2:] / 2
    assert sequence.frames.shape == (2, height, width, 3)
    assert (sequence.boxes_xywh[:, 2:] > 0).all() and (center >= 0).all() and (center <= (width, height)).all()


def test_photos_without_labels_are_cut_in_outlines_of_our_own(folder):
  album = open_album(str(folder / "textures"))
  assert album.masked == ()
  sequence = render_stream((9, 0, 0), "x", 2, HEIGHT, WIDTH, Difficulty.graded(1.0), album)
  assert sequence.frames.std() > 10


def test_the_largest_piece_of_a_compact_region_is_cut_without_its_holes(tmp_path):
  labels = np.zeros((80, 120), np.uint8)
  labels[10:40, 20:60] = 3
  labels[20:25, 30:35] = 0
  labels[70:73, 100:110] = 3
  left, top, inside = region_of(tmp_path, labels)
  assert (left, top) == (20, 10) and inside.shape == (30, 40) and inside.all()


@pytest.mark.parametrize(
  "where",
  [
    np.s_[10:70, 10:110],  # too large
    np.s_[10:20, 10:20],  # too small
    np.s_[30:36, 10:110],  # too long
    np.s_[0:30, 40:80],  # cut off by the photo's edge
  ],
)
def test_a_region_that_is_not_worth_it_is_left(tmp_path, where):
  labels = np.zeros((80, 120), np.uint8)
  labels[where] = 1
  assert region_of(tmp_path, labels) is None


def test_a_thin_ring_is_left(tmp_path):
  y, x = np.mgrid[:80, :120]
  radius = np.hypot(y - 40, x - 60)
  assert region_of(tmp_path, ((radius < 30) & (radius > 27)).astype(np.uint8)) is None


def test_compression_loses_more_at_lower_quality():
  pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
  loss = [np.abs(compress(pixels, quality).astype(np.int16) - pixels).mean() for quality in (95, 30)]
  assert 0 < loss[0] < loss[1] < 80


def test_a_folder_without_photos_is_named(tmp_path, folder):
  assert open_album("") is None
  with pytest.raises(InputError, match=r"`photos` \(='/no/such'\) is no folder: name a folder of photos"):
    render_split(split="train", sequences=1, seed=0, photos="/no/such")
  with pytest.raises(InputError, match=r"`photos` \(=.*\) holds no photos \(\.jpg, "):
    open_album(str(folder / "objects" / "masks"))


def test_labels_that_do_not_fit_are_named(tmp_path):
  save(tmp_path / "labels.png", np.zeros((20, 30), np.uint8))
  with pytest.raises(InputError, match=r"labels\.png: labels of shape \(20, 30\) for a photo of 30 x 20 pixels"):
    find_region(np.random.default_rng(0), Image.new("RGB", (20, 30)), tmp_path / "labels.png")
  (tmp_path / "labels.png").write_bytes(b"no image")
  with pytest.raises(InputError, match=r"labels\.png: cannot read the labels"):
    find_region(np.random.default_rng(0), Image.new("RGB", (30, 20)), tmp_path / "labels.png")


def test_the_photos_of_the_wide_set_render(wide):
  album = open_album(str(wide / "photos"))
  assert len(album.photos) == 971 and sorted(map(len, album.masked)) == [51, 500]
  for sequence in render_split(split="train", sequences=4, seed=0, frames=6, photos=str(wide / "photos")):
    assert sequence.frames.std() > 10 and (sequence.boxes_xywh[:, 2:] > 4).all()
