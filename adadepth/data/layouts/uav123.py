"""UAV123, of 30 or 10 fps: `<name>/000001.jpg ...` and, beside the sequences, `anno/<name>.txt`.

A line is x, y, w, h; pixels count from 1. Four NaN mark an absent target. The parts of a long video (group1_1 to
group1_4) need a folder each; they are one video to a split.
"""

import numpy as np
from jaxtyping import Float64

from adadepth.data.layouts.ground_truth import Box, Layout, box_counted_from_one, one_target


def box_from_uav123_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A UAV123 rectangle x, y, w, h counts its top left pixel from 1."""
  return box_counted_from_one(rectangle)


UAV123 = Layout(
  name="uav123",
  sign="anno/<name>.txt",
  targets=lambda folder: one_target(folder.parent / "anno" / f"{folder.name}.txt"),
  boxes={4: box_from_uav123_rectangle},
  absent=lambda numbers: bool(np.isnan(numbers).all()),
)
