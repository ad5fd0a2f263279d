"""ONNX files of models, made at first use and kept in the user's cache folder.

A file is found by what it is made from: the code that writes it, the files that the model is read from, and the policy.
So none is ever stale, and none ships with the package.
"""

import functools
import hashlib
import importlib.metadata
import os
import pathlib
from collections.abc import Callable, Sequence

from adadepth.io.cache_folder import cache_folder

ROOMS = ("maths", "models", "tracking", "export")  # whose code decides what is in a file
WRITERS = ("jax", "onnx")  # also
KEPT = 8  # files, the last that were used


def kept_onnx(
  sources: Sequence[pathlib.Path], policy: str, write: Callable[[], bytes], *, folder: pathlib.Path | None = None
) -> pathlib.Path:
  """The ONNX file of a model and a policy, made where there is none yet.

  Args:
    sources: files that the model is read from.
    policy: of `policies.POLICIES`.
    write: makes the file's bytes; it is called where none is kept.
    folder: where files are kept; None: "onnx" in `cache_folder`.
  Raises:
    OSError: the folder cannot be written.
  """
  path = (folder or cache_folder("onnx")) / f"{key_of(sources, policy)}.onnx"
  if path.is_file():
    os.utime(path)
    return path
  made = write()
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_suffix(f".{os.getpid()}.partial")
  try:
    partial.write_bytes(made)
    partial.replace(path)
  finally:
    partial.unlink(missing_ok=True)
  for old in sorted(path.parent.glob("*.onnx"), key=last_used)[:-KEPT]:
    old.unlink(missing_ok=True)
  return path


def key_of(sources: Sequence[pathlib.Path], policy: str) -> str:
  """What a file depends on."""
  digest = hashlib.sha256(repr((code_version(), policy)).encode())
  for source in sources:
    digest.update(hashlib.sha256(source.read_bytes()).digest())
  return digest.hexdigest()


@functools.cache
def code_version() -> str:
  """A digest of the code that writes files, and of the packages that do."""
  package, digest = pathlib.Path(__file__).parents[1], hashlib.sha256()
  for room in ROOMS:
    for path in sorted((package / room).rglob("*.py")):
      digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
  for name in WRITERS:
    try:
      digest.update(f"{name} {importlib.metadata.version(name)}".encode())
    except importlib.metadata.PackageNotFoundError:
      digest.update(f"no {name}".encode())
  return digest.hexdigest()


def last_used(path: pathlib.Path) -> int:
  """When, ns since 1970; 0 for a file that another process has just removed."""
  try:
    return path.stat().st_mtime_ns
  except OSError:
    return 0
