"""What was measured of a video is kept, and taken up again only where code, network, settings and data are the same.

Several processes may share a folder: each takes the videos that no other is at (`each_once`).
"""

import hashlib
import pathlib
import time
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree, UInt8

from adadepth.data.sequence import Sequence
from adadepth.io.arrays import open_arrays
from adadepth.io.code_digest import digest_of_code
from adadepth.io.locks import lock
from adadepth.io.processes import share
from adadepth.io.progress import progress
from adadepth.io.whole_files import replacing

KEY = "made_from"  # the name of the key in a file
WAIT_S = 1.0  # between looks at what others are at
ROOMS = ("maths", "io", "models", "data", "tracking", "evaluation")  # whose code decides what is measured


def code_version() -> str:
  """A digest of the code that decides what is measured."""
  return digest_of_code(ROOMS)


def digest_of(params: PyTree) -> UInt8[np.ndarray, "32"]:
  """What stands for parameters in the keys of many videos, read once."""
  digest = hashlib.sha256()
  for leaf in jax.tree.leaves(params):
    digest.update(np.asarray(leaf).tobytes())
  return np.frombuffer(digest.digest(), np.uint8)


def key_of(sequence: Sequence, params: PyTree, *settings: object) -> str:
  """What a measurement of one video depends on: code, parameters, settings, boxes, and files by size and date."""
  digest = hashlib.sha256(repr((code_version(), sequence.name, settings)).encode())
  for leaf in jax.tree.leaves(params):
    digest.update(np.asarray(leaf).tobytes())
  digest.update(sequence.boxes_xywh.tobytes())
  if paths := getattr(sequence.frames, "paths", ()):  # of pictures, a video, or records
    for path in paths:
      digest.update(repr((path.name, path.stat().st_size, path.stat().st_mtime_ns)).encode())
  elif isinstance(sequence.frames, np.ndarray):
    digest.update(sequence.frames.tobytes())
  return digest.hexdigest()


def file_of(folder: pathlib.Path, sequence: Sequence) -> pathlib.Path:
  """Where a sequence's measurements are kept."""
  return folder / f"{sequence.name.replace('/', '_')}.npz"


def kept(path: pathlib.Path, key: str, names: Listing[str] = ()) -> dict[str, np.ndarray] | None:
  """The arrays that were kept under this key; None if there are none, or of something else, or half of them.

  Args:
    names: which to read; (): all.
  """
  try:
    with open_arrays(path) as file:
      if str(file[KEY]) != key:
        return None
      return {name: file[name] for name in names or file.files if name != KEY}
  except Exception:  # absent, cut off, or no such file: each is made anew
    return None


def awaited(path: pathlib.Path, key: str, names: Listing[str] = ()) -> dict[str, np.ndarray]:
  """`kept` of what another process of this run is making, once it is there."""
  while (arrays := kept(path, key, names)) is None:
    time.sleep(WAIT_S)
  return arrays


def keep(path: pathlib.Path, key: str, arrays: Mapping[str, np.ndarray]) -> None:
  """Writes the arrays whole, or not at all."""
  with replacing(path) as partial:
    np.savez(partial, **{KEY: key}, **arrays)


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
  """The arrays of each task, kept or made; of several processes one makes each, and all wait for the last.

  The processes of one run each begin with their own share, and then help the others.
  """
  ours = share(range(len(tasks)))
  found: list[dict[str, np.ndarray] | None] = [None] * len(tasks)
  for i in progress([*ours, *sorted(set(range(len(tasks))) - set(ours))], description):
    found[i] = _kept_or_made(tasks[i])
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
  task.path.parent.mkdir(parents=True, exist_ok=True)
  with lock(task.path.with_suffix(".claim")) as ours:
    if not ours:
      return None
    arrays = kept(task.path, task.key)  # another may just have finished it
    if arrays is None:
      arrays = dict(task.measure())
      keep(task.path, task.key, arrays)
    return arrays
