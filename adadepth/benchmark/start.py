"""How long a person waits: for the import, and for the first start and the later ones of a job that tracks."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.benchmark.whole_videos import write_jpegs
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.model import save_model

ROOT = pathlib.Path(__file__).parents[2]  # where `python -m adadepth.command` finds it
STARTS = 3


def process_clock(*arguments: str, cache: pathlib.Path) -> Clock:
  """A Python process from its start to its end, that keeps its compiled programs in a folder."""
  env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
  command = [sys.executable, *arguments]
  return clock(lambda: subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True) and None)


def measure_start(subject: Subject) -> list[dict]:
  """The imports, and all of `configs/track.py` on two frames, with no compiled program kept and with all."""
  folder = subject.folder.resolve() / "start"
  shutil.rmtree(folder / "cache", ignore_errors=True)
  write_jpegs(folder / "frames", subject.frames[:2])
  save_model(folder / "model.safetensors", subject.model._replace(params=subject.plain_params()))
  box = ",".join(f"{v:.1f}" for v in subject.box_xywh)
  track = ["-m", "adadepth.command", "track", f"--config.video={folder / 'frames'}", f"--config.box={box}"]
  track += [f"--config.model={folder / 'model.safetensors'}", f"--workdir={folder / 'track'}"]
  job = process_clock(*track, cache=folder / "cache")
  first = job()
  imports = {"import": "import adadepth", "tracker": "import adadepth; adadepth.Tracker"}
  clocks = {name: process_clock("-c", code, cache=folder / "cache") for name, code in imports.items()} | {"again": job}
  seconds = alternate(clocks, rounds=STARTS, limit_s=subject.settings.seconds, title="start")
  return [
    *(row(f"start_{name}", f"a process that does `{code}`", seconds[name], "s") for name, code in imports.items()),
    row("start_first", "configs/track.py on two frames, start to end, first time", np.array([first]), "s"),
    row("start_again", "the same, again: programs come from the cache", seconds["again"], "s"),
  ]
