"""Results as the field's toolkits want them: OTB, GOT-10k, VOT, MOT."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.errors import InputError


class Result(NamedTuple):
  """One target from its first frame on; the first box is the given one.

  Attributes:
    start: its first frame, 0-based.
    boxes_xywh: image pixels, 0-indexed, [t, 4].
    score: the probability that the target is there, [t].
    lost: whether it is lost, [t].
    seconds: that each frame took, [t].
  """

  start: int
  boxes_xywh: Float[np.ndarray, "t 4"]
  score: Float[np.ndarray, "t"]
  lost: Bool[np.ndarray, "t"]
  seconds: Float[np.ndarray, "t"]


def parse_formats(text: str, *, argument: str) -> list[str]:
  """ "otb,mot" as names.

  Raises:
    InputError: a format that is none of these.
  """
  names = [name.strip() for name in text.lower().split(",") if name.strip()]
  for name in names:
    if name not in FORMATS:
      raise InputError(f"`{argument}` (={text!r}) names {name!r}; the formats are {', '.join(FORMATS)}")
  return names


def result_files(format: str, video: str, results: Mapping[str, Result]) -> dict[str, str]:
  """The files of one video: relative path -> text.

  Args:
    format: of `FORMATS`.
    video: its name.
    results: by target's name; of several, all formats but MOT have a sequence for each, VIDEO_TARGET.
  """
  if format == "mot":
    return _mot(video, list(results.values()))
  names = [video] if len(results) == 1 else [f"{video}_{_in_file_names(name, i)}" for i, name in enumerate(results)]
  files: dict[str, str] = {}
  for name, result in zip(names, results.values(), strict=True):
    files |= FORMATS[format](name, result)
  return files


def plain_name(name: str) -> str:
  """A name with nothing in it that a file's may not have, or that leads to another folder."""
  return "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in name)


def _in_file_names(target: str, index: int) -> str:
  """A target's name without what leads to another folder; one that had such has its number too, and is no other's."""
  plain = plain_name(target)
  return target if plain == target and plain.strip(".") else f"{plain.strip('.')}-{index + 1}"


def _otb(name: str, result: Result) -> dict[str, str]:
  """A line a frame from the target's first on, x,y,w,h, pixels counted from 1; seconds in a file of their own."""
  return {
    f"otb/{name}.txt": _lines(_counted_from_one(result.boxes_xywh), 3),
    f"otb/times/{name}_time.txt": _lines(result.seconds[:, None], 8),
  }


def _got10k(name: str, result: Result) -> dict[str, str]:
  """A line a frame from the target's first on, x,y,w,h, as they stand; seconds in a file of their own."""
  return {
    f"got10k/{name}/{name}_001.txt": _lines(result.boxes_xywh, 3),
    f"got10k/{name}/{name}_time.txt": _lines(result.seconds[:, None], 8),
  }


def _vot(name: str, result: Result) -> dict[str, str]:
  """A line a frame: 0 before the target's first, 1 there, then x,y,w,h; scores and seconds in files of their own."""
  before = "0\n" * result.start
  stem = f"vot/baseline/{name}/{name}_001"
  return {
    f"{stem}.txt": f"{before}1\n{_lines(result.boxes_xywh[1:], 4)}",
    f"{stem}_confidence.value": "\n" * (result.start + 1) + _lines(result.score[1:, None], 4),
    f"{stem}_time.value": before + _lines(result.seconds[:, None], 6),
  }


def _mot(video: str, results: Sequence[Result]) -> dict[str, str]:
  """frame,id,x,y,w,h,score,-1,-1,-1, all counted from 1, by frame; a target that is lost has no line."""
  rows = [
    (result.start + t, i, *box, score)
    for i, result in enumerate(results)
    for t, (box, score, lost) in enumerate(
      zip(_counted_from_one(result.boxes_xywh).tolist(), result.score.tolist(), result.lost, strict=True)
    )
    if not lost
  ]
  lines = (
    f"{frame + 1},{i + 1},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{score:.4f},-1,-1,-1\n"
    for frame, i, x, y, w, h, score in sorted(rows, key=lambda row: row[:2])
  )
  return {f"mot/{video}.txt": "".join(lines)}


FORMATS: dict[str, Callable] = {"otb": _otb, "got10k": _got10k, "vot": _vot, "mot": _mot}


def write_files(folder: pathlib.Path, files: Mapping[str, str]) -> None:
  """Writes texts under a folder."""
  for name, text in files.items():
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def _counted_from_one(boxes_xywh: Float[np.ndarray, "t 4"]) -> Float[np.ndarray, "t 4"]:
  return boxes_xywh + np.array((1, 1, 0, 0), boxes_xywh.dtype)


def _lines(table: Float[np.ndarray, "t n"] | Int[np.ndarray, "t n"], decimals: int) -> str:
  return "".join(",".join(f"{value:.{decimals}f}" for value in row) + "\n" for row in table.tolist())
