"""Ablates phase 1 on dev: short runs that differ from configs/finetune.py:all,half in one setting each.

python -m experiments.finetune.ablate DATA VGG19 runs/finetune-ablations

Writes one JSON file a variant as it goes, skips those that are there, and then ablations.json and a table.
"""

import json
import pathlib
import sys

import numpy as np
from ml_collections import ConfigDict

from adadepth.evaluation.responses import pair_table
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.json_files import write_json
from adadepth.io.workdir import claim
from adadepth.jobs.finetune import fixed_scores, run_phase1
from adadepth.jobs.from_config import architecture_of, source_of, starting_params
from configs import finetune

STEPS = 30
KEYS = 1  # of each dev sequence, with all 25 frames
VARIANTS = {
  "before": {"finetune.steps": 0},
  "rate-1e-5": {"finetune.learning_rate": 1e-5},
  "rate-3e-5": {"finetune.learning_rate": 3e-5},
  "rate-1e-4": {"finetune.learning_rate": 1e-4},
  "scale-1": {"network.logit_scale": 1.0},
  "scale-30": {"network.logit_scale": 30.0},
  "printed": {"finetune.map_loss": "printed"},
  "before-none": {"finetune.steps": 0, "network.scaling": "none"},
  "none": {"network.scaling": "none"},
}


def config_of(name: str, data: str, weights: str) -> ConfigDict:
  """The half-size recipe for `STEPS` steps, with one variant's setting."""
  config = finetune.get_config("all,half")
  changes = {"data.root": data, "backbone.weights": weights, "finetune.steps": STEPS, **VARIANTS[name]}
  config.update_from_flattened_dict(changes)
  return config


def run_variant(config: ConfigDict, workdir: pathlib.Path) -> dict:
  """Phase 1 on train, then dev's IOU@n and the default L_i at each depth, and the logit scales it ends with."""
  arch, source = architecture_of(config), source_of(config)
  sequences = source.read(("train", "dev"))
  params = starting_params(config, arch, workdir)
  if config.finetune.steps:
    params = run_phase1(config, params, sequences["train"], workdir)
  table = pair_table(
    params, sequences["dev"], arch=arch, keys=KEYS, frames=0, threads=config.threads, folder=None, description="dev"
  )
  dev = fixed_scores(params, table, arch=arch, map_loss="label")
  return {"dev": dev, "logit_scales": np.exp(np.asarray(params["head"]["log_scale"]))}


def main(data: str, weights: str, workdir: str, *names: str) -> None:
  identity = {"data": {"root": data}, "backbone": {"weights": weights}, "finetune": {"steps": STEPS}}
  folder, results = claim(workdir, identity), {}
  for name in names or VARIANTS:
    path = folder / f"{name}.json"
    if not path.is_file():
      write_json(path, run_variant(config_of(name, data, weights), folder / name))
      print(f"wrote {path}", flush=True)
  for name in VARIANTS:
    if (folder / f"{name}.json").is_file():
      results[name] = json.loads((folder / f"{name}.json").read_text())
  write_json(folder / "ablations.json", results)
  print(describe(results))


def describe(results: dict) -> str:
  """A table for people: dev IOU@25 and loss by depth."""
  lines = ["| variant | " + " | ".join(f"xcorr{k}" for k in range(1, 6)) + " | loss at xcorr5 |", "| --- " * 7 + "|"]
  for name, result in results.items():
    at = [f"{entry['iou@25']:.3f}" for entry in result["dev"].values()]
    lines.append(f"| {name} | {' | '.join(at)} | {result['dev']['xcorr5']['loss']:.3f} |")
  return "\n".join(lines) + "\n"


if __name__ == "__main__":
  keep_freed_memory()
  main(*sys.argv[1:])
