"""Which part of the next frame is looked at."""

import numpy as np
from jaxtyping import Float, Int

from adadepth.maths.geometry import Arrays, box_center, template_side
from adadepth.tracking.lost import search_center


def size_of_crop(
  size_wh: Float[Arrays, "*n 2"], first_size_wh: Float[Arrays, "*n 2"], *, reader: str
) -> Float[Arrays, "*n 2"]:
  """The size of target that a search crop is cut for: the last box's where the reader is "box", else the first's."""
  return size_wh if reader == "box" else first_size_wh


def search_region(
  box_xywh: Float[np.ndarray, "n 4"],
  first_size_wh: Float[np.ndarray, "n 2"],
  missed: Int[np.ndarray, "n"],
  *,
  reader: str,
  search_over_template: float,
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n"]]:
  """Centres and sides of the squares of the image that the next search crops show.

  Args:
    box_xywh: the last boxes.
    first_size_wh: (w, h) of the first ones.
    missed: frames in a row in which each was not found.
    reader: `Architecture.reader`.
    search_over_template: side of the search crop over the template crop's.
  """
  size_wh = size_of_crop(box_xywh[:, 2:], first_size_wh, reader=reader)
  sides_px = np.asarray(template_side(size_wh), np.float64) * search_over_template
  return search_center(box_center(box_xywh), sides_px, missed), sides_px
