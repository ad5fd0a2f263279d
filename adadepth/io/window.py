"""A window on a screen, where there is one, and an OpenCV that can open windows."""

import os
import sys

import numpy as np
from jaxtyping import Float32, UInt8

TITLE = "adadepth"
CLOSE_KEYS = (27, ord("q"))  # Esc, q
HOW_TO_DRAW = "draw a box around the target, then press Enter; c: none"


def why_no_window() -> str:
  """Why no window can be opened here; "" where one can."""
  if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    return "there is no display"
  try:
    import cv2
  except ImportError:
    return "OpenCV is not installed (pip install opencv-python)"
  try:
    cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
  except cv2.error:
    return "this OpenCV has no windows (pip install opencv-python, not -headless)"
  return ""


class Window:
  """A window that shows frames; ask `why_no_window` first."""

  def __init__(self) -> None:
    import cv2

    self._cv2 = cv2

  def draw_box(self, frame_rgb: UInt8[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "4"] | None:
    """Lets a person draw a box; xywh in pixels of the frame, None where none was drawn."""
    print(HOW_TO_DRAW, file=sys.stderr, flush=True)
    box = np.array(self._cv2.selectROI(TITLE, frame_rgb[..., ::-1].copy(), False), np.float32)
    return box if (box[2:] > 0).all() else None

  def show(self, frame_rgb: UInt8[np.ndarray, "h w 3"]) -> bool:
    """Shows a frame; returns whether to go on: no Esc, no q, and the window is not closed."""
    self._cv2.imshow(TITLE, frame_rgb[..., ::-1].copy())
    closed = (self._cv2.waitKey(1) & 0xFF) in CLOSE_KEYS
    return not closed and self._cv2.getWindowProperty(TITLE, self._cv2.WND_PROP_VISIBLE) >= 1

  def close(self) -> None:
    self._cv2.destroyAllWindows()
