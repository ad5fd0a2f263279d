"""ONNX files of models: one ships with the package, others are made at first use and kept in the user's cache folder.

What is kept is found by what it is made from: the code that writes it, the files that the model is read from, and the
policy. So none is ever stale. What ships is made again by a test, which fails where that makes another program.
"""

import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence

from adadepth.io.cache_folder import cache_folder
from adadepth.io.code_digest import digest_of_code
from adadepth.io.whole_files import replacing
from adadepth.models.model_files import in_package

ROOMS = ("maths", "models", "tracking", "export")  # whose code decides what is in a file
WRITERS = ("jax", "onnx")  # also
KEPT = 8  # files, the last that were used


def shipped_onnx() -> pathlib.Path:
  """The package's network with hard gating; `python -m experiments.crossfit.pack onnx` has written it."""
  return in_package("small.onnx")


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
  with replacing(path) as partial:
    partial.write_bytes(made)
  for old in sorted(path.parent.glob("*.onnx"), key=last_used)[:-KEPT]:
    old.unlink(missing_ok=True)
  return path


def key_of(sources: Sequence[pathlib.Path], policy: str) -> str:
  """What a file depends on."""
  digest = hashlib.sha256(repr((digest_of_code(ROOMS, WRITERS), policy)).encode())
  for source in sources:
    digest.update(hashlib.sha256(source.read_bytes()).digest())
  return digest.hexdigest()


def last_used(path: pathlib.Path) -> int:
  """When, ns since 1970; 0 for a file that another process has just removed."""
  try:
    return path.stat().st_mtime_ns
  except OSError:
    return 0
