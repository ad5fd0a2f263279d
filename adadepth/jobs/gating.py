"""The main job: phase 1 where no backbone is given, phase 2, then every policy on the test split."""

import pathlib
from collections.abc import Sequence as Listing

import numpy as np
from ml_collections import ConfigDict

from adadepth.data.drifted_pairs import drift
from adadepth.data.sequence import Sequence
from adadepth.evaluation.responses import PairTable, pair_table
from adadepth.evaluation.step_times import medians_ms
from adadepth.io.metric_writer import MetricWriter
from adadepth.io.processes import is_first
from adadepth.io.run_record import run_record
from adadepth.io.workdir import check_claim, claim
from adadepth.jobs.assess import assess, costs_ms_of, time_steps
from adadepth.jobs.checks import check_budget, check_config
from adadepth.jobs.finetune import run_phase1
from adadepth.jobs.from_config import architecture_of, identity_of, recipe_of, source_of, starting_params
from adadepth.models.model import Model, save_model
from adadepth.models.model_files import MODEL_NAME
from adadepth.training.phase2 import Phase2, run_phase2

LOG_EVERY = 100


def cached_table(
  config: ConfigDict, params: dict, sequences: Listing[Sequence], side: str, workdir: pathlib.Path
) -> PairTable:
  """The responses of the pairs of "gates" or "test", computed once a workdir; box heads learn from drifted ones."""
  gates, arch = side == "gates", architecture_of(config)
  return pair_table(
    params,
    sequences,
    arch=arch,
    keys=config.gates.keys_per_sequence if gates else config.eval.keys_per_sequence,
    frames=0 if gates else config.eval.frames_per_key,
    threads=config.threads,
    folder=workdir / "responses" / side,
    description=f"responses ({side})",
    errors=drift if arch.reader == "box" and gates else None,
  )


def log_curves(curves: np.ndarray, price_weights: Listing[float], workdir: pathlib.Path) -> None:
  """The training loss of each lambda, to workdir/gating."""
  with MetricWriter(workdir / "gating") as writer:
    for step in range(0, curves.shape[1], LOG_EVERY):
      names = (f"loss/lambda={weight:g}" for weight in price_weights)
      writer.write(step, dict(zip(names, curves[:, step], strict=True)))


def describe_choice(done: Phase2) -> dict:
  """What was chosen, by cross-fitting: "choice" of results.json."""
  entries = {"chosen": done.chosen._asdict(), "gated": done.gated._asdict()}
  return {**entries, "static": {choice.policy: choice.entry for choice in done.static}}


def run_gating(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Phase 1, phase 2, evaluation, figures; resumes from whatever the workdir already holds."""
  check_config(config)
  identity = identity_of(config)
  check_claim(workdir, identity)
  arch, source = architecture_of(config), source_of(config)
  check_budget(config, arch)
  sequences = source.read()
  params = starting_params(config, arch, workdir)
  seconds = time_steps(config, Model(params, arch, 0.5))
  claim(workdir, identity)
  record = run_record(workdir, config.to_dict(), config.seed)
  if config.finetune.steps or config.finetune.get("rollouts"):
    params = run_phase1(config, params, source.training(sequences["train"]), workdir)
  drawn_from = {"gates": source.for_gates(sequences), "test": sequences["test"]}
  tables = {side: cached_table(config, params, found, side, workdir) for side, found in drawn_from.items()}
  recipe = recipe_of(config)
  done = run_phase2(
    params,
    tables["gates"],
    recipe=recipe,
    folds=config.gates.folds,
    thresholds=config.policy.thresholds,
    arch=arch,
    cost_share=config.gates.cost_share,
    budget=config.policy.budget,
    costs_ms=costs_ms_of(config, medians_ms(seconds)),
  )
  log_curves(done.fitted.curves, recipe.price_weights, workdir)
  if is_first():
    save_model(workdir / MODEL_NAME, done.model)
  more = {"seconds": seconds, "record": record, "choice": describe_choice(done)}
  assess(config, done.model, tables["test"], sequences["test"], workdir, **more)
  print(f"chosen by cross-fitting: {describe(done)}; wrote {MODEL_NAME} too")


def describe(done: Phase2) -> str:
  """The choice, in words."""
  gated = f"hard gating with lambda {done.gated.price_weight:g}, T {done.gated.threshold:g}"
  if done.chosen.policy == "hard":
    return gated
  return f"always stopping at {done.chosen.policy}, which is better within the same limit of cost than {gated}"
