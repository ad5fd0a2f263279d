"""Boxes, crops and the change from one frame of reference to another.

One convention everywhere: a box is float32 `xywh`, 0-indexed, continuous and half-open, so that pixel
`i` covers [i, i + 1) and the centre is `x + w / 2`. Points and displacements are (x, y).

Frames of reference: `in_image` (pixels of the video), `in_crop` (pixels of a template or search crop,
origin at its top left), `in_search` (displacement from the search crop's centre, crop pixels) and
`in_response` (displacement in cells of a response map). Each function here changes one frame, of
NumPy arrays on the host or of JAX arrays on the device alike.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

Arrays = Any  # without JAX's name, so that what runs where there is no JAX can import this


def _concat(parts: list) -> Arrays:
  return parts[0].__array_namespace__().concat(parts, axis=-1)


def box_center(box_xywh: Float[Arrays, "*b 4"]) -> Float[Arrays, "*b 2"]:
  """The centre (x, y) of a box, in the box's own frame."""
  return box_xywh[..., :2] + box_xywh[..., 2:] / 2


def box_from_center(center: Float[Arrays, "*b 2"], size_wh: Float[Arrays, "*b 2"]) -> Float[Arrays, "*b 4"]:
  """The box with the given centre and size."""
  return _concat([center - size_wh / 2, size_wh])


def template_side(size_wh: Float[Arrays, "*b 2"]) -> Float[Arrays, "*b"] | np.floating:
  """Side of the template crop in image pixels: `max(w, h) + 2 * pad`, `pad = (w + h) / 8`."""
  return size_wh.max(axis=-1) + size_wh.sum(axis=-1) / 4


def crop_scale(size_wh: Float[Arrays, "*b 2"], template_px: int) -> Float[Arrays, "*b"] | np.floating:
  """Crop pixels per image pixel, for a target of this size; the search crop shares it."""
  return template_px / template_side(size_wh)


def box_in_crop(
  box_in_image: Float[Arrays, "*b 4"],
  center_in_image: Float[Arrays, "*b 2"],
  scale: Float[Arrays, "*b"] | np.floating,
  crop_px: int,
) -> Float[Arrays, "*b 4"]:
  """A box of the image, seen in a square crop.

  Args:
    box_in_image: xywh, image pixels, [*b, 4].
    center_in_image: the crop's centre, image pixels, [*b, 2].
    scale: crop pixels per image pixel, [*b].
    crop_px: side of the crop.
  Returns:
    xywh in crop pixels, origin at the crop's top left, [*b, 4].
  """
  corner = (box_in_image[..., :2] - center_in_image) * scale[..., None] + crop_px / 2
  return _concat([corner, box_in_image[..., 2:] * scale[..., None]])


def zero_displacement_index(template_cells: int, search_cells: int) -> int:
  """The index of a SAME-padded response at which the target has not moved.

  A filter of even size n has no centre cell: XLA pads (n - 1) // 2 before it, so output i sees the
  filter's first cell at i - (n - 1) // 2. The unmoved template starts at (search - n) / 2, which is a cell only
  if both sizes are even or both odd (`Architecture` makes both even).
  """
  return (search_cells - template_cells) // 2 + (template_cells - 1) // 2


def displacement_in_search(displacement_in_response: Float[Arrays, "*b 2"], stride_px: int) -> Float[Arrays, "*b 2"]:
  """Cells of the response to pixels of the search crop."""
  return displacement_in_response * stride_px


def displacement_in_image(
  displacement_in_search: Float[Arrays, "*b 2"], scale: Float[Arrays, "*b"] | np.floating
) -> Float[Arrays, "*b 2"]:
  """Pixels of the search crop to pixels of the image."""
  return displacement_in_search / scale[..., None]
