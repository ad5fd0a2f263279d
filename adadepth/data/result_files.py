"""Result files of any tracker: a line a frame, as got10k, the data sets' own toolkits and VOT's write them.

One pass: `<tracker>/<name>.txt`, or `<name>/<name>_001.txt` as GOT-10k has them; x, y, w, h a line in the data set's
own convention. A line that is NaN, or the single number 0, has no box; the single number 1 is the given first one. VOT,
below `<tracker>/baseline/` or the tracker's folder itself: supervised `<name>/<name>_001.txt`, where a line is one of
the marks of `maths.expected_overlap` or a box, and multi-start `<name>/<name>_00000050.txt` from the anchor at frame 50
on.
"""

import pathlib
import re
from collections.abc import Iterator
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

from adadepth.data.layouts import layout_named
from adadepth.data.layouts.ground_truth import cells_of, lines_of
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.io.processes import is_first
from adadepth.io.whole_files import write_text
from adadepth.maths.expected_overlap import FAILED, SKIPPED, STARTED, TRACKED

Boxes = Float64[np.ndarray, "t 4"]
EXPERIMENTS = ("baseline", "unsupervised")  # of VOT's toolkit, whose results lie in folders of these names


class ResultRows(NamedTuple):
  """What a result file says of each frame: a box, NaN where it has none, and a mark of `maths.expected_overlap`."""

  boxes_xywh: Boxes
  marks: Int[np.ndarray, "t"]


def trackers_in(folder: pathlib.Path, sequences: Listing[Sequence]) -> dict[str, pathlib.Path]:
  """The trackers whose results a folder holds: one, whose files lie in it, or one in each of its folders.

  Raises:
    InputError: there is no such folder, or it holds no file of these sequences.
  """
  if not folder.is_dir():
    raise InputError(f"`config.results` (={folder}): no such folder; name one that holds result files of trackers")
  if any(_files_of(folder, sequence) for sequence in sequences):
    return {folder.resolve().name: folder}
  found = {
    path.name: path
    for path in sorted(folder.iterdir())
    if path.is_dir() and any(_files_of(path, sequence) for sequence in sequences)
  }
  if not found:
    raise InputError(
      f"`config.results` (={folder}) holds no result file of {sequences[0].name}; name a folder that holds "
      f"<tracker>/{_stem(sequences[0])}.txt"
    )
  return found


def read_one_pass(folder: pathlib.Path, sequence: Sequence) -> Boxes:
  """A tracker's boxes of all frames of a sequence in the one convention, [t, 4]; the first is the given one.

  Raises:
    InputError: there is no file, or one with another number of lines than the sequence has frames.
  """
  files = _files_of(folder, sequence)
  if not files:
    raise InputError(f"{folder} holds no result file of {sequence.name}; add {_stem(sequence)}.txt, or leave it out")
  boxes = _rows(files[0], sequence, len(sequence)).boxes_xywh
  boxes[sequence.first_box] = sequence.boxes_xywh[sequence.first_box]
  return boxes


def read_supervised(folder: pathlib.Path, sequence: Sequence) -> list[ResultRows]:
  """A tracker's supervised passes over a sequence, one a repetition.

  Raises:
    InputError: there is no file, or one that is no supervised pass.
  """
  files = [file for file in _files_of(folder, sequence) if re.search(r"_\d{3}$", file.stem)]
  if not files:
    raise InputError(f"{folder} holds no {_stem(sequence)}_001.txt of VOT's supervised protocol for {sequence.name}")
  passes = [_rows(file, sequence, len(sequence)) for file in files]
  for file, rows in zip(files, passes, strict=True):
    if STARTED not in rows.marks:
      raise InputError(f"{file} has no line that is 1, where the tracker starts: it is no supervised pass")
  return passes


def read_multi_start(folder: pathlib.Path, sequence: Sequence, anchor: int, frames: int) -> Boxes:
  """A tracker's boxes from an anchor on, so many, the first of them the given one.

  Raises:
    InputError: there is no file, or one of another length.
  """
  name = f"{_stem(sequence)}_{anchor:08d}.txt"
  file = next((place / name for place in _places(folder, sequence) if (place / name).is_file()), None)
  if file is None:
    raise InputError(f"{folder} holds no {name} of VOT's multi-start protocol for {sequence.name}")
  return _rows(file, sequence, frames).boxes_xywh


def write_one_pass(folder: pathlib.Path, sequence: Sequence, boxes_xywh: np.ndarray) -> pathlib.Path:
  """Writes a tracker's boxes as `read_one_pass` takes them; returns the file."""
  path = folder / sequence.name.rpartition("/")[0] / f"{_stem(sequence)}.txt"
  return _write(path, [_box_line(box) for box in _as_in_files(sequence, boxes_xywh)])


def write_vot(
  folder: pathlib.Path, sequence: Sequence, name: str, boxes_xywh: np.ndarray, marks: Int[np.ndarray, "t"]
) -> pathlib.Path:
  """Writes one file of a VOT protocol, `name` being what follows the sequence's: "001", or "00000050"; returns it."""
  stem = _stem(sequence)
  boxes = _as_in_files(sequence, boxes_xywh)
  lines = [_box_line(box) if mark == TRACKED else str(mark) for box, mark in zip(boxes, marks, strict=True)]
  return _write(folder / "baseline" / stem / f"{stem}_{name}.txt", lines)


def _stem(sequence: Sequence) -> str:
  return sequence.name.rpartition("/")[2]


def _places(folder: pathlib.Path, sequence: Sequence) -> Iterator[pathlib.Path]:
  """Where a tracker's files of a sequence may lie."""
  layout, _, stem = sequence.name.rpartition("/")
  for place in (folder / layout, folder, *(folder / name for name in EXPERIMENTS)):
    yield place / stem
    yield place


def _files_of(folder: pathlib.Path, sequence: Sequence) -> list[pathlib.Path]:
  """The files of a sequence in the first place that has any: <name>.txt, or all repetitions, or all anchors."""
  stem = _stem(sequence).lower()
  spellings = {stem, stem.replace(".", "-"), stem.replace(".", "_")}
  for place in _places(folder, sequence):
    if place.is_dir():
      files = sorted(path for path in place.iterdir() if path.suffix.lower() in (".txt", ".csv"))
      own = [path for path in files if path.stem.lower() in spellings]
      # Numbers of repetitions and anchors count in the sequence's folder alone: elsewhere they may be another's name.
      numbered = files if place.name.lower() in spellings else []
      found = own or [p for p in numbered if re.sub(r"_(\d{3}|\d{8})$", "", p.stem.lower()) in spellings]
      if found:
        return found
  return []


def _rows(file: pathlib.Path, sequence: Sequence, frames: int) -> ResultRows:
  """The lines of a file, of so many frames."""
  rows = [_row(file, number, line) for number, line in enumerate(lines_of(file), start=1)]
  if len(rows) != frames:
    raise InputError(
      f"{file} has {len(rows)} lines, where {sequence.name} has {frames} frames; a line a frame is wanted"
    )
  boxes, marks = zip(*rows, strict=True)
  return ResultRows(np.array(boxes) - _first_pixel(sequence), np.array(marks))


def _row(file: pathlib.Path, number: int, line: str) -> tuple[tuple[float, ...], int]:
  """Box and mark of a line."""
  try:
    cells = tuple(float(cell) for cell in cells_of(line))
  except ValueError:
    raise InputError(f"{file}:{number}: {line[:60]!r} is no box x, y, w, h, nor a mark 0, 1 or 2") from None
  if len(cells) == 1 and cells[0] in (SKIPPED, STARTED, FAILED):
    return (np.nan,) * 4, int(cells[0])
  if len(cells) != 4:
    raise InputError(f"{file}:{number}: {len(cells)} numbers, where a box x, y, w, h or a mark 0, 1 or 2 is wanted")
  return cells, TRACKED


def _first_pixel(sequence: Sequence) -> Float64[np.ndarray, "4"]:
  """What the data set's files add to a box."""
  layout = layout_named(sequence.name)
  return np.array([1.0, 1.0, 0.0, 0.0]) * (layout.first_pixel if layout else 0)


def _as_in_files(sequence: Sequence, boxes_xywh: np.ndarray) -> Boxes:
  return boxes_xywh.astype(np.float64) + _first_pixel(sequence)


def _box_line(box: np.ndarray) -> str:
  return ",".join(f"{value:.4f}" for value in box)


def _write(path: pathlib.Path, lines: list[str]) -> pathlib.Path:
  if is_first():
    write_text(path, "\n".join(lines) + "\n")
  return path
