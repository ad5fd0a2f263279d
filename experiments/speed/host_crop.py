"""The host's crop of `adadepth.data.crops` for an interpreter that has NumPy and Pillow alone; a test compares them."""

import math

import numpy as np
from PIL import Image

SAMPLES = 64


def crop_square(frame: np.ndarray, center_in_image: np.ndarray, side_px: float, crop_px: int) -> np.ndarray:
  """A square around a centre, [crop_px, crop_px, 3]."""
  factor = max(1, math.ceil(side_px / (2 * crop_px)))
  step = max(1, factor // 2)
  factor = step * math.ceil(factor / step)
  margin = factor * (math.ceil(side_px / factor / crop_px) + 1)
  corner = np.asarray(center_in_image, np.float64) - side_px / 2
  left, top = (math.floor(c) - margin for c in corner)
  pixels = part(frame, left, top, math.ceil((side_px + 2 * margin + 1) / factor) * factor, step)
  if factor > 1:
    pixels = np.asarray(Image.fromarray(pixels).reduce((factor, factor // step)))
  corner, side = (corner - (left, top)) / factor, side_px / factor
  box = (*corner, *(corner + side))
  return np.asarray(Image.fromarray(pixels).resize((crop_px, crop_px), Image.Resampling.BILINEAR, box=box))


def part(frame: np.ndarray, left: int, top: int, side: int, step: int) -> np.ndarray:
  """The middle row of each `step` rows of a square of the frame; the frame's mean colour where it leaves it."""
  height, width = frame.shape[:2]
  top += step // 2
  rows = side // step
  inside = frame[slice(max(0, -(-max(-top, 0) // step) * step + top), max(top + side, 0), step)]
  inside = inside[:, max(left, 0) : max(left + side, 0)]
  if inside.shape[:2] == (rows, side):
    return inside
  mean = frame[:: max(1, height // SAMPLES), :: max(1, width // SAMPLES)].mean(axis=(0, 1)).round()
  found = np.empty((rows, side, 3), np.uint8)
  found[:] = np.tile(mean.astype(np.uint8), (side, 1))
  y, x = -(-max(-top, 0) // step), max(-left, 0)
  found[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
  return found
