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
  """IOU@25 and cost of what Figure 6 compares, and how the budgets held."""
  results = json.loads((workdir / "results.json").read_text())
  pairs = results["pairs"]
  fixed = {name: pairs[name]["iou@25"] for name in FIXED}
  best = max(fixed, key=fixed.get)
  hard = next(entry for entry in pairs["hard"] if entry["threshold"] == results["threshold"])
  budgets = [row for row in results["budgets"] if row["unit"] == "relative"]
  return {
    "fixed": fixed,
    "soft": pairs["soft"]["iou@25"],
    "hard": {name: hard[name] for name in ("threshold", "iou@25", "relative_cost", "exits")},
    "best_fixed": {"name": best, "iou@25": fixed[best], "relative_cost": pairs[best]["relative_cost"]},
    "budgets": [{name: row[name] for name in ("target", "got", "off", "iou@25")} for row in budgets],
    "bounds": {name: bound["iou@25"] for name, bound in results["bounds"].items()},
  }


def describe(summaries: dict[str, dict]) -> str:
  """The table for people; costs are shares of the best fixed depth's."""
  first = next(iter(summaries.values()))
  shares = [row["target"] / first["best_fixed"]["relative_cost"] for row in first["budgets"]]
  titles = ["run", "best fixed", "hard gating", "at cost", *(f"budget {share:.2f}" for share in shares)]
  lines = ["| " + " | ".join(titles) + " |", "| --- " * len(titles) + "|"]
  for name, run in summaries.items():
    full = run["best_fixed"]["relative_cost"]
    budgets = " | ".join(f"{row['iou@25']:.3f} at {row['got'] / full:.2f}" for row in run["budgets"])
    best, hard = run["best_fixed"]["iou@25"], run["hard"]
    lines.append(f"| {name} | {best:.3f} | {hard['iou@25']:.3f} | {hard['relative_cost'] / full:.2f} | {budgets} |")
  return "\n".join(lines)


def main(*workdirs: str) -> None:
  summaries = {pathlib.Path(workdir).name: summary_of(pathlib.Path(workdir)) for workdir in workdirs}
  write_json(SUMMARY, summaries)
  print(describe(summaries))


if __name__ == "__main__":
  main(*sys.argv[1:])
