"""Reads pickled weights without executing anything in them.

A pickle is a program that can only reach code by naming a global. Here every name is looked up in a
table of a dozen inert stand-ins, none of which is the real thing: no module is imported, no torch or NumPy
constructor runs. Whatever is not in the table ends the reading with the name of the global. Names are
answered with throw-away wrappers, so that a pickle cannot leave an attribute behind on a stand-in.
"""

import dataclasses
import io
import pathlib
import pickle
from collections.abc import Callable, Mapping
from operator import index
from typing import Any

import numpy as np

from adadepth.errors import InputError

STORAGE_DTYPES = {
  "HalfStorage": "<f2",
  "FloatStorage": "<f4",
  "DoubleStorage": "<f8",
  "LongStorage": "<i8",
  "IntStorage": "<i4",
}
NUMPY_DTYPES = ("f2", "f4", "f8", "i4", "i8", "O", "O4", "O8")


class PickledDict(dict):
  """Stands for an OrderedDict; attributes that a pickle sets on it are dropped."""

  def __setstate__(self, state: Any) -> None:
    pass


@dataclasses.dataclass(frozen=True)
class PickledStorage:
  """A run of numbers kept elsewhere in the file: its key, type, length, and where a view of it starts."""

  key: str
  dtype: str
  numel: int
  start: int


@dataclasses.dataclass(frozen=True)
class PickledTensor:
  """A strided view of a storage; the numbers are looked up only when `array` is called."""

  storage: PickledStorage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]

  def __setstate__(self, state: Any) -> None:
    """Drops the autograd flags that checkpoints of 2017 set on their Parameters."""

  def array(self, numbers: np.ndarray) -> np.ndarray:
    """The view [*shape] of the storage's `numbers` [n]; it must lie inside them."""
    first = self.storage.start + self.offset
    last = first + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
    if first < 0 or min(self.strides, default=0) < 0 or min(self.shape, default=1) < 1 or last >= numbers.size:
      raise ValueError(f"a tensor of shape {self.shape} reaches outside its storage of {numbers.size}")
    strides = [stride * numbers.itemsize for stride in self.strides]
    return np.lib.stride_tricks.as_strided(numbers[first:], self.shape, strides, writeable=False)


class PickledDtype:
  """Stands for numpy.dtype, of the few kinds that weights have."""

  def __init__(self, name: str, *_: Any) -> None:
    if name not in NUMPY_DTYPES:
      raise ValueError(f"an array of dtype {name!r}")
    self.name, self.order = name, "<"

  def __setstate__(self, state: tuple) -> None:
    self.order = ">" if state[1] == ">" else "<"


class PickledArray:
  """Stands for numpy.ndarray: keeps the pickled state until `unpacked` asks for the numbers."""

  def __init__(self, *_: Any) -> None:
    self.state: tuple = ()

  def __setstate__(self, state: tuple) -> None:
    self.state = state

  def unpacked(self) -> np.ndarray | list:
    """The numbers as an array, or the elements of an array of objects as a list."""
    _, shape, dtype, is_fortran, content = self.state
    if dtype.name.startswith("O"):
      return list(content)
    if isinstance(content, str):  # Python 2's str, read as latin1: one character is one byte.
      content = content.encode("latin1")
    return np.frombuffer(content, dtype.order + dtype.name).reshape(shape, order="F" if is_fortran else "C")


def _encode(text: str, encoding: str) -> bytes:
  if encoding != "latin1":
    raise ValueError(f"bytes in encoding {encoding!r}")
  return text.encode("latin1")


def _tensor(storage: PickledStorage, offset: int, shape: tuple, strides: tuple, *_: Any) -> PickledTensor:
  return PickledTensor(storage, offset, tuple(map(index, shape)), tuple(map(index, strides)))


def _constant(value: str) -> Callable[[], str]:
  return lambda: value


STAND_INS: Mapping[str, Callable] = {
  "collections.OrderedDict": PickledDict,
  "torch.Size": tuple,
  "torch._utils._rebuild_tensor": _tensor,
  "torch._utils._rebuild_tensor_v2": _tensor,
  "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
  "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
  "numpy.ndarray": PickledArray,
  "numpy.dtype": PickledDtype,
  "numpy.core.multiarray._reconstruct": PickledArray,
  "numpy._core.multiarray._reconstruct": PickledArray,
  "_codecs.encode": _encode,
} | {f"torch.{name}": _constant(dtype) for name, dtype in STORAGE_DTYPES.items()}


class InertUnpickler(pickle.Unpickler):
  """An unpickler that knows nothing but STAND_INS; `storages` collects what the tensors refer to."""

  def __init__(self, file: io.BufferedIOBase, path: pathlib.Path) -> None:
    # latin1 maps each byte of a Python 2 string to one character.
    super().__init__(file, encoding="latin1")
    self.path = path
    self.storages: dict[str, PickledStorage] = {}

  def find_class(self, module: str, name: str) -> Callable:
    """Answers from the table, or refuses."""
    known = STAND_INS.get(f"{module}.{name}")
    if known is None:
      raise InputError(
        f"weights file `{self.path}` is a pickle that asks for {f'{module}.{name}'!r}, which weights do not"
        " need; nothing in it was executed: get the file from its official source, or make it a safetensors"
      )
    return lambda *args: known(*args)

  def persistent_load(self, pid: Any) -> PickledStorage:
    """Notes a torch storage: ("storage", type, key, location, numel[, (view key, start, numel)])."""
    kind, storage_type, key, _, numel, *view = pid
    if kind != "storage":
      raise ValueError(f"a persistent object of kind {kind!r}")
    start = view[0][1] if view and view[0] else 0
    storage = PickledStorage(str(key), storage_type(), numel, start)
    self.storages.setdefault(storage.key, storage)
    return storage
