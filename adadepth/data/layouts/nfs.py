"""Need for Speed, at 30 or 240 fps: `<name>/30/<name>/00001.jpg ...` and `<name>/30/<name>.txt`, or 240 for 30.

A line is track, left, top, right, bottom, frame, lost, occluded, generated and a label in quotes (VATIC's), from 0.
Where lost is 1 the target is absent. At 30 fps a file may hold the lines of 240 fps, of which every eighth counts; one
line or image more than there are of the other is left out, as by got10k. Where both speeds are there, 30 fps are read,
which is what papers report.
"""

import pathlib

import numpy as np
from jaxtyping import Float64

from adadepth.data.layouts.ground_truth import (
  Box,
  Flags,
  Images,
  Layout,
  Lines,
  SequenceFiles,
  cells_of,
  lines_of,
  one_target,
)

SLOWER = 8  # 240 fps over 30
LOST, OCCLUDED = 6, 7


def box_from_nfs_line(numbers: Float64[np.ndarray, "n"]) -> Box:
  """Of an NfS line the corners left, top, right, bottom."""
  return np.concatenate([numbers[1:3], numbers[3:5] - numbers[1:3]]).astype(np.float32)


def matched(lines: Lines, images: Images) -> tuple[Lines, Images]:
  """Every eighth line where there are eight an image, and both less one that is over."""
  if images and abs(len(lines) / len(images) - SLOWER) < 1:
    lines = lines[::SLOWER]
  if abs(len(lines) - len(images)) == 1:
    count = min(len(lines), len(images))
    return lines[:count], dict(list(images.items())[:count])
  return lines, images


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  is_speed = folder.parent.name in ("30", "240") and folder.parent.parent.name == folder.name
  return one_target(folder.parent / f"{folder.name}.txt") if is_speed else {}


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  """Where the target is occluded."""
  cells = [cells_of(line) for line in lines_of(files.ground_truth)]
  return {"occlusion": np.array([len(row) > OCCLUDED and row[OCCLUDED] == "1" for row in cells], bool)[:lines]}


NFS = Layout(
  name="nfs",
  sign="<name>/30/<name>.txt",
  targets=_targets,
  boxes={9: box_from_nfs_line},
  absent=lambda numbers: bool(numbers[LOST] == 1),
  matched=matched,
  attributes=_attributes,
  columns=9,
  below=("*/30/*", "*/240/*"),
)
