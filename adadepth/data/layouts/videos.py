"""Any folder of videos, files or folders of pictures, with a table of boxes beside each: `clip.mp4` and `clip.csv`.

A table has a header with x, y, w and h, in pixels from the top left, 0-indexed, and may have `frame`, from 0, `target`
and others; `boxes.csv` of a tracked video is one. Without `frame` its rows are the frames in order. A frame without a
row, or whose four cells are empty, NaN or 0, has no target. Several targets are named "videos/clip.1" and so on.
"""

import csv
import io
import math
import pathlib
from collections.abc import Iterator

import numpy as np

from adadepth.data.layouts.ground_truth import Layout, SequenceFiles, box_problem
from adadepth.data.problems import Problems
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.io.video_frames import VideoFrames, open_frames

BOX = ("x", "y", "w", "h")
Table = dict[str, dict[int, tuple[int, np.ndarray]]]  # by target, then by frame: line number and box


def _table_beside(path: pathlib.Path) -> pathlib.Path | None:
  """The table beside a video; None where there is none."""
  table = path.with_suffix(".csv") if path.is_file() else path.parent / f"{path.name}.csv"
  return table if path.suffix.lower() != ".csv" and table.is_file() else None


def table_problem(path: pathlib.Path) -> str:
  """What keeps a video with a table beside it from being a sequence; "" where nothing does, or there is no table."""
  table = _table_beside(path)
  if table is None or _targets(path):
    return ""
  if missing := [name for name in BOX if name not in _columns(table)]:
    return f"{table}:1: no column {', '.join(missing)}; its first line must name frame, x, y, w and h"
  return f"{table}:2: no row below the first line"


def _targets(path: pathlib.Path) -> dict[str, pathlib.Path]:
  """The table beside a video, for each target in it; none where what lies beside has no columns x, y, w, h."""
  table = _table_beside(path)
  if table is None or not set(BOX) <= set(_columns(table)):
    return {}
  targets = list(_read_table(table))
  return {f".{target}" if len(targets) > 1 else "": table for target in targets}


VIDEOS = Layout(name="videos", sign="<name>.mp4 and <name>.csv with columns x, y, w, h", targets=_targets, boxes={})


def read_video(files: SequenceFiles, problems: Problems) -> Sequence | None:
  """`read_sequence` of a video with a table of boxes.

  Raises:
    InputError: a table or a video that cannot be read; under "stop", a box that cannot be used.
  """
  frames = open_frames(files.folder)
  targets = _read_table(files.ground_truth)
  video = files.folder.stem if files.folder.is_file() else files.folder.name
  target = files.name.removeprefix(f"{VIDEOS.name}/{video}.") if len(targets) > 1 else next(iter(targets), "")
  rows = targets.get(target, {})
  count = len(frames)
  boxes, begun = np.full((count, 4), np.nan, np.float32), False
  for frame, (line, box) in rows.items():
    where = f"{files.ground_truth}:{line}"
    if not 0 <= frame < count:
      problems.report("box without a frame", f"{where}: no frame {frame} in {files.folder}, which has {count}")
      continue
    if np.isnan(box).all() or not box.any():
      continue
    if problem := box_problem(box, _frame_wh(frames), first=not begun):
      problems.report(problem[0], f"{where}: {problem[1]}")
    else:
      boxes[frame], begun = box, True
  if not begun:
    problems.report("unusable sequence", f"{files.ground_truth}: not one frame of {files.name} has a box")
    return None
  return Sequence(files.name, frames, boxes)


def _frame_wh(frames: VideoFrames) -> tuple[int, int]:
  return frames.stream.info.width, frames.stream.info.height


def _columns(table: pathlib.Path) -> list[str]:
  with table.open(encoding="utf-8-sig", errors="replace") as file:
    return [cell.strip().strip('"').lower() for cell in file.readline().replace(";", ",").replace("\t", ",").split(",")]


def _read_table(table: pathlib.Path) -> Table:
  """The rows of a table by target and frame, in order of the frames."""
  text = table.read_text("utf-8-sig", errors="replace")
  first = text.split("\n", 1)[0]
  delimiter = max(",;\t", key=first.count)
  rows = csv.reader(io.StringIO(text), delimiter=delimiter)
  names = [cell.strip().lower() for cell in next(_cells(rows, table), [])]
  found: Table = {}
  for cells in _cells(rows, table):
    line = rows.line_num
    if not any(cell.strip() for cell in cells):
      continue
    row = dict(zip(names, cells, strict=False))
    try:
      target = row.get("target", "").strip()
      frames = found.setdefault(target, {})
      frame = int(row["frame"]) if "frame" in names else len(frames)
      with np.errstate(over="ignore"):  # `box_problem` finds what is not finite
        box = np.array([_number(row.get(name, "")) for name in BOX], np.float32)
    except (ValueError, KeyError):
      raise InputError(f"{table}:{line}: {delimiter.join(cells)[:60]!r} is no row of {', '.join(names)}") from None
    if frame in frames:
      raise InputError(
        f"{table}:{line}: a second box for frame {frame}; leave one, or name targets in a column `target`"
      )
    frames[frame] = line, box
  return {target: dict(sorted(frames.items())) for target, frames in found.items()}


def _cells(rows, table: pathlib.Path) -> Iterator[list[str]]:
  try:
    yield from rows
  except csv.Error as error:
    raise InputError(f"{table}:{rows.line_num}: no row of a CSV file ({error})") from None


def _number(cell: str) -> float:
  return float(cell) if cell.strip() else math.nan
