"""boxes.csv: what a tracker found, one line a frame and target."""

import csv
import os
from collections.abc import Iterable
from typing import NamedTuple

from adadepth.io.whole_files import replacing


class BoxRow(NamedTuple):
  """One line of `boxes.csv`.

  Attributes:
    frame: 0-based.
    time: seconds since the start of the file, as it says.
    target: 0-based.
    x: left edge of the predicted box in image pixels, 0-indexed, half-open; y, w, h likewise.
    score: the probability that the target is where the box is, in [0, 1]; 1 where it was given.
    confidence: the score times the largest of the confidences computed, in [0, 1]; 1 for a box that was given.
    depth: the deepest computed, 1..5, as in xcorr1..xcorr5 (a depth of the code plus one); 1 for a box that was given.
    lost: whether the target is lost; its box then stays where it was.
  """

  frame: int
  time: float
  target: int
  x: float
  y: float
  w: float
  h: float
  score: float
  confidence: float
  depth: int
  lost: bool


def write_boxes_csv(path: str | os.PathLike, rows: Iterable[BoxRow]) -> None:
  """Writes tracked boxes as text: the names of `BoxRow` as a header, then one line a row.

  Seconds have six decimals, pixels three, probabilities four; lost is 0 or 1. The file replaces an older one only once
  it is whole.

  Args:
    path: the file to write; its folder is made where missing.
    rows: by frame, then by target.
  Raises:
    ValueError: a depth below 1, as the code counts its first.
  """
  with replacing(path) as partial, partial.open("w", newline="") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(BoxRow._fields)
    table.writerows(_csv_cells(row) for row in rows)


def _csv_cells(row: BoxRow) -> list[str]:
  if row.depth < 1:
    raise ValueError(f"`depth` (={row.depth}) of frame {row.frame} must be at least 1")
  pixels = [f"{value:.3f}" for value in (row.x, row.y, row.w, row.h)]
  seen = [f"{row.score:.4f}", f"{row.confidence:.4f}", str(row.depth), str(int(row.lost))]
  return [str(row.frame), f"{row.time:.6f}", str(row.target), *pixels, *seen]
