"""Frames in, from a video file or a folder of pictures.

Nothing here holds a whole video in memory: frames are decoded as they are asked for. Frame i is coded frame i of the
file, shown from its own time stamp on: nothing is doubled or dropped to even out the clock.
"""

import contextlib
import dataclasses
import fractions
import functools
import itertools
import os
import pathlib
import re
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np
from jaxtyping import UInt8

from adadepth.errors import InputError
from adadepth.io.images import (
  FIRST_FRAMES,
  MAX_PIXELS,
  SUFFIXES,
  Levels,
  decode_as_shown,
  image_size,
  levels_in,
  levels_of,
  page_count,
  stretch,
)
from adadepth.io.picture_order import pictures_in_order

DEFAULT_FPS = 25.0  # where nothing says otherwise: a folder of pictures, a file without a clock
CLOCK_RATE = 240.0  # above it, the rate of a file that lists no frames is that of its clock: a browser's recording
# What FFmpeg plays and people do not call a video: text, drawn as on a terminal of 1990.
TEXT_FORMATS = ("tty", "bin", "xbin", "adf", "idf")
# What FFmpeg plays by opening other files, or addresses, that a playlist names.
PLAYLISTS = ("concat", "dash", "hls", "imf", "rtp", "rtsp", "sap", "sdp", "vobsub", "webm_dash_manifest", "lavfi")
MOVING_PICTURES = (".gif", ".avif")  # pictures by name, films by what they may hold
CURE = "give a video file, such as mp4, or a folder of pictures"

Frame = UInt8[np.ndarray, "h w 3"]


class VideoInfo(NamedTuple):
  """What is known of a video before it is read.

  Attributes:
    fps: frames per second, > 0, in the mean; 25 for a folder.
    width: of every frame, in pixels, as shown (a phone's rotation applied).
    height: likewise.
    count: number of frames, None where the file does not say.
    exact: whether `count` is what the folder or the file lists; else it is an estimate from the duration (good enough
      for a progress bar, never for an array's size).
  """

  fps: float
  width: int
  height: int
  count: int | None
  exact: bool


class TimedFrame(NamedTuple):
  """A frame and when it is shown.

  Attributes:
    frame: uint8 [h, w, 3] RGB.
    start_s: seconds since the start of the file, its sound included; each later than the last.
    duration_s: until the next, as the file says; it counts for the last frame.
  """

  frame: Frame
  start_s: float
  duration_s: float


@dataclasses.dataclass(frozen=True)
class FrameStream:
  """The frames of one video, in order; each loop over it reads them from the start.

  Attributes:
    path: the file or folder.
    info: size and speed.
    image_paths: the pictures of a folder, in order; None for a video file.
    levels: what becomes black and white of more than 8 bits; None for 8.
  """

  path: pathlib.Path
  info: VideoInfo
  image_paths: tuple[pathlib.Path, ...] | None
  levels: Levels | None

  def __iter__(self) -> Iterator[Frame]:
    return (frame for frame, _, _ in self.timed())

  def timed(self) -> Iterator[TimedFrame]:
    """The frames with their times."""
    if self.image_paths is None:
      return _timed_file(self.path, self.info.fps, self.levels)
    step_s = 1 / self.info.fps
    frames = _iter_images(self.image_paths, self.info, self.levels)
    return (TimedFrame(frame, i * step_s, step_s) for i, frame in enumerate(frames))


def read_frames(path: str | os.PathLike, *, argument: str = "path", levels: Levels | None = None) -> FrameStream:
  """Opens a video file or a folder of pictures, in the order of the numbers in their names (`pictures_in_order`).

  The first frames are decoded and every picture's header read at once, so that what cannot be read is refused here and
  not half-way.

  Args:
    path: the file or folder; `~` is the home folder.
    argument: name of the argument the path came from, for error messages.
    levels: what becomes black and white of frames of more than 8 bits; None: nearly all that the first ones hold.
  Returns:
    A stream whose frames are uint8 [h, w, 3] RGB, all of one size.
  Raises:
    InputError: the path does not exist, is no readable video, or a folder whose pictures have no order, are cut off or
      of another size than the first; while frames are read, a picture that is damaged within.
  """
  named = f"`{argument}` (={path})"
  path = local_path(path)
  if path.is_dir():
    return _open_folder(path, named, levels)
  if not path.exists():
    raise InputError(f"{named} {_why_missing(str(path))}")
  if not path.is_file():
    raise InputError(f"{named} is a device or a pipe; {CURE}")
  return _open_file(path, named, levels)


def local_path(path: str | os.PathLike) -> pathlib.Path:
  """A path as its user meant it: `~` is the home folder, and file:///a%20b.mp4 is /a b.mp4."""
  text = os.fspath(path)
  if text.lower().startswith("file://"):
    text = urllib.parse.unquote(urllib.parse.urlsplit(text).path)
  return pathlib.Path(os.path.expanduser(text))


def _why_missing(text: str) -> str:
  """Why there is no such path, and what to give."""
  if re.search(r"[*?\[]|%[0-9]*d", text):
    return f"is a pattern, which is not taken: give the folder of the pictures, {pathlib.Path(text).parent}"
  return f"does not exist; {CURE}"


def _open_folder(path: pathlib.Path, named: str, levels: Levels | None) -> FrameStream:
  image_paths = pictures_in_order(path, named=named)
  own_levels = levels_of(image_paths)
  levels = own_levels and (levels or own_levels)
  height, width = decode_as_shown(image_paths[0], name=str(image_paths[0]), levels=levels).shape[:2]
  info = VideoInfo(DEFAULT_FPS, width, height, len(image_paths), True)
  _check_headers(image_paths, info)
  return FrameStream(path, info, tuple(image_paths), levels)


def _check_headers(image_paths: list[pathlib.Path], info: VideoInfo) -> None:
  """Raises InputError for a picture that is cut off, several in one file, or of other sides than the first.

  Which side is which waits for EXIF.
  """
  for path in image_paths:
    try:
      sides, pages = image_size(path), page_count(path)
    except InputError as error:
      raise InputError(f"{path}: {error}; restore or remove it") from error
    if pages > 1:
      raise InputError(f"{path} holds {pages} pictures; write each to a numbered file of its own")
    if sorted(sides) != sorted((info.width, info.height)):
      raise _another_size(path, sides, info)


def _another_size(path: pathlib.Path, size_wh: tuple[int, int], info: VideoInfo) -> InputError:
  size = f"{size_wh[0]} x {size_wh[1]}"
  return InputError(f"{path} is {size} px, the first picture {info.width} x {info.height}; remove or resize it")


def _iter_images(image_paths: tuple[pathlib.Path, ...], info: VideoInfo, levels: Levels | None) -> Iterator[Frame]:
  for path in image_paths:
    frame = decode_as_shown(path, name=str(path), levels=levels)
    if frame.shape != (info.height, info.width, 3):
      raise _another_size(path, frame.shape[1::-1], info)
    yield frame


def _open_file(path: pathlib.Path, named: str, levels: Levels | None) -> FrameStream:
  try:
    with _opened(path) as container:
      _check_is_video(container, path, named)
      fps, count, exact = _clock(container)
    first = list(itertools.islice(_decoded(path), FIRST_FRAMES))
  except (av.error.FFmpegError, OSError) as error:
    raise InputError(f"{named} cannot be read as a video ({reason(error)}); {CURE}") from error
  if not first:
    raise InputError(f"{named} is a video without frames; {CURE}")
  levels = (levels or levels_of_frames(first)) if _deep_pixels(first[0]) is not None else None
  height, width = as_shown(first[0], first[0], levels).shape[:2]
  return FrameStream(path, VideoInfo(fps, width, height, count, exact), None, levels)


def _check_is_video(container: av.container.InputContainer, path: pathlib.Path, named: str) -> None:
  """Raises InputError for a picture, a text or sound, which FFmpeg opens as well."""
  kind, suffix, streams = container.format.name, path.suffix.lower(), container.streams.video
  if kind in TEXT_FORMATS:
    raise InputError(f"{named} is a text file; {CURE}")
  moves = suffix in MOVING_PICTURES and sum(stream.frames for stream in streams) != 1
  if kind == "image2" or kind.endswith("_pipe") or (suffix in SUFFIXES and not moves):
    raise InputError(f"{named} is a picture; give the folder of the frames, {path.parent}")
  if all(stream.disposition & av.stream.Disposition.attached_pic for stream in streams):
    raise InputError(f"{named} holds {'a cover picture' if streams else 'sound or text'} and no video; {CURE}")
  if container.streams.best("video").codec_context is None:
    raise InputError(f"{named} is coded in a way that FFmpeg has no decoder for; convert it to mp4 (H.264)")


def _clock(container: av.container.InputContainer) -> tuple[float, int | None, bool]:
  """Frames per second in the mean, how many frames there are, and whether the file lists them."""
  stream = container.streams.best("video")
  fps = float(stream.average_rate or stream.guessed_rate or DEFAULT_FPS)
  if stream.frames:
    return fps, stream.frames, True
  if fps > CLOCK_RATE:
    fps = DEFAULT_FPS
  duration_s = (container.duration or 0) / av.time_base
  return fps, max(1, round(duration_s * fps)) if duration_s > 0 else None, False


def _timed_file(path: pathlib.Path, fps: float, levels: Levels | None) -> Iterator[TimedFrame]:
  """The frames with their time stamps; where these stand still, go back or are missing, the mean rate goes on."""
  first, last_s, shift_s = None, None, 0.0
  for coded in _read_on(_decoded(path), path):
    first = first or coded
    next_s = 0.0 if last_s is None else last_s + 1 / fps
    start_s = next_s if coded.time is None else coded.time + shift_s
    if last_s is not None and start_s <= last_s:
      shift_s += next_s - start_s
      start_s = next_s
    last_s = start_s
    duration_s = float(coded.duration * coded.time_base) if coded.duration else 1 / fps
    yield TimedFrame(as_shown(coded, first, levels), start_s, duration_s)


def _read_on(coded: Iterator[av.VideoFrame], path: pathlib.Path) -> Iterator[av.VideoFrame]:
  try:
    yield from coded
  except (av.error.FFmpegError, OSError) as error:
    raise InputError(f"{path} cannot be read any further ({reason(error)}); copy it anew") from error


def _decoded(path: pathlib.Path) -> Iterator[av.VideoFrame]:
  """Every frame of a file that can be decoded, in the order in which they are shown; times count from its start."""
  with _opened(path) as container:
    start = (container.start_time or 0) / fractions.Fraction(av.time_base)
    stream = container.streams.best("video")
    # A thread a slice, not a frame: those lose the frames that they hold when the end of a file is damaged.
    stream.thread_type = "SLICE"
    for packet in container.demux(stream):
      with contextlib.suppress(av.error.InvalidDataError):
        for frame in packet.decode():
          if frame.pts is not None:
            frame.pts -= round(start / frame.time_base)
          yield frame


def _opened(path: pathlib.Path) -> av.container.InputContainer:
  # Absolute, since FFmpeg takes "a:b.mp4" for a protocol; titles may be in any encoding.
  options = {"format_whitelist": _formats_of_one_file(), "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
  return av.open(str(path.resolve()), metadata_errors="replace", options=options)


@functools.cache
def _formats_of_one_file() -> str:
  """FFmpeg's formats but for those that name other files."""
  return ",".join(sorted(set(av.formats_available) - set(PLAYLISTS)))


def levels_of_frames(coded: list[av.VideoFrame]) -> Levels | None:
  """The levels of decoded frames, None where these have 8 bits."""
  deep = [pixels for pixels in map(_deep_pixels, coded) if pixels is not None]
  return levels_in(deep) if deep else None


def as_shown(coded: av.VideoFrame, first: av.VideoFrame, levels: Levels | None) -> Frame:
  """A decoded frame as players show it: turned, of the first one's size, with 8 bits."""
  deep = _deep_pixels(coded, size_like=first)
  if deep is None:
    pixels = coded.reformat(first.width, first.height, format="rgb24").to_ndarray()
  else:
    pixels = stretch(deep, levels or levels_in([deep]))
  return np.ascontiguousarray(_turned(pixels, first))


def _deep_pixels(coded: av.VideoFrame, size_like: av.VideoFrame | None = None) -> np.ndarray | None:
  """Grey or RGB of more than 8 bits, as cameras of temperature and depth write; None for any other."""
  grey, rgb = coded.format.name.startswith("gray"), coded.format.is_rgb
  if not (grey or rgb) or coded.format.components[0].bits <= 8:
    return None
  size = size_like or coded
  return coded.reformat(size.width, size.height, format="gray16le" if grey else "rgb48le").to_ndarray()


def _turned(pixels: np.ndarray, coded: av.VideoFrame) -> np.ndarray:
  """Turns and mirrors by quarters, as the file's display matrix says: (x, y) is shown at (ax + cy, bx + dy)."""
  matrix = coded.side_data.get("DISPLAYMATRIX")
  if matrix is None:
    return pixels
  a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
  if abs(b) > abs(a):  # x is shown along y
    pixels, a, d = pixels.swapaxes(0, 1), c, b
  return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def reason(error: Exception) -> str:
  """Why FFmpeg could not, in a few words."""
  return getattr(error, "strerror", None) or type(error).__name__
