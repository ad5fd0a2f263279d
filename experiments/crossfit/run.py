"""Hard gating, static exits and soft gating on train and dev, each video judged by what has not seen it.

python -m experiments.crossfit.run package --root DATA --photos PHOTOS --workdir runs/crossfit-package
python -m experiments.crossfit.run vgg19 --weights VGG19 --root DATA --photos PHOTOS --workdir runs/crossfit-vgg19

Videos are dealt into folds; what phase 2 learns on the others judges each fold, on pairs and in one pass. Writes
results.json, and model.safetensors, which has learnt from all of them; pairs and passes are kept video by video, and a
run goes on where it was.
"""

import argparse
import dataclasses
import json
import pathlib

import numpy as np

from adadepth.data.drifted_pairs import drift
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.one_pass import score_tracking, track_all
from adadepth.evaluation.responses import pair_table
from adadepth.evaluation.scores import exits_at, random_mix, table_features, taken
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.jobs.from_config import architecture_of, recipe_of, source_of, starting_params
from adadepth.models.model import Model, save_model
from adadepth.models.model_files import MODEL_NAME
from adadepth.tracking.policies import FIXED
from adadepth.training.cross_fitting import best_static, choose, grouped_folds, static_choices, sweep
from adadepth.training.phase2 import cross_fit, fit, run_phase2
from configs import gating

KEYS = {"package": 3, "vgg19": 2, "paper": 2}  # of a sequence
# Box heads have learnt from the train side, and gates beside them learn from sequences cut from photos.
SIDES = {"package": ("dev",), "vgg19": ("dev",), "paper": ("train", "dev")}


def configured(arguments: argparse.Namespace):
  """The config of the main job for this model."""
  variant = {"package": "small", "vgg19": "vgg19", "paper": "vgg19,paper"}[arguments.model]
  config = gating.get_config(variant).copy_and_resolve_references()
  config.unlock()
  config.seed = arguments.seed
  config.data.update({"root": arguments.root, "split": arguments.split, "photos": arguments.photos})
  config.backbone.weights = arguments.weights or "embedded"
  config.finetune.steps = 0
  return config


def measure_pairs(params, table, folds, recipe, arch, thresholds, cost_share) -> dict:
  """Cross-fitted: static exits, and hard gating within shares of xcorr5's cost, pair by pair and by video."""
  scores, confidences = cross_fit(params, table, folds=folds, recipe=recipe, arch=arch)
  static = static_choices(scores)
  tried = sweep(scores, confidences, recipe.price_weights, thresholds, scores.costs.relative)
  reference, found = best_static(static), {}
  for share in sorted({0.25, 0.33, 0.5, 0.6, cost_share, 1.0}):
    choice = choose(tried, share * static[-1].cost)
    exits = exits_at(confidences[recipe.price_weights.index(choice.price_weight)], choice.threshold)
    hard = by_video(table.sequence, taken(scores, exits))
    mixed = by_video(table.sequence, scores.ious @ random_mix(scores, choice.entry["gflops"]))
    best = by_video(table.sequence, scores.ious[:, FIXED.index(reference.policy)])
    found[str(share)] = {
      **choice._asdict(),
      "by_video": hard,
      "minus_random_mix": paired_interval(hard, mixed),
      f"minus_{reference.policy}": paired_interval(hard, best),
    }
  return {
    "reference": reference.policy,
    "videos": sorted({str(name) for name in table.sequence}),
    "static": [{**c._asdict(), "by_video": by_video(table.sequence, scores.ious[:, k])} for k, c in enumerate(static)],
    "hard": found,
  }


def measure_tracks(params, table, folds, recipe, arch, choice, sequences, policies, folder: pathlib.Path) -> dict:
  """One pass over every video by the model of the folds that it is not in; of all, if it is in none."""
  scores = {}
  features = table_features(params, table, arch=arch)
  fold_of = {str(name): int(fold) for name, fold in zip(table.sequence, folds, strict=True)}
  for fold in range(-1, folds.max() + 1):
    held = [s for s in sequences if fold_of.get(s.name, -1) == fold]
    if not held:
      continue
    fitted = fit(params, table, features, np.flatnonzero(folds != fold), recipe, arch)
    gates = fitted.gates[recipe.price_weights.index(choice["price_weight"])]
    model = Model({**params, "gates": gates}, arch, choice["threshold"])
    for policy, runs in track_all(model, held, policies, frames=0, folder=folder).items():
      for run, sequence in zip(runs, held, strict=True):
        scores.setdefault(sequence.name, {})[policy] = score_tracking([run], [sequence])
  return scores


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("model", choices=tuple(KEYS))
  parser.add_argument("--root", required=True)
  parser.add_argument("--split", default="configs/splits/wide.json")
  parser.add_argument("--weights", default="")
  parser.add_argument("--photos", default="", help="that the sequences for the gates are cut from")
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--policies", default="hard")
  parser.add_argument("--seed", type=int, default=0, help="of the rendered sequences and the folds")
  arguments = parser.parse_args()
  enable_compilation_cache()
  config = configured(arguments)
  arch, recipe = architecture_of(config), recipe_of(config)
  source = source_of(config)
  sides = source.read(SIDES[arguments.model])
  sequences = [sequence for side in sides.values() for sequence in side]
  params = starting_params(config, arch, arguments.workdir)
  pairs_of = {"arch": arch, "keys": KEYS[arguments.model], "frames": 0, "threads": config.threads}
  pairs_of["errors"] = drift if arch.reader == "box" else None
  drawn_from = sequences if arguments.model == "paper" else source.for_gates(sides)
  table = pair_table(params, drawn_from, **pairs_of, folder=arguments.workdir / "responses", description="responses")
  folds = grouped_folds(table.sequence, config.gates.folds, config.seed)
  pairs = measure_pairs(params, table, folds, recipe, arch, config.policy.thresholds, config.gates.cost_share)
  print(json.dumps({share: row["entry"] for share, row in pairs["hard"].items()}, indent=1, default=float), flush=True)
  write_json(arguments.workdir / "results.json", {"arch": dataclasses.asdict(arch), "pairs": pairs})
  choose_by = {"thresholds": config.policy.thresholds, "cost_share": config.gates.cost_share}
  done = run_phase2(params, table, recipe=recipe, folds=config.gates.folds, arch=arch, **choose_by)
  save_model(arguments.workdir / MODEL_NAME, done.model)
  tracks = measure_tracks(
    params,
    table,
    folds,
    recipe,
    arch,
    pairs["hard"][str(config.gates.cost_share)],
    sequences,
    arguments.policies.split(","),
    arguments.workdir / "tracks",
  )
  write_json(arguments.workdir / "results.json", {"arch": dataclasses.asdict(arch), "pairs": pairs, "tracks": tracks})


if __name__ == "__main__":
  main()
