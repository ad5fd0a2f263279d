"""A zoomed view of a frame: the part of it that holds the boxes, at one size, so that small targets are seen."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

VIEW_WIDTH_PX, VIEW_HEIGHT_PX = 640, 480
LEAST_WIDTH_PX = 120.0  # of the frame: zoomed in further, it is blur
MARGIN_COLOR = (24, 24, 24)


def view_around(boxes_xywh: Float[np.ndarray, "n 4"], frame_hw: tuple[int, ...]) -> Int[np.ndarray, "4"]:
  """The smallest 4:3 part of a frame that holds all boxes, with a target's size of room around them.

  Args:
    boxes_xywh: image pixels, finite, n >= 1.
    frame_hw: (height, width) of the frame; where it is too small for 4:3, so is the view.
  Returns:
    xywh in whole image pixels, within the frame.
  """
  low, high = boxes_xywh[:, :2].min(axis=0), (boxes_xywh[:, :2] + boxes_xywh[:, 2:]).max(axis=0)
  width, height = high - low + 2 * boxes_xywh[:, 2:].max()
  width = max(width, height * VIEW_WIDTH_PX / VIEW_HEIGHT_PX, LEAST_WIDTH_PX)
  frame_wh = np.array(frame_hw[1::-1])
  size = np.minimum(np.ceil((width, width * VIEW_HEIGHT_PX / VIEW_WIDTH_PX)).astype(int), frame_wh)
  corner = np.clip(np.rint((low + high - size) / 2).astype(int), 0, frame_wh - size)
  return np.concatenate([corner, size])


def fit_view(
  frame_rgb: UInt8[np.ndarray, "h w 3"], view_xywh: Int[np.ndarray, "4"], boxes_xywh: Sequence[np.ndarray]
) -> tuple[UInt8[np.ndarray, "480 640 3"], list[np.ndarray]]:
  """The view, scaled to fit 640 x 480 and centred there, and the boxes in its pixels."""
  x, y, w, h = view_xywh.tolist()
  scale = min(VIEW_WIDTH_PX / w, VIEW_HEIGHT_PX / h)
  size = round(w * scale), round(h * scale)
  left, top = (VIEW_WIDTH_PX - size[0]) // 2, (VIEW_HEIGHT_PX - size[1]) // 2
  sheet = Image.new("RGB", (VIEW_WIDTH_PX, VIEW_HEIGHT_PX), MARGIN_COLOR)
  part = Image.fromarray(frame_rgb[y : y + h, x : x + w])
  sheet.paste(part.resize(size, Image.Resampling.BICUBIC), (left, top))
  origin = np.array([x, y, 0, 0], np.float32)
  offset = np.array([left, top, 0, 0], np.float32)
  return np.array(sheet), [(box - origin) * np.float32(scale) + offset for box in boxes_xywh]
