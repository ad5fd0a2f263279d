"""Ablates the gates on cached responses, cross-fitted over the train and dev sequences of a finished VGG-19 run.

python -m experiments.ablations.run runs/vgg19            all variants
python -m experiments.ablations.run runs/vgg19 ours exit  some of them

Reads runs/vgg19/responses/{train,dev}.npz alone. Adds to experiments/ablations/results.json as it goes, skips what is
there, and prints the table. Three seconds a variant and seed on a core, fifteen where it reads in a new way.
"""

import dataclasses
import json
import pathlib
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from adadepth.evaluation.responses import PairTable, joined, load_table
from adadepth.evaluation.scores import exit_ious, score_bounds, score_fixed, soft_ious
from adadepth.io.json_files import write_json
from adadepth.jobs.from_config import architecture_of, readout_of
from adadepth.jobs.gating import recipes_of
from adadepth.maths import posterior
from adadepth.maths.features import FEATURE_NAMES, FEATURES
from adadepth.maths.peaks import displacements_in_response
from adadepth.models.fusion_weights import init_beliefs
from adadepth.models.gates import init_gates
from adadepth.training.cross_fitting import CrossRead, choices, cross_fit, cross_read, deal
from adadepth.training.fusion_fit import as_tracked
from adadepth.training.phase2 import Pairs, seen_pairs
from configs import gating

TAIL = posterior.TAIL
RESULTS = pathlib.Path(__file__).parent / "results.json"
SHORT = {"gates.steps": 400, "gates.learning_rate": 0.025}  # within 0.001 of the config's 1000 steps at 0.01
SEEDS = (0, 1, 2)  # deal the folds and draw the batches
SHARES = (0.25, 0.33, 0.5, 0.6)  # of xcorr4's cost, the best fixed depth's of most variants: the same for all
PAPER_WEIGHTS = tuple(gating.get_config("vgg19,paper").gates.price_weights)
GEOMETRIC = {"gates.prices": ("geometric",)}
CROSS_ENTROPY = {"gates.losses": ("cross_entropy",), "gates.price_weights": PAPER_WEIGHTS}
VARIANTS = {
  "ours": {},
  "the paper's": {"": "vgg19,paper"},
  "exit": {"policy.combine": "exit"},
  "paper features": {"policy.gate_features": "paper"},
  "exit, paper features": {"policy.combine": "exit", "policy.gate_features": "paper"},
  **{f"window {w:g}": {"policy.window": w} for w in (0.0, 0.1, 0.2, 0.4)},
  "no closer look": {"network.finer_px": 0.0, "network.growth": False},
  "no growth": {"network.growth": False},
  "first block alone": {"first block": True},
  **{f"drift {drift:g}": {"policy.drift": drift} for drift in (0.0, 0.03125, 0.25)},
  **{f"tail {tail:g}": {"tail": tail} for tail in (1.0, 2.5, 4.0)},
  "exit, window 0": {"policy.combine": "exit", "policy.window": 0.0},
  "loss: label": CROSS_ENTROPY,
  "loss: printed": {**CROSS_ENTROPY, "finetune.map_loss": "printed"},
  **{f"price: p = {p:g}": {**GEOMETRIC, "gates.p": p} for p in (1.5, 2.0, 3.0)},
  "no weight decay": {"gates.weight_decay": 0.0},
  **{f"lambda = {weight:g}": {"gates.price_weights": (weight,)} for weight in gating.get_config().gates.price_weights},
  **{f"with {name}": {"with": name} for name in ("shape", "time", "agreement", "last frame", "motion")},
  **{f"without {name}": {"without": name} for name in FEATURE_NAMES["readout"] if name != "peak"},  # always 1 here
}


def config_of(changes: dict) -> ConfigDict:
  """configs/gating.py:vgg19, or the variant under "", with the changes."""
  config = gating.get_config(changes.get("", "vgg19"))
  settings = {name: value for name, value in changes.items() if "." in name or name == "seed"}
  config.update_from_flattened_dict({**SHORT, **settings})
  return config


def blank_params(config: ConfigDict, features: int = FEATURES) -> dict:
  """All that the responses leave open: the logit scale, and gates and beliefs that have learnt nothing."""
  log_scale = jnp.full(5, jnp.log(config.network.logit_scale))
  return {
    "head": {"log_scale": log_scale},
    "gates": init_gates(jax.random.key(0), features),
    "beliefs": init_beliefs(),
  }


def without(pairs: Pairs, config: ConfigDict, name: str) -> Pairs:
  """The pairs with one feature made constant, so that no gate can use it."""
  features = pairs.features.copy()
  features[..., FEATURE_NAMES[config.policy.gate_features].index(name)] = 0
  return pairs._replace(features=features)


def seen_by(table: PairTable, config: ConfigDict, *, first_block: bool) -> PairTable:
  """The table as a network would have made it whose closer looks are fewer."""
  looks, middle = table.coefficients, table.coefficients.shape[2] // 2
  if not config.network.growth:
    looks = looks[:, :, middle : middle + 1]
  if not config.network.finer_px:
    looks = looks[:, :0]
  if first_block:
    looks = looks[:, [0, 0]]
  return dataclasses.replace(table, coefficients=looks)


class Read(NamedTuple):
  """What `cross_read` found, and the mean IoU of a reader who is not told that the last place is off by an eighth of a
  crop, None for one who does not ask."""

  cross: CrossRead
  untold: float | None


READ: dict[tuple, Read] = {}


def use_tail(tail: float) -> None:
  """Gives the prior of motion that tail from here on."""
  if tail != posterior.TAIL:
    posterior.TAIL = tail
    jax.clear_caches()  # programs hold the constant


def read_once(pairs: Pairs, config: ConfigDict, folds: np.ndarray, **more) -> Read:
  """`cross_read`, once for all variants that read alike; the tail in use is part of that."""
  view = {"arch": architecture_of(config), "readout": readout_of(config)}
  reads = view["readout"]._replace(gate_features="")
  reads = reads._replace(window=0.0, peak="") if reads.combine == "posterior" else reads
  key = (view["arch"], reads, config.seed, posterior.TAIL, *more.values())
  if key not in READ:
    cross = cross_read(blank_params(config), pairs, folds=folds, seed=config.seed, **view)
    n, untold = len(pairs.table), None
    if reads.combine == "posterior":
      off = as_tracked(n, drift=1 / 8, arch=view["arch"], seed=config.seed)._replace(drift_px=jnp.zeros(n))
      untold = float(exit_ious(cross.beliefs, pairs.table, off, pairs.scores, **view).mean())
    READ[key] = Read(cross, untold)
  return READ[key]


def more(table: PairTable, pairs: Pairs, config: ConfigDict, name: str) -> np.ndarray:
  """Features that the maps' own do not hold, of each pair and depth, [n, 5, m]; 0 where there is no frame before.

  "shape": log(w, h) of the target; "time": log of the frames since the key; "agreement": how far this depth's peak is
  from those of the two depths before; "last frame": the features of its first map; "motion": how far this depth's peak
  is from the displacement that xcorr1 found in the last frame, and how far that was.
  """
  view = {"readout": readout_of(config), "template_cells": architecture_of(config).template_cells}
  cells = np.asarray(displacements_in_response(table.responses, **view))
  follows = (table.sequence[1:] == table.sequence[:-1]) & (table.key[1:] == table.key[:-1])

  def before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros_like(values[:1]), values[:-1] * follows[:, None]])

  def distance(a: np.ndarray) -> np.ndarray:
    return np.log1p(np.linalg.norm(a, axis=-1))[..., None]

  if name == "agreement":
    steps = [np.pad(distance(cells[:, n:] - cells[:, :-n]), ((0, 0), (n, 0), (0, 0))) for n in (1, 2)]
    return np.concatenate(steps, axis=-1)
  last = before(cells[:, 0])[:, None]
  of_pair = {
    "shape": np.log(table.size_in_crop),
    "time": np.log(table.frames_after_key)[:, None],
    "last frame": before(pairs.features[:, 0]),
    "motion": distance(last[:, 0]),
  }[name]
  found = np.repeat(of_pair[:, None], 5, axis=1)
  return np.concatenate([found, distance(cells - last)], axis=-1) if name == "motion" else found


def run_variant(table: PairTable, changes: dict, seed: int) -> dict:
  """IOU@25 of hard gating at each share of xcorr4's cost, at the best lambda and T for it."""
  use_tail(changes.get("tail", TAIL))
  config = config_of({**changes, "seed": seed})
  params, view = blank_params(config), {"arch": architecture_of(config), "readout": readout_of(config)}
  fewer = {"first_block": changes.get("first block", False)}
  table = seen_by(table, config, **fewer)
  pairs = seen_pairs(params, table, **view)
  if "without" in changes:
    pairs = without(pairs, config, changes["without"])
  if "with" in changes:
    added = more(table, pairs, config, changes["with"]).astype(np.float32)
    pairs = pairs._replace(features=np.concatenate([pairs.features, added], axis=-1))
    params = blank_params(config, pairs.features.shape[-1])
  fixed = score_fixed(pairs.scores)
  best, limit = max(entry["iou@25"] for entry in fixed.values()), fixed["xcorr4"]["relative_cost"]
  folds = deal(table.sequence, config.gates.folds, seed)
  (recipe,) = recipes_of(config)
  read = read_once(pairs, config, folds, **fewer)
  fitted = cross_fit(params, pairs, read.cross, folds=folds, recipe=recipe, arch=view["arch"])
  entries = [choice.entry for choice in choices(fitted, pairs.scores, config.policy.thresholds)]
  within = {
    share: [entry["iou@25"] for entry in entries if entry["relative_cost"] <= share * limit] for share in SHARES
  }
  read_by = {**params, "beliefs": read.cross.beliefs}
  soft = [soft_ious(read_by, table, confidences, **view).mean() for confidences in fitted.confidences]
  return {
    "fixed": {name: entry["iou@25"] for name, entry in fixed.items()},
    "soft": float(max(soft)),
    "stops": fitted.ious.mean(0).tolist(),
    "as tracked": fitted.tracked_ious.mean(0).tolist(),
    "untold": read.untold,
    "bounds": {name: entry["iou@25"] for name, entry in score_bounds(pairs.scores).items()},
    "hard": {f"{share:g}": max(ious, default=None) for share, ious in within.items()},
    "over_best_fixed": {f"{s:g}": max(ious) - best if ious else None for s, ious in within.items()},
  }


def describe(results: dict) -> str:
  """A table for people: means over seeds; "always k" reads all maps up to depth k, "untold" is the mean over all k."""
  costs = " | ".join(f"at {share:g}" for share in SHARES)
  head = f"| variant | best fixed | soft | always 1 | always 5 | untold | {costs} |"
  lines = [head, "| --- " * (6 + len(SHARES)) + "|"]
  for name, by_seed in results.items():
    runs = list(by_seed.values())
    columns = [
      [max(run["fixed"].values()) for run in runs],
      [run["soft"] for run in runs],
      *([run["stops"][k] for run in runs] for k in (0, -1)),
      [run["untold"] for run in runs],
      *([run["hard"][f"{share:g}"] for run in runs] for share in SHARES),
    ]
    means = ["-" if None in values else f"{np.mean(values):.3f}" for values in columns]
    lines.append(f"| {name} | {' | '.join(means)} |")
  return "\n".join(lines)


def main(workdir: str, *names: str) -> None:
  table = joined([load_table(pathlib.Path(workdir) / "responses" / f"{side}.npz") for side in ("train", "dev")])
  results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
  for name in names or VARIANTS:
    for seed in SEEDS:
      if str(seed) not in results.setdefault(name, {}):
        results[name][str(seed)] = run_variant(table, VARIANTS[name], seed)
        write_json(RESULTS, results)
  print(describe({name: results[name] for name in VARIANTS if name in results}))


if __name__ == "__main__":
  main(*sys.argv[1:])
