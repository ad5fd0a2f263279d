"""How long from the start of a process to its first box: with onnxruntime, and with XLA and a full cache.

python -m experiments.export.start runs/export/tracker.onnx runs/start

Both track two frames of a rendered film from an .npy file, in turns. Writes start.json: medians of the seconds that the
whole process takes, and what imports and all of it cost in processor time, which another's work on the machine does not
change.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

from adadepth.data.render import Difficulty, render_sequence
from adadepth.io.json_files import write_json

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRACKERS = {
  "onnx": "from adadepth.export.runtime import OnnxTracker; tracker = OnnxTracker({file!r})",
  "xla": "import adadepth; adadepth.enable_compilation_cache({cache!r}); tracker = adadepth.Tracker()",
}
TRACK = """
import numpy as np
film = np.load({film!r})
target = tracker.init(film["frames"][0], film["box"])
print(tracker.update(target, film["frames"][1])[1].box_xywh)
"""


def seconds(code: str) -> tuple[float, float]:
  """Of a process: from its start to its end, and of processors."""
  before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
  subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
  return time.perf_counter() - start, worked


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("file", type=pathlib.Path)
  parser.add_argument("workdir", type=pathlib.Path)
  parser.add_argument("--rounds", type=int, default=5)
  given = parser.parse_args()
  folder = given.workdir.resolve()
  folder.mkdir(parents=True, exist_ok=True)
  film = render_sequence(seed=0, name="start", frames=2, height=360, width=640, difficulty=Difficulty.graded(0.3))
  np.savez(folder / "film.npz", frames=film.frames, box=film.boxes_xywh[0])
  named = {"file": str(given.file.resolve()), "cache": str(folder / "cache"), "film": str(folder / "film.npz")}
  codes = {name: (code + TRACK).format(**named) for name, code in TRACKERS.items()}
  for code in codes.values():
    seconds(code)  # fills the caches
  rounds = [{name: seconds(code) for name, code in codes.items()} for _ in range(given.rounds)]
  medians = {name: np.median([row[name] for row in rounds], axis=0).tolist() for name in codes}
  ratios = np.median([np.divide(row["onnx"], row["xla"]) for row in rounds], axis=0).tolist()
  result = {"seconds, of processors": medians, "onnx over xla": ratios}
  write_json(folder / "start.json", result)
  print(result)


if __name__ == "__main__":
  main()
