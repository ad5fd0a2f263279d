"""Draws Figures 3 and 4 from runs of phase 1 that differ in seed and objective alone.

python -m experiments.finetune.figures runs/finetune-*

Writes figure3.png, figure4.png and results.json to experiments/finetune, or to the folder that --to=FOLDER names. Runs
that are not finished count up to the last step at which all were measured.
"""

import json
import pathlib
import sys

import jax
import numpy as np

from adadepth.io.json_files import write_json
from adadepth.jobs.finetune import CURVE_FOLDER
from adadepth.reports.plots import Phase1Run, by_objective, figure3, figure4


def read_run(workdir: pathlib.Path) -> tuple[dict, Phase1Run]:
  """The config of a run, and its curve as far as it goes."""
  config = json.loads((workdir / "run.json").read_text())["config"]
  curve = [json.loads(path.read_text()) for path in sorted((workdir / CURVE_FOLDER).glob("*.json"))]
  return config, Phase1Run(config["finetune"]["objective"], curve)


def at_common_steps(runs: list[Phase1Run]) -> list[Phase1Run]:
  """The runs at the steps at which all were measured."""
  steps = set.intersection(*({point["step"] for point in run.curve} for run in runs))
  return [run._replace(curve=[point for point in run.curve if point["step"] in steps]) for run in runs]


def recipe(config: dict) -> dict:
  """What runs must share to be seeds of one experiment."""
  rest = {name: config[name] for name in ("network", "backbone", "data", "eval")}
  return {**rest, "finetune": {**config["finetune"], "objective": ""}}


def over_seeds(runs: list[Phase1Run]) -> list[dict]:
  """The curve with {"mean", "low", "high"} over seeds in the place of each number."""

  def spread(*values: float) -> dict[str, float]:
    return {"mean": np.mean(values), "low": min(values), "high": max(values)}

  curves = [[{side: point[side] for side in ("train", "test")} for point in run.curve] for run in runs]
  steps = [{"step": point["step"], "epoch": point["epoch"]} for point in runs[0].curve]
  return [{**where, **values} for where, values in zip(steps, jax.tree.map(spread, *curves), strict=True)]


def describe(by_name: dict[str, list[dict]]) -> str:
  """IOU@25 before and after, as a table for people: mean (lowest to highest)."""
  lines = ["| | " + " | ".join(f"xcorr{k}" for k in range(1, 6)) + " |", "| --- " * 6 + "|"]
  for side in ("train", "test"):
    first = next(iter(by_name.values()))[0]
    for name, point in {"before": first, **{name: curve[-1] for name, curve in by_name.items()}}.items():
      entries = [entry["iou@25"] for entry in point[side].values()]
      cells = [f"{e['mean']:.3f} ({e['low']:.3f} to {e['high']:.3f})" for e in entries]
      lines.append(f"| {side}, {name} | {' | '.join(cells)} |")
  return "\n".join(lines) + "\n"


def main(*arguments: str) -> None:
  options = [a.removeprefix("--to=") for a in arguments if a.startswith("--to=")]
  folder = pathlib.Path(options[0]) if options else pathlib.Path(__file__).parent
  workdirs = [pathlib.Path(a) for a in arguments if not a.startswith("--to=")]
  begun = [w for w in workdirs if (w / CURVE_FOLDER).is_dir()]
  if not begun:
    sys.exit(f"error: no run of phase 1 among {', '.join(map(str, workdirs)) or 'no folders'}")
  configs, runs = zip(*map(read_run, begun), strict=True)
  for workdir, config in zip(begun, configs, strict=True):
    if recipe(config) != recipe(configs[0]):
      sys.exit(f"error: {workdir} and {begun[0]} differ in more than seed and objective")
  runs = at_common_steps(runs)
  figure3(folder / "figure3.png", runs)
  figure4(folder / "figure4.png", runs)
  curves = {name: over_seeds(seeds) for name, seeds in by_objective(runs).items()}
  seeds = {w.name: c["seed"] for w, c in zip(begun, configs, strict=True)}
  write_json(folder / "results.json", {"seeds": seeds, "recipe": recipe(configs[0]), "curves": curves})
  print(describe(curves))
  print(
    f"wrote figure3.png, figure4.png and results.json to {folder}: {len(runs)} runs, {runs[0].curve[-1]['step']} steps"
  )


if __name__ == "__main__":
  main(*sys.argv[1:])
