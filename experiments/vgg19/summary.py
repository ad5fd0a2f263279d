"""Sums finished runs of configs/gating.py:vgg19 up: one line of summary.json and of the table for each.

python -m experiments.vgg19.summary runs/vgg19 runs/vgg19-1 runs/vgg19-2 ...
"""

import json
import pathlib
import sys

from adadepth.io.json_files import write_json
from adadepth.tracking.policies import FIXED

SUMMARY = pathlib.Path(__file__).parent / "summary.json"


def summary_of(workdir: pathlib.Path) -> dict:
  """IOU@25 and cost of what Figure 6 compares, how sure the differences are, and how the budgets held.

  The static exit that stands for all is the one that cross-fitting chose on train and dev, not the best on test.
  """
  results = json.loads((workdir / "results.json").read_text())
  pairs = results["pairs"]
  static, reference = {name: pairs[name]["iou@25"] for name in FIXED}, results["reference"]
  hard = next(entry for entry in pairs["hard"] if entry["threshold"] == results["threshold"])
  budgets = [row for row in results["budgets"] if row["unit"] == "relative"]
  return {
    "static": static,
    "soft": pairs["soft"]["iou@25"],
    "hard": {name: hard[name] for name in ("threshold", "iou@25", "relative_cost", "exits", "random_mix_iou@25")},
    "reference": {"name": reference, **{name: pairs[reference][name] for name in ("iou@25", "relative_cost")}},
    "comparison": results["comparison"],
    "budgets": [{name: row[name] for name in ("target", "got", "off", "iou@25")} for row in budgets],
    "bounds": {name: bound["iou@25"] for name, bound in results["bounds"].items()},
  }


def describe(summaries: dict[str, dict]) -> str:
  """The table for people; costs are shares of the reference exit's."""
  first = next(iter(summaries.values()))
  shares = [row["target"] / first["reference"]["relative_cost"] for row in first["budgets"]]
  titles = ["run", "static exit", "hard gating", "at cost", "random mix", *(f"budget {share:.2f}" for share in shares)]
  lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
  for name, run in summaries.items():
    full = run["reference"]["relative_cost"]
    budgets = " | ".join(f"{row['iou@25']:.3f} at {row['got'] / full:.2f}" for row in run["budgets"])
    static, hard = f"{run['reference']['iou@25']:.3f} ({run['reference']['name']})", run["hard"]
    cells = f"{hard['iou@25']:.3f} | {hard['relative_cost'] / full:.2f} | {hard['random_mix_iou@25']:.3f}"
    lines.append(f"| {name} | {static} | {cells} | {budgets} |")
  return "\n".join(lines)


def main(*workdirs: str) -> None:
  summaries = {pathlib.Path(workdir).name: summary_of(pathlib.Path(workdir)) for workdir in workdirs}
  write_json(SUMMARY, summaries)
  print(describe(summaries))


if __name__ == "__main__":
  main(*sys.argv[1:])
