"""Splits of rendered sequences: rendered when asked for, difficulties spread evenly."""

import collections.abc
import dataclasses
from typing import SupportsIndex

from adadepth.data.render.cutouts import Album, open_album
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.rendering import SINGLE_STREAM, check_at_least, check_size, render_stream
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError

SPLITS = {"train": SINGLE_STREAM + 1, "dev": SINGLE_STREAM + 2, "test": SINGLE_STREAM + 3}
GOLDEN_RATIO = 0.6180339887498949


@dataclasses.dataclass(frozen=True)
class RenderedSplit(collections.abc.Sequence):
  """A sequence of `Sequence`s, each rendered anew when indexed; see render_split."""

  split: str
  sequences: int
  seed: int
  frames: int
  height: int
  width: int
  hardest: float
  album: Album | None

  def __len__(self) -> int:
    return self.sequences

  def __getitem__(self, index: SupportsIndex) -> Sequence:
    index = range(self.sequences)[index]
    return render_stream(
      (SPLITS[self.split], index, self.seed),
      f"rendered/{self.split}-{index:03d}",
      self.frames,
      self.height,
      self.width,
      dataclasses.replace(Difficulty.graded(level_of(index) * self.hardest), motion=level_of(index)),
      self.album,
    )


def level_of(index: int) -> float:
  """Returns the difficulty of the sequence at `index`, in [0, 1).

  Steps of the golden ratio spread every run of neighbours evenly, so a longer split keeps its sequences.
  """
  return (0.5 + index * GOLDEN_RATIO) % 1.0


def render_split(
  *,
  split: str,
  sequences: int,
  seed: int,
  frames: int = 40,
  height: int = 180,
  width: int = 240,
  hardest: float = 1.0,
  photos: str = "",
) -> RenderedSplit:
  """Returns a split whose sequences are rendered on demand and shared with no other split.

  Args:
    split: "train", "dev" or "test".
    sequences: how many, 1 or more.
    seed: 0 or more; the splits of one seed are disjoint.
    frames: per sequence, 1 or more.
    height: px, 32 or more.
    width: px, 32 or more.
    hardest: in [0, 1], where every knob but motion ends on the hardest sequence; motion is always graded in full.
    photos: folder of photos that everything is cut from (see `open_album`), or "" for painted shapes.
  Returns:
    A sequence to index and iterate; it holds no pixels, so keep what you need again.
  Raises:
    InputError: an argument out of range, or no photos.

  Example:
    boxes = [sequence.boxes_xywh for sequence in render_split(split="dev", sequences=8, seed=0)]
  """
  if split not in SPLITS:
    raise InputError(f"`split` (={split!r}) must be one of {', '.join(SPLITS)}")
  check_at_least("sequences", sequences, 1)
  check_at_least("seed", seed, 0)
  if not 0.0 <= hardest <= 1.0:
    raise InputError(f"`hardest` (={hardest}) must lie in [0, 1]")
  check_size(frames, height, width)
  return RenderedSplit(split, sequences, seed, frames, height, width, hardest, open_album(photos))
