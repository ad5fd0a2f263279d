"""The main job: phase 1 where no backbone is given, phase 2, then every policy on the test split."""

import pathlib
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.evaluation.budgets import budget_for, expected_iou
from adadepth.evaluation.responses import PairTable, joined, pair_table
from adadepth.evaluation.scores import score_fixed
from adadepth.evaluation.step_times import medians_ms
from adadepth.io.metrics import MetricWriter
from adadepth.io.run_record import run_record
from adadepth.io.workdir import check_claim, claim
from adadepth.jobs.assess import assess, costs_by_exit, time_steps
from adadepth.jobs.checks import check_budget, check_config
from adadepth.jobs.finetune import run_phase1
from adadepth.jobs.from_config import (
  TRAINED_BY,
  architecture_of,
  label_variance,
  readout_of,
  source_of,
  starting_params,
)
from adadepth.models.model import MODEL_NAME, Model, save_model
from adadepth.training.cross_fitting import (
  Choice,
  best_by_loss,
  calibration_of,
  calibrations,
  choices,
  choose,
  cross_fit,
  cross_read,
  deal,
)
from adadepth.training.phase2 import Fitted, Recipe, fit_gates, fit_reading, seen_pairs

LOG_EVERY = 100


def cached_table(
  config: ConfigDict, params: dict, sequences: Listing[Sequence], side: str, workdir: pathlib.Path
) -> PairTable:
  """The responses of one side's pairs, computed once a workdir."""
  train = side == "train"
  return pair_table(
    params,
    sequences,
    arch=architecture_of(config),
    keys=config.gates.keys_per_sequence if train else config.eval.keys_per_sequence,
    frames=0 if train else config.eval.frames_per_key,
    threads=config.threads,
    cache=workdir / "responses" / f"{side}.npz",
    description=f"responses ({side})",
  )


def recipes_of(config: ConfigDict) -> list[Recipe]:
  """One recipe for every loss and kind of price that the config wants tried."""
  same = ("p", "learning_rate", "weight_decay", "steps", "batch")
  shared = {name: config.gates[name] for name in same} | {
    "price_weights": tuple(config.gates.price_weights),
    "map_loss": config.finetune.map_loss,
    "variance_px2": label_variance(architecture_of(config)),
    "seed": config.seed,
  }
  return [Recipe(loss, price, **shared) for loss in config.gates.losses for price in config.gates.prices]


def log_curves(fitted: Fitted, recipe: Recipe, workdir: pathlib.Path) -> None:
  """The training loss of each lambda, to workdir/gating."""
  with MetricWriter(workdir / "gating" / f"{recipe.loss}-{recipe.price}") as writer:
    for step in range(0, recipe.steps, LOG_EVERY):
      names = (f"loss/lambda={weight:g}" for weight in recipe.price_weights)
      writer.write(step, dict(zip(names, fitted.curves[:, step], strict=True)))


class Phase2(NamedTuple):
  """What phase 2 leaves: the model, the choice and the best of each loss, the gates of every lambda like the chosen."""

  model: Model
  chosen: Choice
  best: list[Choice]
  swept: list[tuple[float, dict]]


def cost_limit(config: ConfigDict, fixed: dict[str, dict]) -> float:
  """What `config.policy.max_cost` allows: a relative cost."""
  return config.policy.max_cost * max(fixed.values(), key=lambda entry: entry["iou@25"])["relative_cost"]


def choose_within(
  config: ConfigDict, params: dict, tried: list[Choice], fixed: dict[str, dict], times_ms: dict[str, float]
) -> Choice:
  """By `config.policy.budget` where there is one: the most accurate lambda there. Else by `config.policy.max_cost`."""
  if not config.policy.budget:
    return choose(tried, max_relative_cost=cost_limit(config, fixed))
  unit = config.policy.budget_unit
  model = Model(params, architecture_of(config), 0.5, readout_of(config))
  costs = costs_by_exit(model, unit, times_ms)
  found = calibrations(tried)
  recipe = max(found, key=lambda recipe: expected_iou(found[recipe], config.policy.budget, costs))
  calibrated = model._replace(calibration=found[recipe])
  budget = budget_for(calibrated, config.policy.budget, costs, unit, argument="config.policy.budget")
  return min((c for c in tried if c.recipe == recipe), key=lambda c: abs(c.threshold - float(budget.start)))


def run_phase2(
  config: ConfigDict, params: dict, table: PairTable, workdir: pathlib.Path, times_ms: dict[str, float]
) -> Phase2:
  """Chooses loss, price, lambda and T by cross-fitting, then trains on all pairs.

  Args:
    table: of the train and the dev sequences.
    times_ms: of a step at each depth, for a budget in milliseconds.
  """
  view = {"arch": architecture_of(config), "readout": readout_of(config)}
  pairs, tried = seen_pairs(params, table, **view), []
  folds = deal(table.sequence, config.gates.folds, config.seed)
  read = cross_read(params, pairs, folds=folds, seed=config.seed, **view)
  for recipe in recipes_of(config):
    fitted = cross_fit(params, pairs, read, folds=folds, recipe=recipe, arch=view["arch"])
    tried += choices(fitted, pairs.scores, config.policy.thresholds)
  fixed = score_fixed(pairs.scores)
  chosen = choose_within(config, params, tried, fixed, times_ms)
  recipe = chosen.recipe._replace(price_weights=tuple(config.gates.price_weights))
  every = np.arange(len(table))
  reading = fit_reading(params, pairs, every, seed=config.seed, **view)
  fitted = fit_gates(params, pairs, reading, every, recipe=recipe, arch=view["arch"])
  log_curves(fitted, recipe, workdir)
  swept = list(zip(recipe.price_weights, fitted.gates, strict=True))
  gates = dict(swept)[chosen.recipe.price_weights[0]]
  model = Model(
    {**params, "beliefs": reading.beliefs, "gates": gates},
    threshold=chosen.threshold,
    calibration=calibration_of(chosen.recipe, tried),
    **view,
  )
  return Phase2(model, chosen, best_by_loss(tried, max_relative_cost=cost_limit(config, fixed)), swept)


def describe_choice(chosen: Choice, best: list[Choice]) -> dict:
  """What was chosen, and the best of each gate loss within `config.policy.max_cost`, by cross-fitting."""

  def plain(c: Choice) -> dict:
    names = ("loss", "price", "price_weights")
    return {**{name: c.recipe._asdict()[name] for name in names}, "cross_fitted": c.entry}

  return {"chosen": plain(chosen), "best_by_loss": [plain(c) for c in best]}


def run_gating(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Phase 1, phase 2, evaluation, figures; resumes from whatever the workdir already holds."""
  check_config(config)
  identity = {name: config.to_dict()[name] for name in TRAINED_BY}
  check_claim(workdir, identity)
  arch, readout, source = architecture_of(config), readout_of(config), source_of(config)
  check_budget(config, arch, readout)
  sequences = source.read()
  params = starting_params(config, arch, workdir)
  seconds = time_steps(config, Model(params, arch, 0.5, readout))
  claim(workdir, identity)
  run_record(workdir, config.to_dict(), config.seed)
  if config.finetune.steps:
    params = run_phase1(config, params, source.training(sequences["train"]), workdir)
  tables = {side: cached_table(config, params, found, side, workdir) for side, found in sequences.items()}
  done = run_phase2(config, params, joined([tables["train"], tables["dev"]]), workdir, medians_ms(seconds))
  save_model(workdir / MODEL_NAME, done.model)
  more = {"seconds": seconds, "swept": done.swept, "gates": describe_choice(done.chosen, done.best)}
  assess(config, done.model, tables["test"], sequences["test"], workdir, **more)
  recipe = done.chosen.recipe
  how = f"{recipe.loss} loss, {recipe.price} price, lambda {recipe.price_weights[0]:g}, T {done.chosen.threshold:g}"
  print(f"gates: {how}, chosen by cross-fitting on train and dev; wrote {MODEL_NAME} too")
