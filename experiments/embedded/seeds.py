"""The embedded job over seeds, each with sequences of its own: what hard gating has, and the mean over the runs.

for seed in 1 2 3 4 5 6; do python run.py --config=configs/gating.py --config.seed=$seed --workdir=runs/seed$seed; done
python -m experiments.embedded.seeds runs/gating runs/seed*

Prints a row a run, and what hard gating has more than a random mix and than xcorr5, with a 95 % bootstrap over runs.
"""

import json
import pathlib
import sys
from collections.abc import Sequence as Listing

import numpy as np

from adadepth.evaluation.intervals import paired_interval


def row_of(workdir: pathlib.Path) -> dict[str, float]:
  """What one run has on its test side: T, relative cost, IOU@25 on pairs, mean IoU of one pass."""
  results = json.loads((workdir / "results.json").read_text())
  pairs, tracking, threshold = results["pairs"], results["tracking"], results["threshold"]
  hard = next(entry for entry in pairs["hard"] if entry["threshold"] == threshold)
  return {
    "seed": json.loads((workdir / "run.json").read_text())["config"]["seed"],
    "T": threshold,
    "cost": hard["relative_cost"],
    "hard": hard["iou@25"],
    "random mix": hard["random_mix_iou@25"],
    "xcorr5": pairs["xcorr5"]["iou@25"],
    "hard, one pass": tracking["hard"]["mean_iou"],
    "xcorr1, one pass": tracking["xcorr1"]["mean_iou"],
    "xcorr5, one pass": tracking["xcorr5"]["mean_iou"],
  }


def main(workdirs: Listing[str]) -> None:
  rows = [row_of(pathlib.Path(workdir)) for workdir in workdirs]
  columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
  print(f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|", sep="\n")
  for row in rows:
    print("| " + " | ".join(f"{value:.3g}" if name != "seed" else str(value) for name, value in row.items()) + " |")
  print("| mean | " + " | ".join(f"{column.mean():.3g}" for name, column in columns.items() if name != "seed") + " |\n")
  for ours, other in (("hard", "random mix"), ("hard", "xcorr5"), ("hard, one pass", "xcorr5, one pass")):
    found = paired_interval(columns[ours], columns[other])
    print(f"{ours} minus {other}: {found['mean']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]")


if __name__ == "__main__":
  main(sys.argv[1:])
