"""Images on disk: whatever their kind, they come out as uint8 RGB, and are read when asked for."""

import dataclasses
import io
import pathlib
from collections.abc import Callable
from typing import SupportsIndex

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from adadepth.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
# The last bytes of a whole JPEG (end of image) and a whole PNG (the IEND chunk).
WHOLE_FILE_ENDINGS = (b"\xff\xd9", b"IEND\xaeB`\x82")


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
    return decode_image(path, name=f"{path} (frame {index})")


def numbered_images(folder: pathlib.Path) -> dict[int, pathlib.Path]:
  """The images in a folder whose names are numbers, like 00000001.jpg: number -> path, in order."""
  images = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.stem.isdecimal()]
  return {int(path.stem): path for path in sorted(images, key=lambda path: (int(path.stem), path.name))}


def decode_image(file: pathlib.Path | io.BytesIO, *, name: str) -> UInt8[np.ndarray, "h w 3"]:
  """Decodes any image that Pillow reads, as uint8 RGB.

  Grey is repeated over the three channels, palettes are looked up, an alpha channel is dropped, and of
  16 bits the upper eight stay. An orientation in EXIF is ignored: boxes are in the stored pixels.

  Args:
    file: a path, or the bytes of a file.
    name: what to call it in the error.
  Returns:
    [h, w, 3].
  Raises:
    InputError: it is missing, cut off or no image; the message has `name` and Pillow's reason.
  """
  return _decode(file, name, lambda image: image)


def decode_as_shown(file: pathlib.Path | io.BytesIO, *, name: str) -> UInt8[np.ndarray, "h w 3"]:
  """`decode_image`, turned as EXIF says: for boxes that are read off the image as viewers show it."""
  return _decode(file, name, ImageOps.exif_transpose)


def image_size(path: pathlib.Path) -> tuple[int, int]:
  """Returns (width, height) from the header, and makes sure that the file is whole.

  A JPEG or PNG that ends as it should is taken at its word; any other file is decoded to see. Damage
  further inside a file shows only when the frame is read, as an InputError from decode_image.

  Raises:
    InputError: the file cannot be read as an image; the message is Pillow's reason without the path.
  """
  try:
    with path.open("rb") as file, Image.open(file) as image:
      size = image.size
      if not _ends_whole(path):
        image.load()
      return size
  except Exception as error:  # as in _decode
    raise InputError(f"cannot read the image ({_one_line(error)})") from error


def is_rgb_file(path: pathlib.Path) -> bool:
  """Whether the file is a JPEG or PNG that holds RGB already, so that its bytes can be passed on."""
  with Image.open(path) as image:
    return image.mode == "RGB" and image.format in ("JPEG", "PNG")


def encode_png(frame: UInt8[np.ndarray, "h w 3"]) -> bytes:
  """Returns the frame as the bytes of a PNG file, lossless."""
  file = io.BytesIO()
  Image.fromarray(frame).save(file, "png")
  return file.getvalue()


def _decode(file: pathlib.Path | io.BytesIO, name: str, turned: Callable[[Image.Image], Image.Image]) -> np.ndarray:
  try:
    with Image.open(file) as image:
      return _as_rgb(turned(image))
  except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error...
    raise InputError(f"{name}: cannot read the image ({_one_line(error)}); restore or remove it") from error


def _as_rgb(image: Image.Image) -> np.ndarray:
  if image.mode.startswith("I"):  # 16-bit grey; convert("RGB") would clip it to white
    grey = (np.clip(np.asarray(image), 0, 0xFFFF) >> 8).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
  if image.mode == "P":  # by way of RGBA, since a palette may hold transparent colours
    image = image.convert("RGBA")
  return np.array(image.convert("RGB"))


def _ends_whole(path: pathlib.Path) -> bool:
  with path.open("rb") as file:
    file.seek(max(0, path.stat().st_size - 16))
    return file.read().endswith(WHOLE_FILE_ENDINGS)


def _one_line(error: Exception) -> str:
  return " ".join(str(error).split()) or type(error).__name__
