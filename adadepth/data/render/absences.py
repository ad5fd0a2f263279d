"""Rendered targets that go away for a while: out of the frame, or behind something."""

import dataclasses

import numpy as np

from adadepth.data.render.bystanders import Maker
from adadepth.data.render.scene import Scene
from adadepth.data.render.sprite import Track, measure_boxes

PASSING = 6  # frames in which a target leaves, or its cover comes, and as many back
COVER = 1.7  # sides of what hides a target, over its own


def leave_frame(scene: Scene, first: int, length: int, width: int, height: int) -> tuple[Scene, np.ndarray]:
  """The target leaves by the nearest side of the frame, and comes back along its way.

  Args:
    first: frame in which it is out; at least `PASSING`.
    length: frames for which it is.
  Returns:
    The scene, and in which frames nothing of the target is seen, bool [t].
  """
  sprite, track = scene.target
  boxes = measure_boxes(sprite.outline, track)
  before = first - PASSING
  x, y = track.center_in_image[before]
  sides = {(-1, 0): x, (1, 0): width - x, (0, -1): y, (0, 1): height - y}
  direction = np.array(min(sides, key=sides.get))
  way = sides[tuple(direction)] + 0.6 * boxes[:, 2:].max()
  gone = passage(len(boxes), first, length)
  # While it goes it keeps the place from which it went, so that it is out for all of the time.
  held = np.where(gone[:, None] > 0, track.center_in_image[before], track.center_in_image)
  back = min(first + length + PASSING, len(boxes) - 1)
  rest = np.arange(len(boxes)) > back - 1
  held[rest] += track.center_in_image[before] - track.center_in_image[back]
  held[rest] = np.clip(held[rest], 0, (width, height))
  moved = dataclasses.replace(track, center_in_image=held + gone[:, None] * way * direction)
  return dataclasses.replace(scene, target=(sprite, moved)), gone == 1


def hide_behind(
  scene: Scene, first: int, length: int, make: Maker, rng: np.random.Generator
) -> tuple[Scene, np.ndarray]:
  """Something larger than the target comes in front of it, stays with it, and goes; returns as `leave_frame`."""
  sprite, track = scene.target
  side = COVER * measure_boxes(sprite.outline, track)[:, 2:].max()
  cover = make(rng, np.full(2, side))
  angle, covered = rng.uniform(0, 2 * np.pi), passage(len(track.morph), first, length)
  away = 2 * side * np.array([np.cos(angle), np.sin(angle)])
  path = track.center_in_image + (1 - covered)[:, None] * away
  path[covered == 0] = -1e4
  scale = max(1.0, side / cover.size_xy.min())  # long covers too
  still = np.broadcast_to(scale * np.eye(2), (len(path), 2, 2))
  passing = (cover, Track(path, still, np.zeros(len(path))))
  return dataclasses.replace(scene, above=[*scene.above, passing]), covered == 1


def passage(frames: int, first: int, length: int) -> np.ndarray:
  """0, rising to 1 at `first`, 1 for `length` frames, and back, [frames]."""
  t = np.arange(frames)
  return np.clip(np.minimum((t - first) / PASSING + 1, (first + length - 1 - t) / PASSING + 1), 0, 1)
