"""TLP and TinyTLP: `<Name>/img/00001.jpg ...` and `<Name>/groundtruth_rect.txt`.

A line is frame, x, y, w, h, isLost; pixels count from 1. Where isLost is 1 the target is absent, whatever the box.
A frame that is not its image's number is bad data: the boxes are shifted. Six numbers in the first line of numbers tell
it from OTB, which has a file of the same name.
"""

import pathlib

import numpy as np
from jaxtyping import Float64

from adadepth.data.layouts.ground_truth import (
  Box,
  Layout,
  box_counted_from_one,
  cells_of,
  is_header,
  lines_of,
  one_target,
)


def box_from_tlp_line(numbers: Float64[np.ndarray, "6"]) -> Box:
  """Of a TLP line frame, x, y, w, h, isLost the middle four, whose top left pixel counts from 1."""
  return box_counted_from_one(numbers[1:5])


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  targets = one_target(folder / "groundtruth_rect.txt")
  lines = (line for path in targets.values() for line in lines_of(path) if not is_header(line))
  return targets if len(cells_of(next(lines, ""))) == 6 else {}


TLP = Layout(
  name="tlp",
  sign="<Name>/groundtruth_rect.txt of six columns",
  targets=_targets,
  boxes={6: box_from_tlp_line},
  first_pixel=1,
  absent=lambda numbers: bool(numbers[5] == 1),
  frame=lambda numbers: int(numbers[0]) if np.isfinite(numbers[0]) else -1,
)
