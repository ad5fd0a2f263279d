"""How long a person waits: for the import, and for the first start and the later ones of a job that tracks."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from adadepth.benchmark.peer import PeerError
from adadepth.benchmark.rows import empty_rows, row
from adadepth.benchmark.subject import Subject
from adadepth.benchmark.whole_videos import write_jpegs
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.model import save_model

ROOT = pathlib.Path(__file__).parents[2]  # of the checkout, where `run.py` is
STARTS = 3
AGAINST_BEFORE = ("start_before_over_now",)


def run_python(*arguments: str, root: pathlib.Path, **env: str) -> str:
  """What a Python process of a checkout prints.

  Raises:
    PeerError: its last line, where it fails.
  """
  command = [sys.executable, *arguments]
  done = subprocess.run(command, cwd=root, env={**os.environ, **env}, capture_output=True, text=True)
  if done.returncode:
    raise PeerError(f"{root}: {(done.stderr.strip() or 'it failed').splitlines()[-1]}")
  return done.stdout


def track_clock(*arguments: str, root: pathlib.Path, cache: pathlib.Path | None = None) -> Clock:
  """A run of a checkout from its start to its end, in a new workdir, so that nothing is taken up again.

  Args:
    cache: where compiled programs are kept and found; None: none are found.
  """

  def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
      kept = str(cache or f"{folder}/cache")
      run_python(*arguments, f"--workdir={folder}/track", root=root, JAX_COMPILATION_CACHE_DIR=kept)

  return clock(run)


def measure_start(subject: Subject) -> list[dict]:
  """The imports, and all of `configs/track.py` on two frames, with no compiled program kept and with all."""
  folder = subject.folder.resolve() / "start"
  shutil.rmtree(folder / "cache", ignore_errors=True)
  write_jpegs(folder / "frames", subject.frames[:2])
  params = {**subject.model.params, "backbone": subject.backbone}
  save_model(folder / "model.safetensors", subject.model._replace(params=params))
  box = ",".join(f"{v:.1f}" for v in subject.box_xywh)
  track = ["run.py", "--config=configs/track.py", f"--config.video={folder / 'frames'}", f"--config.box={box}"]
  job = track_clock(*track, f"--config.model={folder / 'model.safetensors'}", root=ROOT, cache=folder / "cache")
  first = job()
  imports = {"import": "import adadepth", "tracker": "import adadepth; adadepth.Tracker"}
  clocks = {name: clock(functools.partial(run_python, "-c", code, root=ROOT)) for name, code in imports.items()}
  clocks["again"] = job
  seconds = alternate(clocks, rounds=STARTS, limit_s=subject.settings.seconds, title="start")
  return [
    *(row(f"start_{name}", f"a process that does `{code}`", seconds[name], "s") for name, code in imports.items()),
    row("start_first", "configs/track.py on two frames, start to end, first time", np.array([first]), "s"),
    row("start_again", "the same, again: programs come from the cache", seconds["again"], "s"),
    *cold_starts(subject, track),
  ]


def cold_starts(subject: Subject, track: list[str]) -> list[dict]:
  """The package's network with no compiled program, here and at commit 9df193a, in turns."""
  if not subject.settings.before:
    return empty_rows(AGAINST_BEFORE, "config.benchmark.before names no worktree of 9df193a")
  roots = {"now": ROOT, "before": pathlib.Path(subject.settings.before).resolve()}
  clocks = {name: track_clock(*track, root=root) for name, root in roots.items()}
  try:
    seconds = alternate(clocks, rounds=STARTS, limit_s=subject.settings.seconds, title="cold start")
  except PeerError as error:
    return empty_rows(AGAINST_BEFORE, str(error))
  what = "cold start of configs/track.py on two frames, the package's network"
  return [
    row("start_before_over_now", f"{what}: 9df193a's time / ours", seconds["before"] / seconds["now"], "ratio"),
    *(row(f"start_cold_{name}", f"{what}, {name}", s, "s") for name, s in seconds.items()),
  ]
