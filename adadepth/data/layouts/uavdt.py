"""UAVDT's single-object set: `<name>/img000001.jpg ...` and, beside the sequences, `anno/<name>_gt.txt`.

A line is x, y, w, h; pixels count from 1.
"""

import numpy as np
from jaxtyping import Float64

from adadepth.data.layouts.ground_truth import Box, Layout, box_counted_from_one, one_target
from adadepth.io.images import numbered_images


def box_from_uavdt_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A UAVDT rectangle x, y, w, h counts its top left pixel from 1."""
  return box_counted_from_one(rectangle)


UAVDT = Layout(
  name="uavdt",
  sign="anno/<name>_gt.txt",
  targets=lambda folder: one_target(folder.parent / "anno" / f"{folder.name}_gt.txt"),
  boxes={4: box_from_uavdt_rectangle},
  first_pixel=1,
  images=lambda files, boxes: numbered_images(files.folder, prefix="img"),
)
