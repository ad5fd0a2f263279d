"""What was measured of a video is kept, and taken up again only where code, network, settings and data are the same.

Several processes may share a folder: each takes the videos that no other is at (`each_once`).
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from adadepth.data.sequence import Sequence
from adadepth.io.arrays import open_arrays
from adadepth.io.images import ImageFolder
from adadepth.io.progress import progress
from adadepth.io.video_frames import VideoFrames

KEY = "made_from"  # the name of the key in a file
WAIT_S = 1.0  # between looks at what others are at
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
    with open_arrays(path) as file:
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


class Task(NamedTuple):
  """A measurement of one video.

  Attributes:
    path: where it is kept; None: nowhere.
    key: of `key_of`.
    measure: makes it.
  """

  path: pathlib.Path | None
  key: str
  measure: Callable[[], Mapping[str, np.ndarray]]


def each_once(tasks: Listing[Task], description: str) -> list[dict[str, np.ndarray]]:
  """The arrays of each task, kept or made; of several processes one makes each, and all wait for the last."""
  found = [_kept_or_made(task) for task in progress(tasks, description)]
  while any(arrays is None for arrays in found):
    time.sleep(WAIT_S)
    found = [_kept_or_made(task) if arrays is None else arrays for task, arrays in zip(tasks, found, strict=True)]
  return found


def _kept_or_made(task: Task) -> dict[str, np.ndarray] | None:
  """The arrays of a task; None where another process is at it."""
  if task.path is None:
    return dict(task.measure())
  if (arrays := kept(task.path, task.key)) is not None:
    return arrays
  with _claim(task.path) as ours:
    if not ours:
      return None
    arrays = kept(task.path, task.key)  # another may just have finished it
    if arrays is None:
      arrays = dict(task.measure())
      keep(task.path, task.key, arrays)
    return arrays


@contextlib.contextmanager
def _claim(path: pathlib.Path) -> Iterator[bool]:
  """Whether no other process holds this file's claim, which then is ours; it ends with the block, or the process."""
  claim = path.with_suffix(".claim")
  claim.parent.mkdir(parents=True, exist_ok=True)
  descriptor = os.open(claim, os.O_RDWR | os.O_CREAT)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except OSError:  # held
    os.close(descriptor)
    yield False
    return
  try:
    yield True
  finally:
    claim.unlink(missing_ok=True)
    os.close(descriptor)
