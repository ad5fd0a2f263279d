"""What shares the scene with the target: strangers, look-alikes, and things that pass in front."""

from collections.abc import Callable

import numpy as np

from adadepth.data.render.motion import smooth_curve, turns, wander
from adadepth.data.render.sprite import Sprite, Track, make_sprite, recolor
from adadepth.data.render.textures import random_color, random_palette

# Makes a thing of about these sides, [2], px.
Maker = Callable[[np.random.Generator, np.ndarray], Sprite]


def add_strangers(
  rng: np.random.Generator,
  target: tuple[Sprite, Track],
  height: int,
  width: int,
  make: Maker,
  clutter: float,
) -> list[tuple[Sprite, Track]]:
  """Returns up to three moving things that do not look like the target."""
  frames, side = len(target[1].morph), target[0].size_xy
  strangers = []
  for _ in range(whole(rng, 3 * clutter)):
    sprite = make(rng, side)
    path = wander(rng, frames, 0.05 * side.mean(), np.zeros(2), np.array([width, height]))
    strangers.append((sprite, Track(path, turns_of(rng, frames), np.zeros(frames))))
  return strangers


def add_distractors(
  rng: np.random.Generator, target: tuple[Sprite, Track], height: int, width: int, distractors: float
) -> list[tuple[Sprite, Track]]:
  """Returns up to four copies of the target that go their own way; at 1 their tint is almost the target's."""
  sprite, track = target
  frames, side = len(track.morph), sprite.size_xy
  doubles = []
  for _ in range(whole(rng, 4 * distractors)):
    gain = np.exp(rng.normal(0, 0.5 * (1.15 - distractors), 3))
    path = wander(rng, frames, 0.08 * side.mean(), side / 2, (width, height) - side / 2)
    double = recolor(sprite, np.arange(256) * gain[:, None])
    doubles.append((double, Track(path, turns_of(rng, frames) @ track.matrices, track.morph)))
  return doubles


def add_occluders(
  rng: np.random.Generator,
  target: tuple[Sprite, Track],
  camera: np.ndarray,
  make: Maker,
  occlusion: float,
) -> list[tuple[Sprite, Track]]:
  """Returns things that pass over the target, three per 40 frames at 1, but seldom in the first fifth."""
  sprite, track = target
  frames, side = len(track.morph), sprite.size_xy
  occluders = []
  for _ in range(whole(rng, 3 * occlusion * frames / 40)):
    cover = make(rng, side * rng.uniform(0.5, 0.7 + 0.5 * occlusion, 2))
    meeting, heading = rng.integers(frames // 5, frames), rng.uniform(0, 2 * np.pi)
    velocity = side.mean() * rng.uniform(0.1, 0.3) * np.array([np.cos(heading), np.sin(heading)])
    since = np.arange(frames)[:, None] - meeting
    path = track.center_in_image[meeting] + velocity * since - (camera - camera[meeting])
    occluders.append((cover, Track(path, turns_of(rng, frames), np.zeros(frames))))
  return occluders


def paint_stranger(rng: np.random.Generator, side: np.ndarray, *, palette: np.ndarray) -> Sprite:
  """Paints a thing in colours of its own."""
  colors = random_palette(rng, random_color(rng, 40.0), 30.0)
  size_xy = side * rng.uniform(0.6, 1.4, 2)
  return make_sprite(rng, size_xy, np.concatenate([colors, palette]), contrast=1.0, faces=1)


def paint_cover(rng: np.random.Generator, size_xy: np.ndarray, *, palette: np.ndarray) -> Sprite:
  """Paints a thing in the colours of the palette."""
  return make_sprite(rng, size_xy, rng.permutation(palette), contrast=1.0, faces=1)


def whole(rng: np.random.Generator, expected: float) -> int:
  """Returns `expected` rounded up or down at random, so that its mean is kept."""
  return int(expected + rng.random())


def turns_of(rng: np.random.Generator, frames: int) -> np.ndarray:
  """Returns a gentle turning of a random bystander, [frames, 2, 2]."""
  angle, zoom = smooth_curve(rng, frames, 2).T
  return turns(0.4 * angle, np.exp(0.15 * zoom), np.ones(frames))
