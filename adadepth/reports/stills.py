"""Frames of a video for a page: small, evenly spread, and bounded in number and bytes however long the video is."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

WIDEST_PX = 640
QUALITY = 70
MOST = 240
MOST_BYTES = 5_000_000  # a page has a third more of them, as text


class Stills:
  """Keeps every n-th frame as JPEG; where they become too many, every second one goes and n doubles.

  Attributes:
    every: n.
    numbers: which of the frames that came are kept.
    jpegs: their files.
  """

  def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES):
    self._most, self._most_bytes, self.every, self._came = most, most_bytes, 1, 0
    self.numbers: list[int] = []
    self.jpegs: list[bytes] = []

  def add(self, frame: UInt8[np.ndarray, "h w 3"]) -> None:
    """Takes the next frame."""
    if self._came % self.every == 0:
      self.numbers.append(self._came)
      self.jpegs.append(small_jpeg(frame))
    self._came += 1
    while len(self.jpegs) > self._most or (len(self.jpegs) > 1 and sum(map(len, self.jpegs)) > self._most_bytes):
      self.numbers, self.jpegs, self.every = self.numbers[::2], self.jpegs[::2], 2 * self.every


def small_jpeg(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
  """A frame as a JPEG of at most `WIDEST_PX` in width, and in height."""
  image, file = Image.fromarray(frame), io.BytesIO()
  image.thumbnail((WIDEST_PX, WIDEST_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)  # averages first: fast
  image.save(file, "jpeg", quality=QUALITY)
  return file.getvalue()
