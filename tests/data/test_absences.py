"""Rendered targets that leave the frame, or are hidden."""

import numpy as np

from adadepth.data.render.absences import PASSING, hide_behind, leave_frame, passage
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.film import expose, load_film
from adadepth.data.render.scene import STREAMS, Scene, build_scene
from adadepth.data.render.sprite import make_sprite, measure_boxes
from adadepth.data.render.textures import random_color, random_palette

FRAMES, HEIGHT, WIDTH, FIRST, LENGTH = 40, 96, 128, 12, 10
EASY = Difficulty.graded(0.0)


def scene_of(seed: int) -> Scene:
  streams = dict(zip(STREAMS, np.random.default_rng(seed).spawn(len(STREAMS)), strict=True))
  return build_scene(streams, FRAMES, HEIGHT, WIDTH, EASY)


def frames_of(scene: Scene) -> np.ndarray:
  film = load_film(np.random.default_rng(0), FRAMES, HEIGHT, WIDTH, EASY)
  return np.stack([expose(scene, film, t, HEIGHT, WIDTH) for t in range(FRAMES)]).astype(int)


def without_target(scene: Scene) -> Scene:
  sprite, track = scene.target
  away = track.__class__(track.center_in_image - 1e4, track.matrices, track.morph)
  return scene.__class__(scene.backdrop, scene.camera, scene.below, (sprite, away), scene.above)


def test_a_passage_rises_stays_and_falls():
  way = passage(FRAMES, FIRST, LENGTH)
  np.testing.assert_array_equal(np.flatnonzero(way == 1), np.arange(FIRST, FIRST + LENGTH))
  np.testing.assert_array_equal(
    np.flatnonzero((way > 0) & (way < 1))[: PASSING - 1], FIRST - PASSING + 1 + np.arange(5)
  )
  assert way[FIRST - PASSING] == way[FIRST + LENGTH - 1 + PASSING] == 0


def test_a_target_that_has_left_is_in_no_pixel_and_comes_back():
  scene, absent = leave_frame(scene_of(3), FIRST, LENGTH, WIDTH, HEIGHT)
  with_it, without = frames_of(scene), frames_of(without_target(scene))
  differs = (with_it != without).any(axis=(1, 2, 3))
  np.testing.assert_array_equal(np.flatnonzero(absent), np.arange(FIRST, FIRST + LENGTH))
  assert not differs[absent].any()
  assert differs[: FIRST - PASSING].all() and differs[FIRST + LENGTH + PASSING :].all()
  centers = scene.target[1].center_in_image[~absent]
  back = centers[FIRST:]
  assert (back[PASSING:] >= 0).all() and (back[PASSING:] <= (WIDTH, HEIGHT)).all()


def test_a_hidden_target_is_covered_and_its_path_is_as_it_was():
  before = scene_of(4)
  rng = np.random.default_rng(0)

  def square(rng: np.random.Generator, side: np.ndarray):
    return make_sprite(rng, side, random_palette(rng, random_color(rng, 40.0), 30.0), contrast=1.0, faces=1)

  scene, absent = hide_behind(before, FIRST, LENGTH, square, rng)
  np.testing.assert_array_equal(scene.target[1].center_in_image, before.target[1].center_in_image)
  with_it, without = frames_of(scene), frames_of(without_target(scene))
  boxes = measure_boxes(scene.target[0].outline, scene.target[1])
  area = boxes[:, 2] * boxes[:, 3]
  seen = (with_it != without).any(axis=3).sum(axis=(1, 2)) / area
  assert seen[absent].max() < 0.25 < seen[: FIRST - PASSING].min()
