"""track.npz: all that a run has found so far, as it was computed, and what it takes to go on."""

import collections.abc
import dataclasses
import json
import os
from typing import NamedTuple

import numpy as np

from adadepth.io.arrays import open_arrays
from adadepth.tracking.targets import Earlier, Found
from adadepth.tracking.track import Track

CHUNK = 1024  # frames that are kept as arrays; as objects a frame takes some twenty times as much


class TargetRecord(NamedTuple):
  """One target through a video, from its first frame on, [t].

  Attributes:
    frames: which.
    track: what was found, [t, ...].
    seconds: that each frame took, with all its targets.
  """

  frames: np.ndarray
  track: Track
  seconds: np.ndarray

  @property
  def found(self) -> Track:
    """The track less the given box."""
    return Track(*(column[1:] for column in self.track))


class Columns(NamedTuple):
  """What was found, a row a frame and target, [r].

  Attributes:
    frame, target: numbers, from 0.
    given: whether it was told, not found.
    track: [r, ...].
  """

  frame: np.ndarray
  target: np.ndarray
  given: np.ndarray
  track: Track

  def of(self, t: int) -> list[Found]:
    """What was found in one frame; rows are in the order of frames."""
    rows = range(*np.searchsorted(self.frame, (t, t + 1)))
    return [
      Found(int(self.target[row]), Track(*(np.asarray(column[row]) for column in self.track)), bool(self.given[row]))
      for row in rows
    ]


def columns_of(frames: list[list[Found]], first: int = 0) -> Columns:
  """Frames, the first with this number, as columns."""
  rows = [(t, one) for t, found in enumerate(frames, first) for one in found]
  tracks = [np.stack(column) for column in zip(*(one.track for _, one in rows), strict=True)]
  return Columns(
    np.array([t for t, _ in rows], int),
    np.array([one.target for _, one in rows], int),
    np.array([one.given for _, one in rows], bool),
    Track(*(tracks or [np.zeros(0)] * len(Track._fields))),
  )


class FoundFrames(collections.abc.Sequence):
  """What was found in each frame, a list of `Found` each; all but the last few are kept as arrays."""

  def __init__(self) -> None:
    self._chunks: list[Columns] = []
    self._last: list[list[Found]] = []

  def append(self, found: list[Found]) -> None:
    self._last.append(found)
    if len(self._last) == CHUNK:
      self._chunks.append(columns_of(self._last, len(self) - CHUNK))
      self._last = []

  def __len__(self) -> int:
    return CHUNK * len(self._chunks) + len(self._last)

  def __getitem__(self, index: int) -> list[Found]:
    t = range(len(self))[index]
    late = t - CHUNK * len(self._chunks)
    return self._last[late] if late >= 0 else self._chunks[t // CHUNK].of(t)

  def columns(self) -> Columns:
    """All of it."""
    parts = [part for part in (*self._chunks, columns_of(self._last, CHUNK * len(self._chunks))) if len(part.frame)]
    frame, target, given, track = zip(*(parts or [columns_of([])]), strict=True)
    joined = (np.concatenate(column) for column in zip(*track, strict=True))
    return Columns(np.concatenate(frame), np.concatenate(target), np.concatenate(given), Track(*joined))


@dataclasses.dataclass
class Record:
  """A run over one video.

  Attributes:
    made_from: what the run depends on; another run may go on from it where all of it is the same.
    found: of each frame, by target.
    seconds: from each frame to its boxes.
    times: when each frame is shown, and for how long, seconds.
    states: of each batch after the last frame, as `targets.state_of` has it.
  """

  made_from: dict[str, str]
  found: FoundFrames = dataclasses.field(default_factory=FoundFrames)
  seconds: list[float] = dataclasses.field(default_factory=list)
  times: list[tuple[float, float]] = dataclasses.field(default_factory=list)
  states: list[list[np.ndarray]] = dataclasses.field(default_factory=list)

  @property
  def earlier(self) -> Earlier | None:
    """Where the next run goes on; None where there is nothing yet."""
    return Earlier(len(self.found), self.states) if self.found else None

  def targets(self) -> dict[int, TargetRecord]:
    """By target, those that have begun."""
    columns, seconds, found = self.found.columns(), np.array(self.seconds), {}
    for number in np.unique(columns.target).tolist():
      rows = columns.target == number
      track = Track(*(column[rows] for column in columns.track))
      found[number] = TargetRecord(columns.frame[rows], track, seconds[columns.frame[rows]])
    return found


def save_record(path: str | os.PathLike, record: Record) -> None:
  """Writes a record as one .npz file."""
  columns = record.found.columns()
  arrays = {f"track.{name}": column for name, column in columns.track._asdict().items()}
  arrays |= {f"state.{i}.{j}": leaf for i, state in enumerate(record.states) for j, leaf in enumerate(state)}
  np.savez(
    path,
    made_from=json.dumps(record.made_from),
    frames=len(record.found),
    frame=columns.frame,
    target=columns.target,
    given=columns.given,
    seconds=np.array(record.seconds),
    times=np.array(record.times).reshape(-1, 2),
    **arrays,
  )


def load_record(path: str | os.PathLike) -> Record | None:
  """Reads a record; None where there is none, or half of one."""
  try:
    with open_arrays(path) as file:
      return _record_in({name: file[name] for name in file.files})
  except Exception:  # absent, cut off, or no such file: each is made anew
    return None


def _record_in(arrays: dict[str, np.ndarray]) -> Record:
  track = Track(*(arrays[f"track.{name}"] for name in Track._fields))
  columns, found = Columns(arrays["frame"], arrays["target"], arrays["given"], track), FoundFrames()
  for t in range(int(arrays["frames"])):
    found.append(columns.of(t))
  states: list[list[np.ndarray]] = []
  for name in sorted((name for name in arrays if name.startswith("state.")), key=_numbers_in):
    batch, _ = _numbers_in(name)
    states += [[]] if batch == len(states) else []
    states[batch].append(arrays[name])
  seconds, times = arrays["seconds"].tolist(), [tuple(pair) for pair in arrays["times"].tolist()]
  return Record(json.loads(str(arrays["made_from"])), found, seconds, times, states)


def _numbers_in(name: str) -> tuple[int, ...]:
  return tuple(int(part) for part in name.split(".")[1:])
