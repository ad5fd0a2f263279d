"""got10k's own figures, in its own environment: see README.md.

VENV/bin/python experiments/parity/got10k_side.py TREES RESULTS OUT

TREES is of trees.py, RESULTS the result files of a one-pass comparison on TREES/otb. They are copied under the names
that LaSOT and GOT-10k give them, to OUT/lasot and OUT/got10k. Writes OUT/got10k.json.
"""

import json
import pathlib
import shutil
import sys

import numpy as np
from got10k.experiments import ExperimentGOT10k, ExperimentOTB, ExperimentUAV123


class Sequences:
  """A data set as got10k's experiments ask for it: names, and image files with boxes by place."""

  def __init__(self, folders, absent):
    self.folders, self.absent = folders, absent
    self.seq_names = [folder.name for folder in folders]

  def __len__(self):
    return len(self.folders)

  def __getitem__(self, index):
    folder = self.folders[index]
    boxes = np.loadtxt(next(folder.glob("groundtruth*.txt")), delimiter=",")
    boxes[self.absent(folder)] = np.nan
    return sorted(folder.glob("img/*.jpg")), boxes


def report(kind, dataset, results, out, trackers):
  """`report` of one of got10k's experiments without its data set class, which wants all of a release."""
  experiment = object.__new__(kind)
  experiment.dataset, experiment.nbins_iou, experiment.nbins_ce = dataset, 21, 51
  experiment.result_dir, experiment.report_dir = str(results), str(out)
  return {name.split("/")[0]: row["overall"] for name, row in experiment.report(trackers).items()}


def main(trees, results, out):
  trees, results, out = (pathlib.Path(path) for path in (trees, results, out))
  trackers = sorted(folder.name for folder in results.iterdir())
  for name in trackers:
    for file in sorted((results / name / "otb").iterdir()):
      for copy in (f"lasot/{name}/video-{file.stem}.txt", f"got10k/{name}/{file.stem}/{file.stem}_001.txt"):
        (out / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, out / copy)
  otb = Sequences(sorted((trees / "otb").iterdir()), lambda folder: [])
  absent = lambda folder: np.loadtxt(folder / "full_occlusion.txt", delimiter=",") > 0  # noqa: E731
  lasot = Sequences(sorted((trees / "lasot" / "video").iterdir()), absent)
  # GOT-10k's report wants times.
  for name in trackers:
    for folder in (out / "got10k" / name).iterdir():
      np.savetxt(folder / f"{folder.name}_time.txt", np.full(9, 0.01))
  got10k = ExperimentGOT10k(str(trees / "got10k"), "val", result_dir=str(out), report_dir=str(out / "reports"))
  got10k.result_dir = str(out / "got10k")
  figures = {
    "otb": report(ExperimentOTB, otb, results, out / "reports", [f"{name}/otb" for name in trackers]),
    # 0.1.3 has no experiment of LaSOT; UAV123's leaves out absent frames in the same way.
    "lasot": report(ExperimentUAV123, lasot, out / "lasot", out / "reports", trackers),
    "got10k": {name: row["overall"] for name, row in got10k.report(trackers).items()},
  }
  (out / "got10k.json").write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
  main(*sys.argv[1:])
