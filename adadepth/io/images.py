"""Images on disk: whatever their kind, they come out as uint8 RGB, and are read when asked for.

More than 8 bits (a thermal camera's, a microscope's, depth in millimetres) are stretched to a byte: the levels that
the first frames of a video hold become black and white, and stay so for all of it.
"""

import dataclasses
import functools
import io
import os
import pathlib
import re
import warnings
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Listing
from typing import NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Num, UInt8
from PIL import Image, ImageOps

from adadepth.errors import InputError

SUFFIXES = (
  *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
  *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".tga"),
)
# What Pillow may take a file for, whatever its name: not PostScript, say, for which it starts another program.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "TGA", "MPO")
MAX_PIXELS = 1 << 27  # of one picture, 16k x 8k: a small file can claim any size, and unfold to it
STACKS = (".tif", ".tiff", ".gif", ".webp", ".avif", ".png")  # which may hold several pictures
# The last bytes of a whole JPEG (end of image) and a whole PNG (the IEND chunk).
WHOLE_FILE_ENDINGS = (b"\xff\xd9", b"IEND\xaeB`\x82")
# Whose levels count for all frames, and which of their pixels: a few dead ones must not.
FIRST_FRAMES = 5
PERCENTILES = (0.01, 99.99)

Deep = Num[np.ndarray, "h w *c"]  # grey or RGB of more than 8 bits


def open_image(file: str | os.PathLike | io.BufferedIOBase) -> Image.Image:
  """`PIL.Image.open` of a file that is nothing but a picture, and not out of all proportion.

  Raises:
    OSError, ValueError and others of Pillow: it is none.
  """
  with warnings.catch_warnings():  # Pillow only warns of large ones
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    image = Image.open(file, formats=FORMATS)
  if image.width * image.height > MAX_PIXELS:
    image.close()
    raise ValueError(f"{image.width} x {image.height} px are more than the {MAX_PIXELS} that are read")
  return image


class Levels(NamedTuple):
  """What becomes black and what becomes white of pixels of more than 8 bits."""

  low: float
  high: float


@dataclasses.dataclass(frozen=True)
class ImageFolder:
  """A FrameSource over image files: frame t is paths[t], decoded anew each time it is indexed.

  Attributes:
    paths: the files, in order; they may differ in kind.
  """

  paths: tuple[pathlib.Path, ...]

  def __len__(self) -> int:
    return len(self.paths)

  def __getitem__(self, index: SupportsIndex) -> UInt8[np.ndarray, "h w 3"]:
    path = self.paths[index]
    return decode_image(path, name=f"{path} (frame {index})", levels=self.levels)

  @functools.cached_property
  def levels(self) -> Levels | None:
    """`levels_of` the first frames."""
    return levels_of(self.paths)


def numbered_images(folder: pathlib.Path, prefix: str = "") -> dict[int, pathlib.Path]:
  """The images in a folder whose names are numbers, like 00000001.jpg, behind a prefix: number -> path, in order.

  Raises:
    InputError: two images of one number, such as a frame and its mask.
  """
  numbered = {}
  for path in sorted(folder.glob(f"{prefix}*")):
    number = path.stem.removeprefix(prefix)
    if path.suffix.lower() in SUFFIXES and number.isdecimal():
      first = numbered.setdefault(int(number), path)
      if first != path:
        raise InputError(f"{folder} holds two images of one number, {first.name} and {path.name}; move one elsewhere")
  return dict(sorted(numbered.items()))


def decode_image(
  file: pathlib.Path | io.BytesIO, *, name: str, levels: Levels | None = None
) -> UInt8[np.ndarray, "h w 3"]:
  """Decodes any image that Pillow reads, as uint8 RGB.

  Grey is repeated over the three channels, palettes are looked up, an alpha channel is dropped, and more than 8 bits
  are stretched. An orientation in EXIF is ignored: boxes are in the stored pixels.

  Args:
    file: a path, or the bytes of a file.
    name: what to call it in the error.
    levels: of an image of more than 8 bits; None: its own.
  Returns:
    [h, w, 3].
  Raises:
    InputError: it is missing, cut off or no image; the message has `name` and Pillow's reason.
  """
  return _decode(file, name, lambda image: image, levels)


def decode_as_shown(
  file: pathlib.Path | io.BytesIO, *, name: str, levels: Levels | None = None
) -> UInt8[np.ndarray, "h w 3"]:
  """`decode_image`, turned as EXIF says: for boxes that are read off the image as viewers show it."""
  return _decode(file, name, ImageOps.exif_transpose, levels)


def levels_of(paths: Listing[pathlib.Path]) -> Levels | None:
  """The levels of the first frames, None where these have 8 bits; a frame that cannot be read is passed over."""
  deep = []
  for path in paths[:FIRST_FRAMES]:
    try:
      with open_image(path) as image:
        deep.append(_deep_pixels(image))
    except Exception:  # as in _decode; it is told when the frame is read
      continue
  deep = [pixels for pixels in deep if pixels is not None]
  return levels_in(deep) if deep else None


def levels_in(frames: Iterable[Deep]) -> Levels:
  """The levels between which nearly all pixels of these frames lie."""
  values = np.concatenate([frame.reshape(-1) for frame in frames])
  values = values[np.isfinite(values)]
  low, high = np.percentile(values, PERCENTILES).tolist() if values.size else (0.0, 0.0)
  return Levels(low, high) if high > low else Levels(low, low + 1)


def stretch(frame: Deep, levels: Levels) -> UInt8[np.ndarray, "h w 3"]:
  """Grey or RGB as uint8 RGB: `levels.low` and what is below becomes 0, `levels.high` and what is above 255."""
  scaled = (frame.astype(np.float64) - levels.low) * (255 / (levels.high - levels.low))
  bytes_ = np.rint(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
  return bytes_ if bytes_.ndim == 3 else np.repeat(bytes_[..., None], 3, axis=-1)


def image_size(path: pathlib.Path) -> tuple[int, int]:
  """Returns (width, height) from the header, and makes sure that the file is whole.

  A JPEG or PNG that ends as it should is taken at its word; any other file is decoded to see. Damage
  further inside a file shows only when the frame is read, as an InputError from decode_image.

  Raises:
    InputError: the file cannot be read as an image; the message is Pillow's reason without the path.
  """
  try:
    with path.open("rb") as file, open_image(file) as image:
      size = image.size
      if not _ends_whole(path):
        image.load()
      return size
  except MemoryError:  # as in _decode
    raise
  except Exception as error:
    raise InputError(f"cannot read the image ({_one_line(error)})") from error


def page_count(path: pathlib.Path) -> int:
  """How many pictures a file holds: the pages of a TIFF, the frames of an animation; 1 for a JPEG.

  Raises:
    InputError: as `image_size`.
  """
  if path.suffix.lower() not in STACKS:
    return 1
  try:
    with open_image(path) as image:
      return getattr(image, "n_frames", 1)
  except Exception as error:  # as in _decode
    raise InputError(f"cannot read the image ({_one_line(error)})") from error


def is_rgb_file(path: pathlib.Path) -> bool:
  """Whether the file is a JPEG or PNG that holds 8 bits of RGB already, so that its bytes can be passed on."""
  with open_image(path) as image:
    deep = any("16" in str(tile[3]) for tile in image.tile)  # of 16 bits Pillow says "RGB" too
    return image.mode == "RGB" and image.format in ("JPEG", "PNG") and not deep


def encode_png(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
  """Returns the frame as the bytes of a PNG file, lossless."""
  file = io.BytesIO()
  Image.fromarray(frame).save(file, "png")
  return file.getvalue()


def _decode(
  file: pathlib.Path | io.BytesIO, name: str, turned: Callable[[Image.Image], Image.Image], levels: Levels | None
) -> np.ndarray:
  try:
    with open_image(file) as image:
      deep = _deep_pixels(image, turned)
      return _as_rgb(turned(image)) if deep is None else stretch(deep, levels or levels_in([deep]))
  except MemoryError:  # is no fault of the file, which a job may be told to skip
    raise
  except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error...
    raise InputError(f"{name}: cannot read the image ({_one_line(error)}); restore or remove it") from error


def _deep_pixels(image: Image.Image, turned: Callable[[Image.Image], Image.Image] = lambda image: image) -> Deep | None:
  """The pixels of an image of more than 8 bits a channel; None where it has 8."""
  if image.mode.startswith("I") or image.mode == "F":  # grey
    return np.asarray(turned(image))
  if re.search(";16[BLN]", str(image.tile)):  # colour, of which Pillow keeps the upper eight bits
    return _deep_colours(image)
  return None


def _deep_colours(image: Image.Image) -> Deep:
  import av  # FFmpeg, for which the other images need not wait

  image.fp.seek(0)
  with av.open(image.fp) as file:
    return next(file.decode(video=0)).to_ndarray(format="rgb48le")


def _as_rgb(image: Image.Image) -> np.ndarray:
  if image.mode == "P":  # by way of RGBA, since a palette may hold transparent colours
    image = image.convert("RGBA")
  return np.array(image.convert("RGB"))


def _ends_whole(path: pathlib.Path) -> bool:
  with path.open("rb") as file:
    file.seek(max(0, path.stat().st_size - 16))
    return file.read().endswith(WHOLE_FILE_ENDINGS)


def _one_line(error: Exception) -> str:
  return " ".join(str(error).split()) or type(error).__name__
