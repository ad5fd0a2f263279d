"""VOT: `<name>/00000001.jpg ...`, in newer sets `<name>/color/...`, and `<name>/groundtruth.txt`.

A line has four numbers, x, y, w, h, or eight, the corners x1, y1, ..., x4, y4. Coordinates are continuous and count
from 0. NaN marks an absent target. Since 2020 a line is a mask, of which the box is taken:
m<x>,<y>,<w>,<h>,<runs>, where the runs of 0 and 1 in turn, 0 first, fill the rows of a w x h window whose top left
pixel is (x, y). One without a 1 says that the target is absent. A file `<tag>.tag` or `<tag>.label` holds a 0 or 1 for
each frame, the last zeros left out; `anchor.value` holds 1 where a multi-start run begins forwards, -1 backwards.
"""

import itertools

import numpy as np
from jaxtyping import Float64, Int

from adadepth.data.layouts.ground_truth import Box, Flags, Layout, SequenceFiles, flags_in, lines_of, one_target
from adadepth.errors import InputError

FARTHEST = 1 << 20  # pixels, of a mask's window


def box_from_vot_polygon(corners: Float64[np.ndarray, "8"]) -> Box:
  """The axis-aligned box of a VOT polygon, from the mean of its corners side by side.

  The left edge is the mean of the two smallest x, the right edge of the two largest; likewise in y. For
  corners in the order top left, top right, bottom right, bottom left that is the reference's own
  `left = (x1 + x4) / 2`, `top = (y1 + y2) / 2`, ...; sorting makes it hold for any order of corners, where
  the reference gets widths below zero (VOT does reorder corners between frames).

  An axis-aligned polygon gives exactly its rectangle. A w x h rectangle turned by an angle a keeps its
  centre and gives `max(w |cos a|, h |sin a|)` by `max(h |cos a|, w |sin a|)`: always inside the polygon's
  bounding box, and down to half the polygon's area for a square at 45 degrees.

  A corner is a point, not a pixel, so a width is a difference of corners, without + 1.

  Args:
    corners: x1, y1, ..., x4, y4, image pixels.
  Returns:
    xywh.
  """
  low, high = np.sort(corners.reshape(4, 2), axis=0).reshape(2, 2, 2).mean(axis=1)
  return np.concatenate([low, high - low]).astype(np.float32)


def box_from_vot_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A VOT rectangle x, y, w, h is 0-indexed and continuous already: only the dtype changes."""
  return rectangle.astype(np.float32)


def box_from_vot_mask(line: str) -> Box | None:
  """The smallest box around the pixels of a mask, whose last row and column count whole; None where there are none.

  Raises:
    ValueError: no mask, or one whose runs do not fit its window.
  """
  x, y, w, h, *runs = (int(part) for part in line.removeprefix("m").rstrip(", ").split(","))
  if w < 0 or h < 0 or min(runs, default=0) < 0 or sum(runs) > w * h:
    raise ValueError(f"runs of {sum(runs)} pixels in a window of {w} x {h}")
  if max(map(abs, (x, y, w, h))) > FARTHEST:
    raise ValueError(f"a window of {w} x {h} at {x}, {y}")
  ends = list(itertools.accumulate(runs))
  ones = [
    (stop - run, stop - 1) for run, stop in zip(runs[1::2], ends[1::2], strict=True) if run
  ]  # first and last pixel
  if not ones:
    return None
  # A run that goes on in the next row has the last column and the first.
  columns = [(first % w, last % w) if first // w == last // w else (0, w - 1) for first, last in ones]
  left, right = min(first for first, _ in columns), max(last for _, last in columns)
  top, bottom = ones[0][0] // w, ones[-1][1] // w
  return np.array([x + left, y + top, right + 1 - left, bottom + 1 - top], np.float32)


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  tags = {}
  for path in sorted([*files.folder.glob("*.tag"), *files.folder.glob("*.label")]):
    flags = flags_in(path)[:lines]
    tags[path.stem.replace("_", " ")] = np.concatenate([flags, np.zeros(lines - len(flags), bool)])
  return tags


def _anchors(files: SequenceFiles) -> Int[np.ndarray, "n"] | None:
  path = files.folder / "anchor.value"
  if not path.is_file():
    return None
  try:
    return np.array([int(np.sign(float(line))) for line in lines_of(path)], np.int64)
  except ValueError:
    raise InputError(f"{path} must hold a number a line: 1, -1 or 0; restore or remove it") from None


VOT = Layout(
  name="vot",
  sign="<name>/groundtruth.txt",
  targets=lambda folder: one_target(folder / "groundtruth.txt"),
  boxes={4: box_from_vot_rectangle, 8: box_from_vot_polygon},
  mask=box_from_vot_mask,
  corners=lambda numbers: numbers.reshape(4, 2) if len(numbers) == 8 else None,
  attributes=_attributes,
  anchors=_anchors,
)
