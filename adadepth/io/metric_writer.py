"""A run's metrics: a line of JSON a step, and TensorBoard's event files beside it."""

import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsFloat

from adadepth.io.processes import is_first

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
    import tensorboardX  # here alone: it loads PyTorch where there is one, for which tracking need not wait, or fail

    # purge_step hides the events of later steps in files that earlier runs left in this folder.
    self._tensorboard = tensorboardX.SummaryWriter(str(self._workdir), purge_step=last_step + 1)

  def __enter__(self) -> "MetricWriter":
    return self

  def __exit__(self, *_: object) -> None:
    if self._writes:
      self._file.close()
      self._tensorboard.close()

  def write(self, step: int, scalars: Mapping[str, SupportsFloat]) -> None:
    """Writes the scalars of one step: Python, NumPy or JAX numbers, fetched here; "a/b" groups b under a."""
    now = self._clock()
    values = {name: float(value) for name, value in scalars.items()}
    if not self._writes:
      return
    for name, value in values.items():
      self._tensorboard.add_scalar(name, value, step, walltime=now)
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    self._file.write(json.dumps({"step": step, "wall_time": now, **finite}, allow_nan=False) + "\n")
    self._file.flush()


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines of a folder's `metrics.jsonl`; a last line cut off by a crash is left out."""
  return [entry for entry, _ in _parsed_lines(pathlib.Path(workdir) / METRICS_NAME)]


def _drop_later_steps(path: pathlib.Path, last_step: int) -> None:
  kept = [line for entry, line in _parsed_lines(path) if entry["step"] <= last_step]
  partial_path = path.with_name(path.name + ".partial")
  partial_path.write_text("".join(kept), encoding="utf-8")
  partial_path.replace(path)


def _parsed_lines(path: pathlib.Path) -> Iterator[tuple[dict[str, Any], str]]:
  """Yields each whole line of a JSONL file, parsed and as it stands."""
  if not path.is_file():
    return
  for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
    if line.endswith("\n"):  # a crash may have cut the last one off
      yield json.loads(line), line
