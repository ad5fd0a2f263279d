"""Square crops of a frame, antialiased and bilinear, on the host by Pillow (an accelerator's are `device_crops`).

Only a window around the crop is looked at, so that the frame's size costs nothing. A square of more than twice the
crop's side is averaged over whole pixels first, so that neither does the target's.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

SAMPLES = 64  # of the frame's rows and columns, at least where it has as many, from which its mean colour is taken


class Window(NamedTuple):
  """The part of a frame that a crop is resized from.

  Attributes:
    pixels: RGB, averaged over whole pixels where the square is large; outside the frame its mean colour.
    corner: (x, y) of the square in it, its pixels.
    side_px: of the square in it, its pixels.
  """

  pixels: UInt8[np.ndarray, "h w 3"]
  corner: Float[np.ndarray, "2"]
  side_px: float


def crop_square(
  frame: UInt8[np.ndarray, "h w 3"], center_in_image: Float[np.ndarray, "2"], side_px: float, crop_px: int
) -> UInt8[np.ndarray, "crop_px crop_px 3"]:
  """Cuts a square around a centre and resizes it, on the host.

  Args:
    frame: RGB.
    center_in_image: (x, y), image pixels.
    side_px: side of the square, image pixels.
    crop_px: side of the result.
  """
  window = cut_window(frame, center_in_image, side_px, crop_px)
  box = (*window.corner, *(window.corner + window.side_px))
  return np.asarray(Image.fromarray(window.pixels).resize((crop_px, crop_px), Image.Resampling.BILINEAR, box=box))


def cut_window(
  frame: UInt8[np.ndarray, "h w 3"],
  center_in_image: Float[np.ndarray, "2"],
  side_px: float,
  crop_px: int,
  cells: int = 0,
) -> Window:
  """The window of a square, with what the resize's filter reaches.

  Args:
    cells: side of the window where it must be one and the same; 0: as large as it must be.
  """
  factor = max(1, math.ceil(side_px / (2 * crop_px)))  # pixels on each axis that are averaged
  step = max(1, factor // 2)  # of a large factor, two rows will do
  factor = step * math.ceil(factor / step)
  margin = factor * (math.ceil(side_px / factor / crop_px) + 1)
  corner = np.asarray(center_in_image, np.float64) - side_px / 2
  left, top = (math.floor(c) - margin for c in corner)
  cells = cells or math.ceil((side_px + 2 * margin + 1) / factor)
  pixels = _part(frame, left, top, cells * factor, step)
  if factor > 1:
    pixels = np.asarray(Image.fromarray(pixels).reduce((factor, factor // step)))
  return Window(pixels, (corner - (left, top)) / factor, side_px / factor)


def _part(frame: UInt8[np.ndarray, "h w 3"], left: int, top: int, side: int, step: int) -> UInt8[np.ndarray, "m n 3"]:
  """The middle row of each `step` rows of a square of the frame; the frame's mean colour where it leaves it."""
  height, width = frame.shape[:2]
  top += step // 2
  rows = side // step
  inside = frame[slice(max(0, -(-max(-top, 0) // step) * step + top), max(top + side, 0), step)]
  inside = inside[:, max(left, 0) : max(left + side, 0)]
  if inside.shape[:2] == (rows, side):
    return inside
  # A plane at a time, since rows of three are slow to gather and to sum.
  samples = frame.transpose(2, 0, 1)[:, :: max(1, height // SAMPLES), :: max(1, width // SAMPLES)]
  mean = samples.reshape(3, -1).mean(axis=1).round()
  part = np.empty((rows, side, 3), np.uint8)
  part[:] = np.tile(mean.astype(np.uint8), (side, 1))  # row by row: many times faster than pixel by pixel
  y, x = -(-max(-top, 0) // step), max(-left, 0)
  part[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
  return part
