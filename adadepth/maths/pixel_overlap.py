"""Overlap as VOT counts it: both regions drawn on whole pixels of the image, and pixels compared.

The convention is vot-toolkit 0.7.4's, whose measures need it to the last pixel; IoU of areas is `metrics.iou`.
"""

import numpy as np
from jaxtyping import Bool, Float

Corners = Float[np.ndarray, "k 2"]
Box = Float[np.ndarray, "4"]


def pixel_overlap(region: Box | Corners, truth: Box | Corners, image_wh: tuple[int, int]) -> float:
  """Pixels in both over pixels in either, within the image.

  Args:
    region: xywh, or the corners of a convex polygon in image pixels, [k, 2].
    truth: likewise.
    image_wh: width and height.
  Returns:
    In [0, 1]; 0 where a region is not finite, or where what both cover together is a pixel wide in the image.
  """
  if not (np.isfinite(region).all() and np.isfinite(truth).all()):
    return 0.0
  (left, top), (right, bottom) = _bounds(region), _bounds(truth)
  low = np.maximum(np.minimum(left, right), 0)
  high = np.minimum(np.maximum(top, bottom), np.asarray(image_wh) - 1)
  if (low >= high).any():
    return 0.0
  a, b = (drawn(part, low, high) for part in (region, truth))
  either = np.count_nonzero(a | b)
  return np.count_nonzero(a & b) / either if either else 0.0


def drawn(region: Box | Corners, low: np.ndarray, high: np.ndarray) -> Bool[np.ndarray, "h w"]:
  """A region's pixels in a window whose first and last pixel are low and high, (x, y) each.

  A box rounded to whole pixels covers x .. x + w - 1. A polygon, its corners rounded, covers in each row all from where
  its edges leave that row first to where they do last, both pixels counted.
  """
  columns, rows = (np.arange(extent + 1) for extent in high - low)
  if region.ndim == 1:
    x, y, w, h = np.rint(region) - np.append(low, (0, 0))
    return ((rows >= y) & (rows < y + h))[:, None] & ((columns >= x) & (columns < x + w))
  first, last = _row_ends(np.rint(region) - low.astype(np.float64), rows)
  return (columns >= first[:, None]) & (columns <= last[:, None])


def _row_ends(corners: Corners, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The first and last pixel of a convex polygon in each row; inf and -inf where it has none."""
  (x0, y0), (x1, y1) = corners.T[:, :, None], np.roll(corners, 1, axis=0).T[:, :, None]
  level = y0 == y1
  crossing = np.trunc(x0 + np.where(level, 0, (rows - y0) / np.where(level, 1, y1 - y0)) * (x1 - x0))
  meets = (np.minimum(y0, y1) <= rows) & (rows <= np.maximum(y0, y1))
  return np.where(meets, crossing, np.inf).min(axis=0), np.where(meets, crossing, -np.inf).max(axis=0)


def _bounds(region: Box | Corners) -> tuple[np.ndarray, np.ndarray]:
  """The first and the last pixel, (x, y) each."""
  rounded = np.rint(region)
  if region.ndim == 1:
    return rounded[:2].astype(int), (rounded[:2] + rounded[2:] - 1).astype(int)
  return rounded.min(axis=0).astype(int), rounded.max(axis=0).astype(int)
