"""How long from the start of a process to its first box and to its end: with onnxruntime, or XLA with a full cache.

python -m experiments.export.start runs/start

Two programs, each with both runtimes, in turns: a few lines of Python that track two frames of a rendered film from an
.npy file; and `adadepth track` on a folder of 30 frames, whose first box is there when the second frame is written to
its video. Writes start.json: medians of seconds, and of processor time, which another's work on the machine does not
change.
"""

import argparse
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

from adadepth.benchmark.whole_videos import write_jpegs
from adadepth.data.render import Difficulty, render_sequence
from adadepth.io.json_files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNTIMES = ("onnx", "xla")
TRACKERS = {
  "onnx": "from adadepth.export.runtime import OnnxTracker; tracker = OnnxTracker()",
  "xla": "import adadepth; adadepth.enable_compilation_cache(); tracker = adadepth.Tracker()",
}
# Each says when it has its first box: seconds since 1970, and of processors.
SAY = "import os, time; t = os.times(); print('first box', time.time(), t.user + t.system, flush=True)"
TRACK = f"""
import numpy as np
film = np.load("film.npz")
target = tracker.init(film["frames"][0], film["box"])
tracker.update(target, film["frames"][1])
{SAY}
"""
COMMAND = f"""
import itertools
from adadepth import command
from adadepth.jobs import track
write, written = track.VideoWriter.write, itertools.count()
def write_and_say(*arguments, **named):
  write(*arguments, **named)
  if next(written) == 1:
    exec({SAY!r})
track.VideoWriter.write = write_and_say
command.run()
"""


class Cost(NamedTuple):
  """Seconds from a process's start to its first box and to its end, and of processors."""

  first_box_s: float
  first_box_cpu_s: float
  whole_s: float
  whole_cpu_s: float


def cost(code: str, arguments: list[str], folder: pathlib.Path) -> Cost:
  """Of a Python process that runs there."""
  env = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(folder / "cache")}
  before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
  line = [sys.executable, "-c", code, *arguments]
  done = subprocess.run(line, cwd=folder, env=env, check=True, capture_output=True, text=True)
  end, after = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
  said = next(line.split() for line in done.stdout.splitlines() if line.startswith("first box"))
  worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
  return Cost(float(said[2]) - start, float(said[3]), end - start, worked)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--rounds", type=int, default=5)
  given = parser.parse_args()
  folder = given.workdir.resolve()
  folder.mkdir(parents=True, exist_ok=True)
  film = render_sequence(seed=0, name="start", frames=30, height=360, width=640, difficulty=Difficulty.graded(0.3))
  np.savez(folder / "film.npz", frames=film.frames[:2], box=film.boxes_xywh[0])
  write_jpegs(folder / "frames", film.frames)
  box = ",".join(f"{v:.1f}" for v in film.boxes_xywh[0])

  def both(runtime: str) -> dict[str, Cost]:
    shutil.rmtree(folder / runtime, ignore_errors=True)
    flags = [f"--config.runtime={runtime}", "--config.video=frames", f"--config.box={box}", f"--workdir={runtime}"]
    python, command = cost(TRACKERS[runtime] + TRACK, [], folder), cost(COMMAND, ["track", *flags], folder)
    return {"Python": python, "command": command}

  for runtime in RUNTIMES:
    both(runtime)  # fills the caches
  rounds = [{runtime: both(runtime) for runtime in RUNTIMES} for _ in range(given.rounds)]
  result = {}
  for program in ("Python", "command"):
    costs = {runtime: np.array([row[runtime][program] for row in rounds]) for runtime in RUNTIMES}
    costs["onnx over xla"] = costs["onnx"] / costs["xla"]
    medians = {name: np.median(values, axis=0).tolist() for name, values in costs.items()}
    result[program] = {name: Cost(*values)._asdict() for name, values in medians.items()}
  write_json(folder / "start.json", result)
  print(result)


if __name__ == "__main__":
  main()
