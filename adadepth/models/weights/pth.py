"""Torch checkpoints, zip and legacy layout, read without torch and without executing anything in them.

The zip layout (torch 1.6 and later) holds a pickle `*/data.pkl` and each storage as `*/data/<key>`. The
legacy layout, torchvision's own, is four pickles in a row (magic number, protocol, system, object), a
pickled list of storage keys, and then for each key in that order its count (int64) and its raw numbers.
"""

import io
import pathlib
import zipfile
from typing import Any

import numpy as np

from adadepth.errors import InputError
from adadepth.models.weights import layout
from adadepth.models.weights.unpickle import InertUnpickler, PickledStorage, PickledTensor

LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_PROTOCOL = 1001


def read_zip_pth(path: pathlib.Path, prefix: str) -> dict[str, np.ndarray]:
  """The tensors of a zip checkpoint whose names start with `prefix`."""
  with layout.reading(path, "torch checkpoint"), zipfile.ZipFile(path) as archive:
    root = _root(archive, path)
    if f"{root}/byteorder" in archive.namelist() and _member(archive, f"{root}/byteorder") != b"little":
      raise InputError(f"weights file `{path}` has big-endian numbers: save it again on a little-endian machine")
    pickled = InertUnpickler(io.BytesIO(_member(archive, f"{root}/data.pkl")), path).load()
    tensors = _tensors(pickled, path, prefix)
    numbers = _zip_numbers(archive, root, {tensor.storage.key: tensor.storage for tensor in tensors.values()})
    return {name: tensor.array(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def read_legacy_pth(path: pathlib.Path, prefix: str) -> dict[str, np.ndarray]:
  """The tensors of a legacy checkpoint whose names start with `prefix`, as views of the mapped file."""
  with layout.reading(path, "torch checkpoint"), path.open("rb") as file:
    _, protocol, _ = (InertUnpickler(file, path).load() for _ in range(3))
    if protocol != LEGACY_PROTOCOL:
      raise ValueError(f"protocol {protocol}, not {LEGACY_PROTOCOL}")
    unpickler = InertUnpickler(file, path)
    tensors = _tensors(unpickler.load(), path, prefix)
    keys = InertUnpickler(file, path).load()
    numbers = _legacy_numbers(file, [unpickler.storages[key] for key in keys])
    return {name: tensor.array(numbers[tensor.storage.key]) for name, tensor in tensors.items()}


def _root(archive: zipfile.ZipFile, path: pathlib.Path) -> str:
  pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
  if len(pickles) != 1:
    raise InputError(f"weights file `{path}` is a zip archive, but not a torch checkpoint (no data.pkl in it)")
  return pickles[0].removesuffix("/data.pkl")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
  """One member's bytes; torch stores without compression, so none can unfold to more than the file's size."""
  if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
    raise ValueError(f"{name} is compressed")
  return archive.read(name)


def _zip_numbers(archive: zipfile.ZipFile, root: str, storages: dict[str, PickledStorage]) -> dict[str, np.ndarray]:
  """Each storage's numbers, once; members that lie over each other might be more than the file."""
  names = {key: f"{root}/data/{key}" for key in storages}
  if sum(archive.getinfo(name).compress_size for name in names.values()) > archive.fp.seek(0, io.SEEK_END):
    raise ValueError("its members hold more than the file")
  return {key: np.frombuffer(_member(archive, names[key]), storage.dtype) for key, storage in storages.items()}


def _legacy_numbers(file: io.BufferedIOBase, storages: list[PickledStorage]) -> dict[str, np.ndarray]:
  """Maps each storage's numbers; nothing is copied, so a classifier of 500 MB costs nothing."""
  position = file.tell()
  content = np.memmap(file, np.uint8, mode="r")
  numbers = {}
  for storage in storages:
    stop = position + 8 + storage.numel * np.dtype(storage.dtype).itemsize
    count = int.from_bytes(content[position : position + 8].tobytes(), "little")
    if count != storage.numel or stop > content.size:
      raise ValueError(f"storage {storage.key} of {storage.numel} numbers is cut short at byte {content.size}")
    numbers[storage.key] = content[position + 8 : stop].view(storage.dtype)
    position = stop
  return numbers


def _tensors(state: Any, path: pathlib.Path, prefix: str) -> dict[str, PickledTensor]:
  if not isinstance(state, dict):
    raise InputError(f"weights file `{path}` holds no state dict: save `model.state_dict()`, not the model")
  return {
    name: value
    for name, value in state.items()
    if isinstance(name, str) and name.startswith(prefix) and isinstance(value, PickledTensor)
  }
