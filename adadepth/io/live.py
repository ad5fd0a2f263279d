"""Frames as they come, from a camera or a stream: those that are late are dropped, and counted."""

import os
import pathlib
import re
import sys
import threading
from collections.abc import Iterator

import av
import numpy as np
from jaxtyping import UInt8

from adadepth.errors import InputError
from adadepth.io.images import Levels
from adadepth.io.run_record import without_password
from adadepth.io.video import DEFAULT_FPS, TimedFrame, VideoInfo, as_shown, levels_of_frames, reason

TIMEOUT_S = 10.0  # to open, and for each frame
RECORDINGS = ("http", "https", "ftp")  # where a file may lie that waits until it is read
POLL_S = 0.1  # how soon it is seen that a person wants to stop
CAMERA = re.compile(r"\d+|/dev/video\d+")
URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # of two letters and more: C:/ is a disk


def is_live(text: str | os.PathLike) -> bool:
  """Whether it names a camera (0, /dev/video0) or a URL other than a file's, and no path that exists."""
  text = os.fspath(text)
  url = URL.match(text)
  if url:
    return url[1].lower() != "file"
  return bool(CAMERA.fullmatch(text)) and (text.startswith("/dev/") or not pathlib.Path(text).exists())


class LiveStream:
  """A camera or a stream, decoded in a thread as it comes.

  Only the newest frame is kept: a frame is dropped where the next one comes before it is asked for. A recording behind
  a URL waits instead, and nothing of it is dropped.

  Attributes:
    name: for people.
    info: size and speed.
    dropped: frames that came too late to be asked for, since `timed` began.
    ended: why there are no more frames; "" while there are, and where they have come to their end.
  """

  def __init__(self, container: av.container.InputContainer, name: str, *, waits: bool, levels: Levels | None) -> None:
    """Waits for the first frame; see `open_live`."""
    self.name, self.dropped, self.ended = name, 0, ""
    self._container, self._waits = container, waits
    self._changed, self._newest, self._over = threading.Condition(), None, False
    threading.Thread(target=self._read, name=f"frames of {name}", daemon=True).start()
    first = self._take(threading.Event())
    if first is None:
      raise InputError(f"`config.video` (={name}) gives no frames ({self.ended or 'it ended'}); see that it plays")
    self._first, self._held = first, (first if waits else None)  # what `timed` begins with, if it is chosen
    self.levels = levels or levels_of_frames([first])
    height, width = self._as_rgb(first).shape[:2]
    stream = container.streams.video[0]
    fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
    self.info = VideoInfo(fps, width, height, None, False)

  def first_frame(self) -> UInt8[np.ndarray, "h w 3"]:
    """The newest frame, which `timed` will begin with."""
    self._held = (None if self._waits else self._take(threading.Event())) or self._held or self._first
    return self._as_rgb(self._held)

  def timed(self, stop: threading.Event) -> Iterator[TimedFrame]:
    """The frames from now on (all those of a recording), with their times since the first, until `stop` is set."""
    coded = self._held or self._take(stop) or self._first
    start_s, last_s, step_s = None, None, 1 / self.info.fps
    self.dropped = 0
    while coded is not None and not stop.is_set():
      now_s = coded.time if coded.time is not None else (0.0 if last_s is None else last_s + step_s)
      start_s = now_s if start_s is None else start_s
      last_s = now_s - start_s if last_s is None else max(now_s - start_s, last_s + 1e-3)
      yield TimedFrame(self._as_rgb(coded), last_s, step_s)
      coded = self._take(stop)

  def close(self) -> None:
    """Ends the thread at its next frame, and the connection with it."""
    with self._changed:
      self._over = True
      self._changed.notify_all()

  def _as_rgb(self, coded: av.VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
    return as_shown(coded, self._first, self.levels)

  def _take(self, stop: threading.Event) -> av.VideoFrame | None:
    """The newest frame, once there is one; None where there are no more, or a person stops."""
    with self._changed:
      while self._newest is None and not self._over and not stop.is_set():
        self._changed.wait(POLL_S)
      coded, self._newest = self._newest, None
      self._changed.notify_all()
      return coded

  def _read(self) -> None:
    try:
      for coded in self._container.decode(video=0):
        if not self._offer(coded):
          break
    except (av.error.FFmpegError, OSError) as error:
      self.ended = reason(error)
    finally:
      self.close()
      self._container.close()

  def _offer(self, coded: av.VideoFrame) -> bool:
    """Puts a frame where the last one was; returns whether more are wanted."""
    with self._changed:
      while self._waits and self._newest is not None and not self._over:
        self._changed.wait()
      if self._over:
        return False
      self.dropped += self._newest is not None
      self._newest = coded
      self._changed.notify_all()
      return True


def open_live(text: str, *, levels: Levels | None = None) -> LiveStream:
  """Opens a camera by its number or device, or a stream by its URL.

  Raises:
    InputError: there is none, or it gives no frames.
  """
  name = without_password(text)
  where, options = (text, None) if URL.match(text) else _camera(text)
  try:
    container = av.open(where, format=options, options=_options(text), timeout=TIMEOUT_S, metadata_errors="replace")
  except (av.error.FFmpegError, OSError, ValueError) as error:
    raise InputError(
      f"`config.video` (={name}) cannot be opened ({reason(error)}); see that it plays elsewhere"
    ) from None
  if not container.streams.video:
    raise InputError(f"`config.video` (={name}) holds no video")
  waits = text.lower().startswith(RECORDINGS) and container.duration is not None
  return LiveStream(container, name, waits=waits, levels=levels)


def _camera(text: str) -> tuple[str, str]:
  """What FFmpeg opens, and how."""
  if sys.platform == "darwin" and text.isdecimal():
    return text, "avfoundation"
  if not sys.platform.startswith("linux"):
    raise InputError(f"`config.video` (={text}): cameras are taken on Linux and macOS alone; give a stream's URL")
  device = pathlib.Path(text if text.startswith("/dev/") else f"/dev/video{text}")
  if not device.exists():
    there = ", ".join(str(path) for path in sorted(pathlib.Path("/dev").glob("video*"))) or "there is none"
    raise InputError(f"`config.video` (={text}): no camera at {device} ({there}); give another, a file or a folder")
  return str(device), "v4l2"


def _options(text: str) -> dict[str, str]:
  return {"rtsp_flags": "prefer_tcp"} if text.lower().startswith("rtsp") else {}
