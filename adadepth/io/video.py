"""Frames in, from a video file or a folder of pictures; annotated video out.

Nothing here holds a whole video in memory: frames are decoded as they are asked for and encoded as they come.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Generator, Iterator
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np
from jaxtyping import UInt8

from adadepth.errors import InputError
from adadepth.io.images import SUFFIXES, decode_as_shown, image_size

DEFAULT_FPS = 25.0  # where nothing says otherwise: a folder of pictures, a file without a clock

Frame = UInt8[np.ndarray, "h w 3"]


class VideoInfo(NamedTuple):
  """What is known of a video before it is read.

  Attributes:
    fps: frames per second, > 0; 25 for a folder.
    width: of every frame, in pixels, as shown (a phone's rotation applied).
    height: likewise.
    count: number of frames: exact for a folder, an estimate from the duration for a file (good enough for a
      progress bar, never for an array's size), None where the file does not say.
  """

  fps: float
  width: int
  height: int
  count: int | None


@dataclasses.dataclass(frozen=True)
class FrameStream:
  """The frames of one video, in order; each loop over it reads them from the start.

  Attributes:
    path: the file or folder.
    info: size and speed.
    image_paths: the pictures of a folder, in order; None for a video file.
  """

  path: pathlib.Path
  info: VideoInfo
  image_paths: tuple[pathlib.Path, ...] | None

  def __iter__(self) -> Iterator[Frame]:
    if self.image_paths is None:
      return _iter_file(self.path)
    return _iter_images(self.image_paths, self.info)


def read_frames(path: str | os.PathLike, *, argument: str = "path") -> FrameStream:
  """Opens a video file or a folder of pictures (jpg, png, bmp; in natural order: 2.jpg before 10.jpg).

  The first frame is decoded and every picture's header read at once, so that what cannot be read is refused here and
  not half-way.

  Args:
    path: the file or folder.
    argument: name of the argument the path came from, for error messages.
  Returns:
    A stream whose frames are uint8 [h, w, 3] RGB, all of one size.
  Raises:
    InputError: the path does not exist, is no readable video, or holds no picture, or one that is cut off or of another
      size than the first; while frames are read, a picture that is damaged within.
  """
  path = pathlib.Path(path)
  named = f"`{argument}` (={path})"
  if path.is_dir():
    return _open_folder(path, named)
  if not path.is_file():
    raise InputError(f"{named} does not exist; give a video file or a folder of jpg, png or bmp pictures")
  return _open_file(path, named)


def natural_key(name: str) -> list[str | int]:
  """Returns a sort key that orders numbers in names by value.

  >>> sorted(["10.jpg", "2.jpg"], key=natural_key)
  ['2.jpg', '10.jpg']
  """
  return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"([0-9]+)", name)]


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
      fps: frames per second to play at, > 0.
    """
    if not fps > 0:
      raise ValueError(f"`fps` (={fps}) must be positive")
    self._path = pathlib.Path(path)
    self._partial_path = self._path.with_name(f"{self._path.stem}.partial.mp4")
    self._fps = fps
    self._shape: tuple[int, ...] | None = None
    self._encoder: Generator | None = None

  def __enter__(self) -> "VideoWriter":
    return self

  def write(self, frame_rgb: Frame) -> None:
    """Appends one frame, uint8 [h, w, 3] RGB, of the first frame's size.

    Raises:
      ValueError: the frame has another size than the first.
    """
    if self._encoder is None:
      self._start(frame_rgb.shape)
    if frame_rgb.shape != self._shape:
      raise ValueError(f"`frame_rgb` has shape {frame_rgb.shape}, the frames before it {self._shape}")
    height, width = frame_rgb.shape[:2]
    even = np.pad(frame_rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    self._encoder.send(np.ascontiguousarray(even))

  def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
    if self._encoder is None:
      return
    self._encoder.close()
    if error_type is None:
      self._partial_path.replace(self._path)
    else:
      self._partial_path.unlink(missing_ok=True)

  def _start(self, shape: tuple[int, ...]) -> None:
    self._path.parent.mkdir(parents=True, exist_ok=True)
    size = (shape[1] + shape[1] % 2, shape[0] + shape[0] % 2)
    # Sizes are even already; the default of 16 would resize them. faststart: the file plays while it loads.
    self._encoder = imageio_ffmpeg.write_frames(
      str(self._partial_path.resolve()),
      size,
      fps=self._fps,
      quality=7,
      macro_block_size=2,
      ffmpeg_log_level="error",
      output_params=["-movflags", "+faststart"],
    )
    self._encoder.send(None)
    self._shape = shape


def _open_folder(path: pathlib.Path, named: str) -> FrameStream:
  image_paths = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
  if not image_paths:
    raise InputError(f"{named} holds no jpg, png or bmp picture; name the folder that holds the frames")
  image_paths.sort(key=lambda p: natural_key(p.name))
  height, width = decode_as_shown(image_paths[0], name=str(image_paths[0])).shape[:2]
  info = VideoInfo(DEFAULT_FPS, width, height, len(image_paths))
  _check_headers(image_paths, info)
  return FrameStream(path, info, tuple(image_paths))


def _check_headers(image_paths: list[pathlib.Path], info: VideoInfo) -> None:
  """Raises InputError for a picture that is cut off or of other sides than the first; which is which waits for EXIF."""
  for path in image_paths:
    try:
      sides = image_size(path)
    except InputError as error:
      raise InputError(f"{path}: {error}; restore or remove it") from error
    if sorted(sides) != sorted((info.width, info.height)):
      raise _another_size(path, sides, info)


def _another_size(path: pathlib.Path, size_wh: tuple[int, int], info: VideoInfo) -> InputError:
  size = f"{size_wh[0]} x {size_wh[1]}"
  return InputError(f"{path} is {size} px, the first picture {info.width} x {info.height}; remove or resize it")


def _open_file(path: pathlib.Path, named: str) -> FrameStream:
  cure = "give a file that ffmpeg can play, such as mp4, avi or mov, or a folder of pictures"
  reader = imageio_ffmpeg.read_frames(str(path.resolve()))
  try:
    meta = next(reader)
    first = next(reader, None)
  except (OSError, RuntimeError, LookupError, ValueError, AssertionError) as error:
    raise InputError(f"{named} cannot be read as a video; {cure}") from error
  finally:
    reader.close()
  if first is None:
    raise InputError(f"{named} is a video without frames; {cure}")
  fps = float(meta.get("fps") or DEFAULT_FPS)
  duration_s = float(meta.get("duration") or 0.0)
  count = max(1, round(duration_s * fps)) if np.isfinite(duration_s) and duration_s > 0 else None
  width, height = meta["size"]
  return FrameStream(path, VideoInfo(fps, width, height, count), None)


def _iter_file(path: pathlib.Path) -> Iterator[Frame]:
  reader = imageio_ffmpeg.read_frames(str(path.resolve()))
  try:
    width, height = next(reader)["size"]
    for data in reader:
      yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
  finally:
    reader.close()  # ends ffmpeg, also when the loop stops early


def _iter_images(image_paths: tuple[pathlib.Path, ...], info: VideoInfo) -> Iterator[Frame]:
  for path in image_paths:
    frame = decode_as_shown(path, name=str(path))
    if frame.shape != (info.height, info.width, 3):
      raise _another_size(path, frame.shape[1::-1], info)
    yield frame
