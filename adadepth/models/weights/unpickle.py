"""Reads pickled weights without executing anything in them.

A pickle is a program for a stack machine, which reaches code by naming a global. pickletools takes it apart; the
machine is ours, and knows the opcodes that weights need and no others. Every global is looked up in a table of a dozen
inert stand-ins, none of which is the real thing: no module is imported, no torch or NumPy constructor runs. What is in
neither table ends the reading by its name. No argument may be longer than what is left of the file, and a key is a
string or a number, since the hash of a tuple of tuples may take for ever.
"""

import dataclasses
import io
import math
import os
import pathlib
import pickletools
from collections.abc import Callable, Iterable, Mapping
from operator import index
from typing import Any, NamedTuple

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

  def __init__(self, pairs: Iterable = ()) -> None:
    super().__init__()
    for key, value in pairs:
      self[_key(key)] = value

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
    if math.prod(self.shape) > numbers.size:  # as of a stride of 0
      raise ValueError(f"a tensor of shape {self.shape} out of {numbers.size} numbers")
    strides = [stride * numbers.itemsize for stride in self.strides]
    return np.lib.stride_tricks.as_strided(numbers[first:], self.shape, strides, writeable=False)


class PickledDtype:
  """Stands for numpy.dtype, of the few kinds that weights have."""

  def __init__(self, name: Any, *_: Any) -> None:
    if _text(name) not in NUMPY_DTYPES:
      raise ValueError(f"an array of dtype {name!r}")
    self.name, self.order = name, "<"

  def __setstate__(self, state: tuple) -> None:
    self.order = ">" if state[1] == ">" else "<"


class PickledArray:
  """Stands for numpy.ndarray: keeps the pickled state until `unpacked` asks for the numbers."""

  def __init__(self, *_: Any) -> None:
    self.state: tuple = ()

  def __setstate__(self, state: tuple) -> None:
    _, _, dtype, _, content = state
    if not isinstance(dtype, PickledDtype) or not isinstance(content, list | bytes | str):
      raise ValueError("an array without a dtype or numbers")
    self.state = state

  def unpacked(self) -> np.ndarray | list:
    """The numbers as an array, or the elements of an array of objects as a list."""
    _, shape, dtype, is_fortran, content = self.state
    if dtype.name.startswith("O"):
      return list(content)
    if isinstance(content, str):  # Python 2's str, read as latin1: one character is one byte.
      content = content.encode("latin1")
    return np.frombuffer(content, dtype.order + dtype.name).reshape(shape, order="F" if is_fortran else "C")


def _key(value: Any) -> str | int:
  if not isinstance(value, str | int):
    raise ValueError(f"a key that is a {type(value).__name__}")
  return value


def _text(value: Any) -> str:
  if not isinstance(value, str):
    raise ValueError(f"a {type(value).__name__} where a string is wanted")
  return value


def _encode(text: Any, encoding: Any) -> bytes:
  if _text(encoding) != "latin1":
    raise ValueError(f"bytes in encoding {encoding!r}")
  return _text(text).encode("latin1")


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


BUILT = (PickledDict, PickledTensor, PickledDtype, PickledArray)


class Global(NamedTuple):
  """A stand-in that a pickle has named."""

  call: Callable


class _Mark:
  """Where a list of arguments begins on the stack."""


# What each opcode does to the stack: those that push their argument or a constant, the rest in `InertUnpickler._do`.
PUSH_ARGUMENT = (
  *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
  *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
PUSH_NEW: Mapping[str, Callable] = {
  "NONE": lambda: None,
  "NEWTRUE": lambda: True,
  "NEWFALSE": lambda: False,
  "EMPTY_TUPLE": tuple,
  "EMPTY_LIST": list,
  "EMPTY_DICT": PickledDict,
  "MARK": _Mark,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUT, GET = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET")


class _Bounded:
  """A file that refuses to read more than it holds, before room is made for it."""

  def __init__(self, file: io.BufferedIOBase) -> None:
    self._file, here = file, file.tell()
    self._end = file.seek(0, os.SEEK_END)
    file.seek(here)
    self.readline, self.tell = file.readline, file.tell

  def read(self, size: int) -> bytes:
    if size > (left := self._end - self._file.tell()):
      raise ValueError(f"an argument of {size} bytes, where {left} are left")
    return self._file.read(size)


class InertUnpickler:
  """Runs one pickle after the other of a file; `storages` collects what the tensors of the last refer to."""

  def __init__(self, file: io.BufferedIOBase, path: pathlib.Path) -> None:
    self.path = path
    self.storages: dict[str, PickledStorage] = {}
    self._file = _Bounded(file)
    self._stack: list[Any] = []
    self._memo: dict[int, Any] = {}

  def load(self) -> Any:
    """The object of the pickle that begins where the file stands, which then stands behind it.

    Raises:
      InputError: an opcode or a global that weights do not need.
      ValueError and others: no pickle.
    """
    for opcode, argument, _ in pickletools.genops(self._file):
      if opcode.name == "STOP":
        (found,) = self._stack
        return found
      self._do(opcode.name, argument)

  def _do(self, opcode: str, argument: Any) -> None:
    stack = self._stack
    match opcode:
      case "PROTO" | "FRAME":
        pass
      case _ if opcode in PUSH_ARGUMENT:
        stack.append(argument)
      case _ if opcode in PUSH_NEW:
        stack.append(PUSH_NEW[opcode]())
      case _ if opcode in TUPLES:
        stack[-TUPLES[opcode] :] = [tuple(self._popped(TUPLES[opcode]))]
      case "TUPLE":
        stack.append(tuple(self._since_mark()))
      case _ if opcode in PUT:
        self._memo[argument] = stack[-1]
      case "MEMOIZE":
        self._memo[len(self._memo)] = stack[-1]
      case _ if opcode in GET:
        stack.append(self._memo[argument])
      case "APPEND" | "APPENDS":
        values = self._since_mark() if opcode == "APPENDS" else [stack.pop()]
        _of_type(stack[-1], list).extend(values)
      case "SETITEM" | "SETITEMS":
        items = self._since_mark() if opcode == "SETITEMS" else [stack.pop(-2), stack.pop()]
        for key, value in zip(items[::2], items[1::2], strict=True):
          _of_type(stack[-1], PickledDict)[_key(key)] = value
      case "GLOBAL":
        stack.append(self._named(argument.replace(" ", ".", 1)))
      case "STACK_GLOBAL":
        module, name = map(_text, self._popped(2))
        stack[-2:] = [self._named(f"{module}.{name}")]
      case "REDUCE":
        function, arguments = self._popped(2)
        stack[-2:] = [_of_type(function, Global).call(*_of_type(arguments, tuple))]
      case "BUILD":
        state = stack.pop()
        _of_type(stack[-1], BUILT).__setstate__(state)
      case "BINPERSID":
        stack.append(self._storage(stack.pop()))
      case _:
        raise self._refused(f"has the opcode {opcode}")

  def _popped(self, count: int) -> list[Any]:
    """The last ones of the stack, which stay there."""
    if len(self._stack) < count:
      raise ValueError("a stack that is empty")
    return self._stack[-count:]

  def _since_mark(self) -> list[Any]:
    """What lies above the last mark, which goes with it."""
    values = []
    while not isinstance(value := self._stack.pop(), _Mark):
      values.append(value)
    return values[::-1]

  def _named(self, name: str) -> Global:
    if name not in STAND_INS:
      raise self._refused(f"asks for {name!r}")
    return Global(STAND_INS[name])

  def _refused(self, what: str) -> InputError:
    return InputError(
      f"weights file `{self.path}` is a pickle that {what}, which weights do not need; nothing in it was executed: get "
      "the file from its official source, or make it a safetensors"
    )

  def _storage(self, pid: Any) -> PickledStorage:
    """Notes a torch storage: ("storage", type, key, location, numel[, (view key, start, numel)])."""
    kind, storage_type, key, _, numel, *view = _of_type(pid, tuple)
    if _text(kind) != "storage":
      raise ValueError(f"a persistent object of kind {kind!r}")
    start = view[0][1] if view and view[0] else 0
    dtype = _of_type(storage_type, Global).call()
    storage = PickledStorage(str(_key(key)), _text(dtype), index(numel), index(start))
    self.storages.setdefault(storage.key, storage)
    return storage


def _of_type(value: Any, kind: type | tuple[type, ...]) -> Any:
  if not isinstance(value, kind):
    raise ValueError(f"a {type(value).__name__} where it cannot be")
  return value
