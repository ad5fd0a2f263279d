"""Annotated video out: frames are encoded as they come."""

import contextlib
import fractions
import os
import pathlib
from collections.abc import Iterator

import av
import numpy as np
from jaxtyping import UInt8

from adadepth.errors import InputError
from adadepth.io.whole_files import UNFINISHED

TICKS_PER_S = 90_000  # of the clock that written videos have
ENCODER = "libx264"


class VideoWriter:
  """Writes frames to an mp4 that players and browsers show (H.264, yuv420p); a context manager.

  The file appears under its name when the block ends well; after an error nothing is left. H.264 needs even
  sizes: an odd one is padded by repeating the last row or column.

  Example:
    with VideoWriter("track.mp4", fps=25.0) as video:
      for frame in frames:
        video.write(frame)
  """

  def __init__(self, path: str | os.PathLike, *, fps: float) -> None:
    """Prepares a writer; the encoder starts with the first frame.

    Args:
      path: the mp4 to write; its folder is made where missing.
      fps: frames per second to play at, > 0, where frames have no times of their own.
    Raises:
      InputError: the FFmpeg of this Python cannot write H.264.
    """
    if not fps > 0:
      raise ValueError(f"`fps` (={fps}) must be positive")
    if ENCODER not in av.codecs_available:
      raise InputError(f"the FFmpeg of this Python (PyAV {av.__version__}) has no {ENCODER}; run `pip install av`")
    self._path = pathlib.Path(path)
    self._partial_path = self._path.with_name(f"{UNFINISHED}{os.getpid()}-{self._path.name}")
    self._fps = fps
    self._shape: tuple[int, ...] | None = None
    self._end_s = 0.0  # of the last frame
    self._tick = -1  # at which the last frame starts
    self._ticks_shown: dict[int, int] = {}  # of frames in the encoder, by the tick at which they start

  def __enter__(self) -> "VideoWriter":
    return self

  def write(
    self, frame_rgb: UInt8[np.ndarray, "h w 3"], *, start_s: float | None = None, duration_s: float | None = None
  ) -> None:
    """Appends one frame, uint8 [h, w, 3] RGB, of the first frame's size.

    Args:
      frame_rgb: the frame.
      start_s: when it is shown; None: when the last one ends. The first is shown from 0 on, since nothing else is.
      duration_s: for how long, if it is the last; None: 1 / fps.
    Raises:
      ValueError: the frame has another size than the first.
      OSError: the disk is full, or another reason that it cannot be written.
    """
    if self._shape is None:
      self._start(frame_rgb.shape)
    if frame_rgb.shape != self._shape:
      raise ValueError(f"`frame_rgb` has shape {frame_rgb.shape}, the frames before it {self._shape}")
    height, width = frame_rgb.shape[:2]
    even = np.pad(frame_rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    start_s = self._end_s if start_s is None else start_s
    self._end_s = start_s + (duration_s or 1 / self._fps)
    self._tick = max(self._tick + 1, round(start_s * TICKS_PER_S)) if self._tick >= 0 else 0
    self._ticks_shown[self._tick] = max(1, round(self._end_s * TICKS_PER_S) - self._tick)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
    frame.pts, frame.time_base = self._tick, fractions.Fraction(1, TICKS_PER_S)
    self._encode(frame)

  def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
    if self._shape is None:
      return
    try:
      if error_type is None:
        self._encode(None)
        self._close()
        self._partial_path.replace(self._path)
    finally:
      with contextlib.suppress(Exception):  # the first error counts; a file that is closed is closed again in peace
        self._container.close()
      self._partial_path.unlink(missing_ok=True)

  def _start(self, shape: tuple[int, ...]) -> None:
    self._path.parent.mkdir(parents=True, exist_ok=True)
    # faststart: the file plays while it loads.
    with self._told_as_os_error():
      self._container = av.open(str(self._partial_path.resolve()), "w", options={"movflags": "faststart"})
    self._stream = self._container.add_stream(
      ENCODER, rate=fractions.Fraction(max(self._fps, 0.01)).limit_denominator(10_000)
    )
    self._stream.width, self._stream.height = shape[1] + shape[1] % 2, shape[0] + shape[0] % 2
    self._stream.pix_fmt = "yuv420p"
    # Without frames that are coded out of order, the length of the file is that of its frames.
    self._stream.options = {"crf": "15", "bf": "0"}
    self._stream.codec_context.time_base = fractions.Fraction(1, TICKS_PER_S)
    self._shape = shape

  def _encode(self, frame: av.VideoFrame | None) -> None:
    with self._told_as_os_error():
      for packet in self._stream.encode(frame):
        packet.duration = self._ticks_shown.pop(packet.pts)
        self._container.mux(packet)

  def _close(self) -> None:
    with self._told_as_os_error():
      self._container.close()

  @contextlib.contextmanager
  def _told_as_os_error(self) -> Iterator[None]:
    try:
      yield
    except av.error.FFmpegError as error:
      raise OSError(error.errno, f"FFmpeg: {error.strerror}", str(self._path)) from error
