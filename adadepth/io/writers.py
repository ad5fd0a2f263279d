"""What a run leaves behind: metrics, results and a record of how it was made; and its progress meanwhile."""

import datetime
import functools
import importlib.metadata
import io
import json
import math
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsFloat, TypeVar

import rich.console
import rich.markup
import rich.progress
import tensorboardX

Item = TypeVar("Item")

METRICS_NAME = "metrics.jsonl"
RUN_RECORD_NAME = "run.json"
PLAIN_PROGRESS_INTERVAL_S = 10.0
PACKAGES = ("adadepth", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class MetricWriter:
  """Writes scalars to `metrics.jsonl` and to TensorBoard event files in one folder; a context manager.

  A line is one JSON object, {"step": 20, "wall_time": 1700000000.0, "loss": 1.25}: wall_time is seconds since
  1970, and a value that is not finite is null. Lines reach the disk as they are written.

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
    self._workdir.mkdir(parents=True, exist_ok=True)
    last_step = -1 if resume_step is None else resume_step
    _drop_later_steps(self._workdir / METRICS_NAME, last_step)
    self._file = (self._workdir / METRICS_NAME).open("a", encoding="utf-8")
    # purge_step hides the events of later steps in files that earlier runs left in this folder.
    self._tensorboard = tensorboardX.SummaryWriter(str(self._workdir), purge_step=last_step + 1)

  def __enter__(self) -> "MetricWriter":
    return self

  def __exit__(self, *_: object) -> None:
    self._file.close()
    self._tensorboard.close()

  def write(self, step: int, scalars: Mapping[str, SupportsFloat]) -> None:
    """Writes the scalars of one step: Python, NumPy or JAX numbers, fetched here; "a/b" groups b under a."""
    now = self._clock()
    values = {name: float(value) for name, value in scalars.items()}
    for name, value in values.items():
      self._tensorboard.add_scalar(name, value, step, walltime=now)
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    self._file.write(json.dumps({"step": step, "wall_time": now, **finite}, allow_nan=False) + "\n")
    self._file.flush()


def read_metrics(workdir: str | os.PathLike) -> list[dict[str, Any]]:
  """Returns the lines of a folder's `metrics.jsonl`; a last line cut off by a crash is left out."""
  return [entry for entry, _ in _parsed_lines(pathlib.Path(workdir) / METRICS_NAME)]


def progress(
  items: Iterable[Item], description: str, *, total: int | None = None, stream: io.TextIOBase | None = None
) -> Iterator[Item]:
  """Yields the items while showing how far they have got.

  On a terminal that is a bar with the time left. Elsewhere, as in a log file, it is one plain line every ten
  seconds or so, and nothing at all for short work.

  Args:
    items: what to go through.
    description: what is being done, e.g. "phase 2".
    total: number of items; None asks `items` for its length, and does without where it has none.
    stream: where to show it; None is stderr.
  """
  stream = sys.stderr if stream is None else stream
  if total is None and hasattr(items, "__len__"):
    total = len(items)
  show = _rich_progress if stream.isatty() else _plain_progress
  return show(items, description, total, stream)


def write_json(path: str | os.PathLike, value: Any) -> None:
  """Writes a value as indented JSON; the file is replaced in one move, so no reader sees half of it.

  Args:
    path: the file; its folder is made where missing.
    value: nested dicts with string keys, lists, tuples, strings, numbers, None; NumPy and JAX scalars and
      arrays become numbers and lists, paths become strings.
  Raises:
    ValueError: a number is NaN or infinite, which JSON cannot hold; the message says where.
    TypeError: a value of another kind, or a key that is not a string.
  """
  path = pathlib.Path(path)
  text = json.dumps(_plain(value, ""), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
  path.parent.mkdir(parents=True, exist_ok=True)
  partial_path = path.with_name(f"{path.name}.{os.getpid()}.partial")
  partial_path.write_text(text, encoding="utf-8")
  partial_path.replace(path)


def run_record(
  workdir: str | os.PathLike, config: Mapping[str, Any], seed: int, *, name: str = RUN_RECORD_NAME
) -> dict[str, Any]:
  """Writes `run.json`, which says how the results beside it were made.

  It holds the config, the seed, the command line, the date, versions, the git commit of this package (with
  "dirty": tracked files differ from it), the platform and the device.

  Args:
    workdir: the run's folder.
    config: the config as a plain dict.
    seed: the run's seed.
    name: of the file.
  Returns:
    What was written.
  """
  record = {
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "command": shlex.join([sys.executable, *sys.argv]),
    "seed": seed,
    "git": git_state(pathlib.Path(__file__).parent),
    "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    "platform": platform.platform(),
    "cpu_count": os.cpu_count(),
    "device": _device(),
    "config": config,
  }
  write_json(pathlib.Path(workdir) / name, record)
  return record


def git_state(folder: str | os.PathLike) -> dict[str, Any]:
  """Returns {"commit", "dirty"} of the checkout that tracks a folder, or "unknown" and None.

  A folder that git does not track, such as site-packages inside another project's checkout, is unknown: that
  project's commit would say nothing about it.
  """
  commit = _git(folder, "rev-parse", "HEAD")
  if not commit or not _git(folder, "ls-files", "."):
    return {"commit": "unknown", "dirty": None}
  return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


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


def _rich_progress(items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase) -> Iterator[Item]:
  columns = (
    rich.progress.TextColumn("{task.description}"),
    rich.progress.BarColumn(),
    rich.progress.MofNCompleteColumn(),
    rich.progress.TimeElapsedColumn(),
    rich.progress.TimeRemainingColumn(),
  )
  with rich.progress.Progress(*columns, console=_console(stream)) as bar:
    yield from bar.track(items, total=total, description=rich.markup.escape(description))


@functools.lru_cache(maxsize=4)
def _console(stream: io.TextIOBase) -> rich.console.Console:
  # One console for a stream, so that a bar within a bar's loop is drawn below it and not over it.
  return rich.console.Console(file=stream)


def _plain_progress(
  items: Iterable[Item], description: str, total: int | None, stream: io.TextIOBase
) -> Iterator[Item]:
  start_s = shown_s = time.monotonic()
  for done, item in enumerate(items, start=1):
    yield item
    now_s = time.monotonic()
    if now_s - shown_s >= PLAIN_PROGRESS_INTERVAL_S:
      print(progress_line(description, done, total, now_s - start_s), file=stream, flush=True)
      shown_s = now_s


def progress_line(description: str, done: int, total: int | None, elapsed_s: float) -> str:
  """Returns how far work has got, in words.

  >>> progress_line("phase 2", 30, 120, 20.0)
  'phase 2: 30/120 (25%), 20 s so far, about 60 s left'
  """
  if not total:
    return f"{description}: {done}, {elapsed_s:.0f} s so far"
  left_s = elapsed_s * max(total - done, 0) / done
  share = f"{done}/{total} ({100 * done // total}%)"
  return f"{description}: {share}, {elapsed_s:.0f} s so far, about {left_s:.0f} s left"


def _plain(value: Any, where: str) -> Any:
  """Returns a value in JSON's own types; `where` is its place, for messages, e.g. "pairs.hard[2].iou@25"."""
  if value is None or isinstance(value, str | bool | int):
    return value
  if isinstance(value, float):
    if not math.isfinite(value):
      raise ValueError(f"{where or 'the value'} is {value}, which JSON cannot hold; leave it out or write None")
    return float(value)
  if isinstance(value, pathlib.PurePath):
    return str(value)
  if isinstance(value, Mapping):
    return {_key(key, where): _plain(item, f"{where}.{key}" if where else key) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
  if hasattr(value, "tolist"):  # NumPy and JAX scalars and arrays
    return _plain(value.tolist(), where)
  raise TypeError(f"{where or 'the value'} (={value!r}) is a {type(value).__name__}, which JSON cannot hold")


def _key(key: Any, where: str) -> str:
  if not isinstance(key, str):
    raise TypeError(f"a key of {where or 'the value'} is {key!r}; JSON's keys are strings")
  return key


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return "not installed"  # adadepth itself, run from a checkout


def _git(folder: str | os.PathLike, *arguments: str) -> str:
  """Returns what git prints, or nothing where there is no git or no checkout."""
  command = ["git", "-C", os.fspath(folder), *arguments]
  try:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
  except (OSError, subprocess.SubprocessError):
    return ""


def _device() -> dict[str, Any]:
  import jax  # here alone: the rest of this module serves programs that need no jax

  devices = jax.devices()
  return {"backend": jax.default_backend(), "kind": devices[0].device_kind, "count": len(devices)}
