"""track.npz: all that a run has found so far, as it was computed, and what it takes to go on."""

import dataclasses
import json
import os
from typing import NamedTuple

import numpy as np

from adadepth.io.arrays import open_arrays
from adadepth.tracking.targets import Earlier, Found
from adadepth.tracking.track import Track


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
  found: list[list[Found]] = dataclasses.field(default_factory=list)
  seconds: list[float] = dataclasses.field(default_factory=list)
  times: list[tuple[float, float]] = dataclasses.field(default_factory=list)
  states: list[list[np.ndarray]] = dataclasses.field(default_factory=list)

  @property
  def earlier(self) -> Earlier | None:
    """Where the next run goes on; None where there is nothing yet."""
    return Earlier(len(self.found), self.states) if self.found else None

  def targets(self) -> dict[int, TargetRecord]:
    """By target, those that have begun."""
    numbers = sorted({one.target for found in self.found for one in found})
    return {number: self._of(number) for number in numbers}

  def _of(self, number: int) -> TargetRecord:
    rows = [(t, one.track) for t, found in enumerate(self.found) for one in found if one.target == number]
    frames = np.array([t for t, _ in rows])
    columns = zip(*(track for _, track in rows), strict=True)
    return TargetRecord(frames, Track(*(np.stack(column) for column in columns)), np.array(self.seconds)[frames])


def save_record(path: str | os.PathLike, record: Record) -> None:
  """Writes a record as one .npz file."""
  rows = [(t, one) for t, found in enumerate(record.found) for one in found]
  tracks = zip(*(one.track for _, one in rows), strict=True)
  arrays = {f"track.{name}": np.stack(column) for name, column in zip(Track._fields, tracks, strict=False)}
  arrays |= {f"state.{i}.{j}": leaf for i, state in enumerate(record.states) for j, leaf in enumerate(state)}
  np.savez(
    path,
    made_from=json.dumps(record.made_from),
    frames=len(record.found),
    frame=np.array([t for t, _ in rows], int),
    target=np.array([one.target for _, one in rows], int),
    given=np.array([one.given for _, one in rows], bool),
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
  found: list[list[Found]] = [[] for _ in range(int(arrays["frames"]))]
  columns = [arrays.get(f"track.{name}", ()) for name in Track._fields]
  for i, t in enumerate(arrays["frame"]):
    track = Track(*(np.asarray(column[i]) for column in columns))
    found[t].append(Found(int(arrays["target"][i]), track, bool(arrays["given"][i])))
  states: list[list[np.ndarray]] = []
  for name in sorted((name for name in arrays if name.startswith("state.")), key=_numbers_in):
    batch, _ = _numbers_in(name)
    states += [[]] if batch == len(states) else []
    states[batch].append(arrays[name])
  seconds, times = arrays["seconds"].tolist(), [tuple(pair) for pair in arrays["times"].tolist()]
  return Record(json.loads(str(arrays["made_from"])), found, seconds, times, states)


def _numbers_in(name: str) -> tuple[int, ...]:
  return tuple(int(part) for part in name.split(".")[1:])
