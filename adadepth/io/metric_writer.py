"""A run's metrics: a line of JSON a step, and TensorBoard's event files beside it."""

import contextlib
import functools
import json
import math
import os
import pathlib
import socket
import struct
import time
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsFloat

from adadepth.io.processes import is_first
from adadepth.io.whole_files import write_text

METRICS_NAME = "metrics.jsonl"


class MetricWriter:
  """Writes scalars to `metrics.jsonl` and to TensorBoard event files in one folder; a context manager.

  A line is one JSON object, {"step": 20, "wall_time": 1700000000.0, "loss": 1.25}: wall_time is seconds since
  1970, and a value that is not finite is null. Lines reach the disk as they are written.

  Of several processes the first one writes.

  A resumed run drops the lines of later steps, which it is about to write again, so its file comes out as if
  it had never stopped. Phases that each count from step 0 need a folder each.

  Example:
    with MetricWriter(workdir, resume_step=checkpoint_step) as metrics:
      metrics.write(step, {"train/loss": loss})
  """

  def __init__(
    self,
    workdir: str | os.PathLike,
    *,
    resume_step: int | None = None,
    clock: Callable[[], float] = time.time,
  ) -> None:
    """Opens the files.

    Args:
      workdir: folder to write to, made where missing.
      resume_step: the last step that is kept, that of the checkpoint resumed from; None starts afresh and
        drops whatever an older run left in the file.
      clock: seconds since 1970.
    """
    self._workdir = pathlib.Path(workdir)
    self._clock = clock
    self._writes = is_first()
    if not self._writes:
      return
    self._workdir.mkdir(parents=True, exist_ok=True)
    last_step = -1 if resume_step is None else resume_step
    _drop_later_steps(self._workdir / METRICS_NAME, last_step)
    self._file = (self._workdir / METRICS_NAME).open("a", encoding="utf-8")
    # The start of a session hides the events of later steps in files that earlier runs left in this folder.
    name = f"events.out.tfevents.{time.time_ns() // 10**9}.{socket.gethostname()}.{os.getpid()}"
    self._events = (self._workdir / name).open("ab")
    start = {"step": last_step + 1, "wall_time": clock()}
    self._write_event(file_version="brain.Event:2", **start)
    self._write_event(session_log=_tensorboard().event_pb2.SessionLog(status=1), **start)

  def __enter__(self) -> "MetricWriter":
    return self

  def __exit__(self, *_: object) -> None:
    for file in (self._file, self._events) if self._writes else ():
      with contextlib.suppress(OSError):  # of a full disk: what was written in vain has been told
        file.close()

  def write(self, step: int, scalars: Mapping[str, SupportsFloat]) -> None:
    """Writes the scalars of one step: Python, NumPy or JAX numbers, fetched here; "a/b" groups b under a."""
    now = self._clock()
    values = {name: float(value) for name, value in scalars.items()}
    if not self._writes:
      return
    for name, value in values.items():
      self._write_event(step=step, wall_time=now, summary=_tensorboard().scalar(name, value))
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    self._file.write(json.dumps({"step": step, "wall_time": now, **finite}, allow_nan=False) + "\n")
    self._file.flush()
    self._events.flush()

  def _write_event(self, **fields: Any) -> None:
    """Appends an event as TensorBoard reads it; not by tensorboardX's own thread, which a full disk ends in silence."""
    data = _tensorboard().event_pb2.Event(**fields).SerializeToString()
    for part in (struct.pack("<Q", len(data)), data):
      self._events.write(part + struct.pack("<I", _tensorboard().masked_crc32c(part)))


@functools.cache
def _tensorboard() -> types.SimpleNamespace:
  # Here alone: it loads PyTorch where there is one, for which tracking need not wait, or fail.
  from tensorboardX.proto import event_pb2
  from tensorboardX.record_writer import masked_crc32c
  from tensorboardX.summary import scalar

  return types.SimpleNamespace(event_pb2=event_pb2, masked_crc32c=masked_crc32c, scalar=scalar)


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines of a folder's `metrics.jsonl`; a last line cut off by a crash is left out."""
  return [entry for entry, _ in _parsed_lines(pathlib.Path(workdir) / METRICS_NAME)]


def _drop_later_steps(path: pathlib.Path, last_step: int) -> None:
  kept = [line for entry, line in _parsed_lines(path) if entry["step"] <= last_step]
  write_text(path, "".join(kept))


def _parsed_lines(path: pathlib.Path) -> Iterator[tuple[dict[str, Any], str]]:
  """Yields each whole line of a JSONL file, parsed and as it stands."""
  if not path.is_file():
    return
  for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
    if line.endswith("\n"):  # a crash may have cut the last one off
      yield json.loads(line), line
