"""Where targets begin: boxes on the command line, or a CSV file with a frame for each."""

import csv
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from adadepth.errors import InputError

COLUMNS = ("frame", "x", "y", "w", "h")


class FirstBox(NamedTuple):
  """A target where it is first seen.

  Attributes:
    frame: 0-based.
    box_xywh: image pixels, [4].
    name: of the target, for people.
    origin: where it was said, for error messages.
  """

  frame: int
  box_xywh: Float[np.ndarray, "4"]
  name: str = ""
  origin: str = "box_xywh"


def parse_boxes(text: str, *, argument: str) -> list[FirstBox]:
  """ "x,y,w,h", or several with ";" between them: targets of the first frame, named 0, 1, ...

  Raises:
    InputError: not four numbers, or none at all; the message names the argument.
  """
  parts = [part for part in text.split(";") if part.strip()]
  boxes = [_four_numbers(part.split(",")) for part in parts]
  if not boxes or any(box is None for box in boxes):
    raise InputError(
      f'`{argument}` (={text!r}) must be four numbers, x,y,w,h: the target in the first frame; with ";" between several'
    )
  origins = [argument] if len(boxes) == 1 else [f"{argument}[{i}]" for i in range(len(boxes))]
  return [FirstBox(0, box, str(i), origin) for i, (box, origin) in enumerate(zip(boxes, origins, strict=True))]


def read_boxes(path: str | os.PathLike, *, argument: str) -> list[FirstBox]:
  """A CSV file with the columns frame, x, y, w, h and, if there is one, target: a line for each target.

  Without names targets are called by their line, from 0.

  Raises:
    InputError: no such file, a column or a number that is missing, a target that begins twice; the message names the
      line.
  """
  named = f"`{argument}` (={path})"
  try:
    lines = pathlib.Path(path).expanduser().read_text(encoding="utf-8-sig").splitlines()
  except (OSError, UnicodeError) as error:
    raise InputError(
      f"{named} cannot be read ({getattr(error, 'strerror', None) or 'no text'}): give a CSV file"
    ) from None
  separator = ";" if lines and ";" in lines[0] else ","
  table = csv.reader(lines, delimiter=separator)
  header = [name.strip().lower() for name in next(_rows(table, named), [])]
  if missing := [name for name in COLUMNS if name not in header]:
    raise InputError(
      f"{named} has no column {', '.join(missing)}: its first line must be frame,x,y,w,h or these and target"
    )
  boxes: list[FirstBox] = []
  for cells in _rows(table, named):
    if not any(cell.strip() for cell in cells):
      continue
    origin = f"{argument}, line {table.line_num}"
    row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
    boxes.append(_first_box(row, f"{named}, line {table.line_num}", origin, len(boxes)))
  if not boxes:
    raise InputError(f"{named} holds no boxes: a line for each target, after frame,x,y,w,h")
  names = [box.name for box in boxes]
  if twice := next((box for box in boxes if names.count(box.name) > 1), None):
    raise InputError(f"{named} begins the target {twice.name!r} more than once; give each one line, with its first box")
  return boxes


def _rows(table, named: str) -> Iterator[list[str]]:
  """The rows of a table; raises InputError for a line that is none."""
  try:
    yield from table
  except csv.Error as error:
    raise InputError(f"{named}, line {table.line_num}: no row of a CSV file ({error})") from None


def _first_box(row: dict[str, str], where: str, origin: str, index: int) -> FirstBox:
  box = _four_numbers([row.get(name, "") for name in COLUMNS[1:]])
  if box is None or not re.fullmatch(r"\d{1,9}", row.get("frame", "")):
    raise InputError(f"{where}: must be a frame, from 0, and x,y,w,h in pixels")
  return FirstBox(int(row["frame"]), box, row.get("target") or str(index), origin)


def _four_numbers(parts: list[str]) -> Float[np.ndarray, "4"] | None:
  try:
    with np.errstate(over="ignore"):  # what is not finite is refused where it is used
      box = np.array([float(part) for part in parts], np.float32)
  except ValueError:
    return None
  return box if box.shape == (4,) else None
