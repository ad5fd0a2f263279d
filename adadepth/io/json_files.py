"""JSON files that are whole or not there, and hold nothing that JSON has no word for."""

import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from adadepth.io.whole_files import write_text


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes a value as indented JSON; the file is replaced in one move, so no reader sees half of it.

  Args:
    path: the file; its folder is made where missing.
    value: nested dicts with string keys, lists, tuples, strings, numbers, None; NumPy and JAX scalars and
      arrays become numbers and lists, paths become strings.
  Raises:
    ValueError: a number is NaN or infinite, which JSON cannot hold; the message says where.
    TypeError: a value of another kind, or a key that is not a string.
  """
  text = json.dumps(_plain(value, ""), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
  write_text(path, text)


def _plain(value: Any, where: str) -> Any:
  """Returns a value in JSON's own types; `where` is its place, for messages, e.g. "pairs.hard[2].iou@25"."""
  if value is None or isinstance(value, str | bool | int):
    return value
  if isinstance(value, float):
    if not math.isfinite(value):
      raise ValueError(f"{where or 'the value'} is {value}, which JSON cannot hold; leave it out or write None")
    return float(value)
  if isinstance(value, pathlib.PurePath):
    return str(value)
  if isinstance(value, Mapping):
    return {_key(key, where): _plain(item, f"{where}.{key}" if where else key) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
  if hasattr(value, "tolist"):  # NumPy and JAX scalars and arrays
    return _plain(value.tolist(), where)
  raise TypeError(f"{where or 'the value'} (={value!r}) is a {type(value).__name__}, which JSON cannot hold")


def _key(key: Any, where: str) -> str:
  if not isinstance(key, str):
    raise TypeError(f"a key of {where or 'the value'} is {key!r}; JSON's keys are strings")
  return key
