"""A frame at each exit, frame to box: XLA's time and onnxruntime's, in turns, with the package's network.

python -m experiments.export.speed runs/speed_export --rounds 100

Gates are made to stop at each depth. Writes speed.json: medians of both in milliseconds and of their ratio in a round,
and the share of the FLOPs that an exit saves that it saves in time.
"""

import argparse
import pathlib

import numpy as np

from adadepth.benchmark.ships import saved_shares
from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.costs import frame_costs
from adadepth.evaluation.forced_exits import forced, gates_that_exit
from adadepth.evaluation.step_times import FRAME_HW, exit_trackers, step_clock
from adadepth.evaluation.timing import alternate, clock
from adadepth.export.onnx_file import onnx_bytes
from adadepth.export.runtime import OnnxTracker
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.models.architecture import DEPTH_NAMES
from adadepth.models.model import load_model


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--rounds", type=int, default=100)
  parser.add_argument("--threads", type=int, default=0)
  given = parser.parse_args()
  enable_compilation_cache()
  given.workdir.mkdir(parents=True, exist_ok=True)
  model = load_model("embedded")
  height, width = FRAME_HW
  film = render_sequence(seed=0, name="speed", frames=2, height=height, width=width, difficulty=Difficulty.graded(0.3))
  clocks = {
    f"xla_{name.removeprefix('hard_')}": step_clock(tracker, film.frames, film.boxes_xywh[0])
    for name, tracker in exit_trackers(model).items()
  }
  for k, name in enumerate(DEPTH_NAMES):
    path = given.workdir / f"{name}.onnx"
    if not path.exists():
      path.write_bytes(onnx_bytes(forced(model, gates_that_exit(k)), "hard"))
    tracker = OnnxTracker(path, threads=given.threads)
    target = tracker.init(film.frames[0], film.boxes_xywh[0])
    clocks[f"onnx_{name}"] = clock(lambda tracker=tracker, target=target: tracker.update(target, film.frames[1])[1])
  seconds = alternate(clocks, rounds=given.rounds, limit_s=600, title="exits")
  gflops = frame_costs(model.arch).cascade_gflops
  result = {
    "ms": {name: 1e3 * float(np.median(values)) for name, values in seconds.items()},
    "onnx_over_xla": {n: float(np.median(seconds[f"onnx_{n}"] / seconds[f"xla_{n}"])) for n in DEPTH_NAMES},
    "saved_time_over_saved_flops": {
      side: np.median(saved_shares({n: seconds[f"{side}_{n}"] for n in DEPTH_NAMES}, gflops), axis=1).tolist()
      for side in ("xla", "onnx")
    },
    "fastest_ms": {name: 1e3 * float(values.min()) for name, values in seconds.items()},
  }
  write_json(given.workdir / "speed.json", result)
  print(result)


if __name__ == "__main__":
  main()
