"""VGG-19's convolutions from whatever file a person has."""

import os
import pathlib
from typing import Any

import numpy as np

from adadepth.errors import InputError
from adadepth.models.architecture import VGG19_CHANNELS
from adadepth.models.weights import formats, layout, pth, trees

FORMATS = "our .safetensors, Keras .h5, torchvision .pth or .safetensors, or the reference's vgg19.npy"


def load_vgg19(path: str | os.PathLike[str], *, channels: tuple[int, ...] = VGG19_CHANNELS) -> dict[str, Any]:
  """Reads the 16 convolutions of VGG-19; the format is recognised by the file's first bytes.

  The network's input is BGR in 0..255 minus (103.939, 116.779, 123.68), whatever the file's own convention:
  torchvision's is folded into conv1_1 (`formats.from_torchvision` says where that is inexact). Pickled
  formats are read without executing anything in them.

  Args:
    path: our safetensors, Keras h5, torchvision's pth (zip or legacy) or a safetensors of it, or vgg19.npy.
    channels: output channels of the five blocks, for narrower networks of the same plan.
  Returns:
    {"block1": {"conv1": {"kernel": [3, 3, in, out], "bias": [out]}, ...}, ..., "block5": ...}, float32.
  Raises:
    InputError: the file is missing, damaged, of another network, or asks to execute something.
  """
  path = pathlib.Path(path)
  return layout.validated(_read(path, _head(path)), path, channels=channels)


def _head(path: pathlib.Path) -> bytes:
  if not path.is_file():
    raise InputError(f"weights file `{path}` does not exist: give the path of {FORMATS}")
  try:
    with path.open("rb") as file:
      return file.read(64)
  except OSError as error:
    raise InputError(f"weights file `{path}` cannot be opened ({error.strerror}): check its rights") from error


def _read(path: pathlib.Path, head: bytes) -> dict[str, np.ndarray]:
  if head.startswith(b"\x89HDF\r\n\x1a\n"):
    return formats.from_keras(path)
  if head.startswith(b"PK\x03\x04"):
    return formats.from_torchvision(pth.read_zip_pth(path, "features."), path)
  if head.startswith(pth.LEGACY_MAGIC):
    return formats.from_torchvision(pth.read_legacy_pth(path, "features."), path)
  if head.startswith(b"\x93NUMPY"):
    return formats.from_reference(path)
  if head[8:9] == b"{":
    return _from_safetensors(path)
  raise InputError(f"weights file `{path}` {_why_unknown(path, head)}")


def _from_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
  arrays, metadata = trees.read_safetensors(path)
  if any(name.startswith("features.") for name in arrays):
    return formats.from_torchvision(arrays, path)
  if (found := metadata.get("layout", "HWIO")) != "HWIO":
    raise InputError(f"weights file `{path}` has layout {found!r} in its metadata; give one in HWIO")
  # `save_safetensors` writes block1/conv1/kernel where the published file says block1_conv1/kernel.
  return {name.replace("/conv", "_conv"): value for name, value in arrays.items()}


def _why_unknown(path: pathlib.Path, head: bytes) -> str:
  if head.startswith(b"version https://git-lfs"):
    return "is a Git LFS pointer, not the file itself: run `git lfs pull` where it came from"
  if head.lstrip().startswith(b"<"):
    return f"is a web page, not weights: {layout.CURE}"
  if len(head) < 64:
    return f"is only {len(head)} bytes long, so its download was cut short: {layout.CURE}"
  return f"is of no known format (it starts with {head[:8].hex(' ')}): give {FORMATS}"
