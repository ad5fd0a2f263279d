"""Nested dicts of arrays to safetensors files and back."""

import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from adadepth.errors import InputError
from adadepth.io.whole_files import replacing
from adadepth.models.weights import layout


class StoredTree(NamedTuple):
  """What a safetensors file holds.

  Attributes:
    tree: nested dict of arrays, keys split at "/"; half precision comes back as float32.
    metadata: the header's strings.
  """

  tree: dict[str, Any]
  metadata: dict[str, str]


def save_safetensors(
  path: str | os.PathLike[str],
  tree: Mapping[str, Any],
  metadata: Mapping[str, str] | None = None,
  *,
  float_dtype: str = "float32",
) -> None:
  """Writes a nested dict of arrays under "/"-joined keys, all or nothing.

  Args:
    path: the file to write or replace.
    tree: nested dict with string keys and array leaves (NumPy or JAX).
    metadata: strings for the file's header.
    float_dtype: what floating point leaves are stored as, "float32" or "float16"; integers stay as they are.
  Raises:
    InputError: a key holds "/", or a value is not finite in `float_dtype`.
  Example:
    save_safetensors("small.safetensors", params, {"width": "1.0"}, float_dtype="float16")
  """
  path = pathlib.Path(path)
  arrays = {name: _narrowed(leaf, name, path, float_dtype) for name, leaf in _leaves(tree, path)}
  # Not save_file: it makes the file readable for its owner only.
  with replacing(path) as partial:
    partial.write_bytes(_header_sorted(safetensors.numpy.save(arrays, metadata=dict(metadata or {}))))


def load_safetensors(path: str | os.PathLike[str]) -> StoredTree:
  """Reads what `save_safetensors` wrote.

  Raises:
    InputError: the file is missing or damaged, or holds a value that is not finite.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise InputError(f"weights file `{path}` does not exist: give the path of a .safetensors file")
  arrays, metadata = read_safetensors(path)
  tree: dict[str, Any] = {}
  for name, value in arrays.items():
    *parents, leaf = name.split("/")
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
      if not isinstance(node, dict):
        raise InputError(f"weights file `{path}`: {parent!r} of {name!r} is an array and a folder of arrays")
    if leaf in node:
      raise InputError(f"weights file `{path}`: {name!r} is an array and a folder of arrays")
    if not np.isfinite(value).all():
      raise InputError(f"weights file `{path}`: {name} holds NaN or infinite values")
    node[leaf] = value.astype(np.float32) if value.dtype == np.float16 else value
  return StoredTree(tree, metadata)


def read_safetensors(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """The arrays by their flat names, as stored, and the header's metadata."""
  with layout.reading(path, "safetensors file"), safetensors.safe_open(path, framework="numpy") as file:
    return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _header_sorted(stored: bytes) -> bytes:
  """The same file with its header in the order of names: safetensors leaves metadata in that of a hash of the day."""
  size = int.from_bytes(stored[:8], "little")
  header = json.loads(stored[8 : 8 + size])
  text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
  text += b" " * (-len(text) % 8)  # as the format aligns what follows
  return len(text).to_bytes(8, "little") + text + stored[8 + size :]


def _leaves(tree: Mapping[str, Any], path: pathlib.Path, prefix: str = "") -> Iterator[tuple[str, Any]]:
  for key, value in tree.items():
    if "/" in key:
      raise InputError(f"cannot write `{path}`: the key {prefix + key!r} holds a '/', which separates levels")
    if isinstance(value, Mapping):
      yield from _leaves(value, path, f"{prefix}{key}/")
    else:
      yield prefix + key, value


def _narrowed(leaf: Any, name: str, path: pathlib.Path, float_dtype: str) -> np.ndarray:
  value = np.array(leaf, order="C")  # safetensors writes the bytes as they lie, so the layout must be C.
  if not np.issubdtype(value.dtype, np.floating):
    return value
  with np.errstate(over="ignore"):
    value = value.astype(float_dtype)
  if not np.isfinite(value).all():
    raise InputError(f"cannot write `{path}`: {name} holds values that are not finite in {float_dtype}")
  return value
