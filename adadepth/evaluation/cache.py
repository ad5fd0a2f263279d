"""What was measured of a video is kept, and taken up again only where code, network, settings and data are the same."""

import functools
import hashlib
import pathlib
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import PyTree

from adadepth.data.sequence import Sequence
from adadepth.io.images import ImageFolder
from adadepth.io.video_frames import VideoFrames

KEY = "made_from"  # the name of the key in a file
ROOMS = ("maths", "io", "models", "data", "tracking", "evaluation")  # whose code decides what is measured


@functools.cache
def code_version() -> str:
  """A digest of the code that decides what is measured."""
  package = pathlib.Path(__file__).parents[1]
  digest = hashlib.sha256()
  for room in ROOMS:
    for path in sorted((package / room).rglob("*.py")):
      digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
  return digest.hexdigest()


def key_of(sequence: Sequence, params: PyTree, *settings: object) -> str:
  """What a measurement of one video depends on: code, parameters, settings, boxes, and files by size and date."""
  digest = hashlib.sha256(repr((code_version(), sequence.name, settings)).encode())
  for leaf in jax.tree.leaves(params):
    digest.update(np.asarray(leaf).tobytes())
  digest.update(sequence.boxes_xywh.tobytes())
  if isinstance(sequence.frames, ImageFolder | VideoFrames):
    for path in sequence.frames.paths:
      digest.update(repr((path.name, path.stat().st_size, path.stat().st_mtime_ns)).encode())
  elif isinstance(sequence.frames, np.ndarray):
    digest.update(sequence.frames.tobytes())
  return digest.hexdigest()


def file_of(folder: pathlib.Path, sequence: Sequence) -> pathlib.Path:
  """Where a sequence's measurements are kept."""
  return folder / f"{sequence.name.replace('/', '_')}.npz"


def kept(path: pathlib.Path, key: str) -> dict[str, np.ndarray] | None:
  """The arrays that were kept under this key; None if there are none, or of something else, or half of them."""
  try:
    with np.load(path, allow_pickle=False) as file:
      if str(file[KEY]) != key:
        return None
      return {name: file[name] for name in file.files if name != KEY}
  except Exception:  # absent, cut off, or no such file: each is made anew
    return None


def keep(path: pathlib.Path, key: str, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes the arrays whole, or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_suffix(".partial.npz")
  np.savez(partial, **{KEY: key}, **arrays)
  partial.replace(path)
