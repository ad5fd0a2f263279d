"""What a person waits for: the first box after a cold start and after later ones, and eight targets beside one.

python -m experiments.speed.in_use

On a rendered film of 640 x 360, the package's network, hard gating. A start is `adadepth track` in its own process,
timed from its first line to the first box; the first one finds no compiled program.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.step_times import step_clock
from adadepth.evaluation.timing import alternate
from adadepth.tracking.tracker import Tracker

STARTS, ROUNDS, TARGETS = 4, 100, 8
JOB = """
import sys, time
start = time.time()
from adadepth import command
from adadepth.tracking.tracker import Tracker
update = Tracker.update
def first(self, *arguments):
  found = update(self, *arguments)
  print(time.time() - start, flush=True)
  Tracker.update = update
  return found
Tracker.update = first
command.run()
"""


def first_boxes(frames: np.ndarray, box_xywh: np.ndarray) -> list[float]:
  """Seconds to the first box, start by start, with one cache of compiled programs."""
  seconds = []
  with tempfile.TemporaryDirectory() as folder:
    video = pathlib.Path(folder) / "frames"
    video.mkdir()
    for i, frame in enumerate(frames):
      Image.fromarray(frame).save(video / f"{i:06d}.jpg")
    env = {**os.environ, "JAX_COMPILATION_CACHE_DIR": f"{folder}/cache"}
    given = [f"--config.video={video}", f"--config.box={','.join(f'{v:.1f}' for v in box_xywh)}"]
    for i in range(STARTS):
      command = [sys.executable, "-c", JOB, "track", *given, f"--workdir={folder}/track{i}"]
      done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
      seconds.append(float(done.stdout.split()[0]))
  return seconds


def main() -> None:
  film = render_sequence(seed=0, name="film", frames=10, height=360, width=640, difficulty=Difficulty.graded(0.3))
  tracker, box = Tracker(), film.boxes_xywh[0]
  corners = np.random.default_rng(0).uniform((20, 20, 24, 24), (520, 260, 90, 90), (TARGETS - 1, 4))
  many = {
    "of its box": np.tile(box, (TARGETS, 1)),
    "of other boxes": np.concatenate([box[None], corners]).astype(np.float32),
  }
  clocks = {"one": step_clock(tracker, film.frames, box)}
  clocks |= {name: step_clock(tracker, film.frames, boxes) for name, boxes in many.items()}
  seconds = alternate(clocks, rounds=ROUNDS, limit_s=60)
  for name in many:
    low, median, high = np.quantile(seconds[name] / seconds["one"], (0.25, 0.5, 0.75))
    print(f"{TARGETS} targets {name}, over one: {median:.2f} ({low:.2f} to {high:.2f})")
  cold, *later = first_boxes(film.frames, box)
  print(f"first box after {cold:.1f} s cold, {', '.join(f'{s:.1f}' for s in later)} s later")


if __name__ == "__main__":
  main()
