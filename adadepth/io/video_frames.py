"""The frames of a video by number, as data sets have them; a file is decoded forwards, so that order is cheap."""

import pathlib
import threading
from collections.abc import Generator
from typing import SupportsIndex

import numpy as np
from jaxtyping import UInt8

from adadepth.errors import InputError
from adadepth.io.video import FrameStream, read_frames


class VideoFrames:
  """A FrameSource over a video file or a folder of pictures; a frame before the last one read starts the file anew."""

  def __init__(self, stream: FrameStream):
    """Counts the frames, by decoding them all where the file does not list them."""
    self.stream = stream
    self._count = stream.info.count if stream.info.exact else sum(1 for _ in stream)
    self._lock = threading.Lock()  # frames are read ahead in a thread
    self._frames: Generator[np.ndarray] = (frame for frame in ())
    self._next = self._count  # the number of the frame that the iterator gives next

  def __len__(self) -> int:
    return self._count

  def __getitem__(self, index: SupportsIndex) -> UInt8[np.ndarray, "h w 3"]:
    index = range(self._count)[index]
    with self._lock:
      if index < self._next:
        self._frames.close()
        self._frames, self._next = iter(self.stream), 0
      for frame in self._frames:
        self._next += 1
        if self._next > index:
          if self._next == self._count:
            self._frames.close()  # or thousands of videos that were read would stay open
          return frame
    raise InputError(
      f"{self.stream.path} lists {self._count} frames and ends before frame {index}: it is cut or damaged; write it "
      f"anew (`ffmpeg -i {self.stream.path.name} whole.mp4`), or leave it out"
    )

  @property
  def paths(self) -> tuple[pathlib.Path, ...]:
    """The files that the frames are in."""
    return self.stream.image_paths or (self.stream.path,)


def open_frames(path: pathlib.Path) -> VideoFrames:
  """`read_frames`, by number.

  Raises:
    InputError: what `read_frames` refuses.
  """
  return VideoFrames(read_frames(path, argument="video"))
