"""One rendered sequence, from one seed."""

import dataclasses

import numpy as np

from adadepth.data.render.cutouts import Album
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.film import expose, load_film
from adadepth.data.render.scene import STREAMS, build_scene
from adadepth.data.render.sprite import measure_boxes
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError

# The first word of every random stream: sequences asked for by seed never share one with a split's.
SINGLE_STREAM = 0


def render_sequence(
  *,
  seed: int,
  name: str,
  frames: int = 40,
  height: int = 180,
  width: int = 240,
  difficulty: Difficulty,
) -> Sequence:
  """Renders one sequence; the same arguments give the same pixels.

  A box is the exact bounding box of the target's whole outline, seen or occluded, at its sub-pixel place.

  Args:
    seed: 0 or more.
    name: the sequence's name.
    frames: number of frames, 1 or more.
    height: px, 32 or more.
    width: px, 32 or more.
    difficulty: its knobs.
  Returns:
    frames as one uint8 array [frames, height, width, 3], and boxes_xywh whose centres lie in the image.
  Raises:
    InputError: an argument out of range.

  Example:
    render_sequence(seed=0, name="easy", difficulty=Difficulty.graded(0.2))
  """
  check_at_least("seed", seed, 0)
  return render_stream((SINGLE_STREAM, 0, seed), name, frames, height, width, difficulty)


def render_stream(
  stream: tuple[int, int, int],
  name: str,
  frames: int,
  height: int,
  width: int,
  difficulty: Difficulty,
  album: Album | None = None,
) -> Sequence:
  """Renders the sequence of one random stream (kind, index, seed), cut from an album if any; see render_sequence."""
  check_size(frames, height, width)
  children = np.random.default_rng(stream).spawn(len(STREAMS))
  streams = dict(zip(STREAMS, children, strict=True))
  scene = build_scene(streams, frames, height, width, difficulty, album)
  film = load_film(streams["film"], frames, height, width, difficulty)
  if album is not None:
    quality = round(95 - 65 * difficulty.noise * streams["film"].random())
    film = dataclasses.replace(film, jpeg_quality=quality)
  pixels = np.empty((frames, height, width, 3), np.uint8)
  for t in range(frames):
    pixels[t] = expose(scene, film, t, height, width)
  sprite, track = scene.target
  return Sequence(name=name, frames=pixels, boxes_xywh=measure_boxes(sprite.outline, track))


def check_size(frames: int, height: int, width: int) -> None:
  """Raises InputError unless the counts are whole and large enough to hold a target."""
  check_at_least("frames", frames, 1)
  check_at_least("height", height, 32)
  check_at_least("width", width, 32)


def check_at_least(name: str, value: int, least: int) -> None:
  """Raises InputError unless value is a whole number of at least `least`."""
  if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
    raise InputError(f"`{name}` (={value!r}) must be a whole number of at least {least}")
