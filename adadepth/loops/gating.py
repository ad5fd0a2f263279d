"""The main job: phase 1 where no backbone is given, phase 2, then every policy on the test split."""

import itertools
import pathlib
from collections.abc import Sequence as Listing

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.io.models import MODEL_NAME, Model, save_model
from adadepth.io.workdir import claim, write_results
from adadepth.io.writers import MetricWriter, run_record
from adadepth.loops.checks import check_config, tracked_policies
from adadepth.loops.finetune import run_phase1
from adadepth.loops.from_config import (
  TRAINED_BY,
  architecture_of,
  label_variance,
  readout_of,
  source_of,
  starting_params,
)
from adadepth.loops.gates import GateChoice, best_by_loss, choose, depth_losses, sweep, table_features, train_gates
from adadepth.loops.report import describe, describe_tracking, draw_figures, track_all
from adadepth.loops.responses import PairTable, pair_table
from adadepth.loops.scores import PairScores, score_depths, score_fixed, score_pairs
from adadepth.loops.table1 import table1_markdown
from adadepth.loops.tracking import score_tracking
from adadepth.maths.architecture import DEPTHS
from adadepth.maths.losses import geometric_price
from adadepth.programs.costs import PairCosts, pair_costs

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
    frames=0 if train else min(config.eval.frames_per_sequence, 25),
    threads=config.threads,
    cache=workdir / "responses" / f"{side}.npz",
    description=f"responses ({side})",
  )


def prices_of(price: str, p: float, costs: PairCosts) -> np.ndarray:
  """The price of each depth (Eq. 5), [5]: "geometric", p^(i-1), or "flops", its cost relative to xcorr1's."""
  if price == "flops":
    return (costs.fixed_gflops / costs.fixed_gflops[0]).astype(np.float32)
  return np.asarray(geometric_price(p, DEPTHS))


def trained_gates(
  config: ConfigDict, params: dict, table: PairTable, scores: PairScores, loss: str, price: str, workdir: pathlib.Path
) -> list[dict]:
  """Gates for every lambda of the config, for one loss and one kind of price; curves go to workdir/gating."""
  arch, settings = architecture_of(config), config.gates
  losses = depth_losses(
    params,
    table,
    scores.ious,
    loss=loss,
    arch=arch,
    map_loss=config.finetune.map_loss,
    variance_px2=label_variance(arch),
  )
  gates, curves = train_gates(
    jax.random.key(config.seed),
    table_features(params, table, arch),
    losses,
    prices=prices_of(price, settings.p, scores.costs),
    price_weights=tuple(settings.price_weights),
    learning_rate=settings.learning_rate,
    steps=settings.steps,
    batch=settings.batch,
  )
  with MetricWriter(workdir / "gating" / f"{loss}-{price}") as writer:
    for step in range(0, settings.steps, LOG_EVERY):
      names = (f"loss/lambda={weight:g}" for weight in settings.price_weights)
      writer.write(step, dict(zip(names, curves[:, step], strict=True)))
  return gates


def run_phase2(
  config: ConfigDict, params: dict, tables: dict[str, PairTable], workdir: pathlib.Path
) -> tuple[GateChoice, list[GateChoice]]:
  """Trains gates for every loss and lambda; chooses among them, and T, on dev. Also returns all it tried."""
  arch = architecture_of(config)
  scores = {
    side: score_depths(tables[side], arch=arch, readout=readout_of(config), costs=pair_costs(arch))
    for side in ("train", "dev")
  }
  tried = []
  for loss, price in itertools.product(config.gates.losses, config.gates.prices):
    gates = trained_gates(config, params, tables["train"], scores["train"], loss, price, workdir)
    for weight, gate in zip(config.gates.price_weights, gates, strict=True):
      with_gates = {**params, "gates": gate}
      dev = sweep(with_gates, tables["dev"], scores["dev"], arch=arch, thresholds=tuple(config.policy.thresholds))
      tried += [GateChoice(loss, price, weight, entry["threshold"], gate, entry) for entry in dev]
  best_fixed = max(score_fixed(scores["dev"]).values(), key=lambda entry: entry["iou@25"])
  limit = config.policy.max_cost * best_fixed["relative_cost"]
  return choose(tried, max_relative_cost=limit), best_by_loss(tried, max_relative_cost=limit)


def describe_choice(chosen: GateChoice, best: list[GateChoice]) -> dict:
  """What was chosen on dev, and the best of each gate loss there."""
  plain = [{"loss": c.loss, "price": c.price, "price_weight": c.price_weight, "dev": c.dev} for c in (chosen, *best)]
  return {"chosen": plain[0], "best_by_loss": plain[1:]}


def run_gating(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Phase 1, phase 2, evaluation, figures; resumes from whatever the workdir already holds."""
  check_config(config)
  arch, source, tracked = architecture_of(config), source_of(config), tracked_policies(config.eval.tracking)
  sequences = source.read()
  params = starting_params(config, arch, workdir)
  claim(workdir, {name: config.to_dict()[name] for name in TRAINED_BY})
  run_record(workdir, config.to_dict(), config.seed)
  if config.finetune.steps:
    params = run_phase1(config, params, source.training(sequences["train"]), workdir)
  tables = {side: cached_table(config, params, found, side, workdir) for side, found in sequences.items()}
  chosen, best = run_phase2(config, params, tables, workdir)
  model = Model({**params, "gates": chosen.gates}, arch, chosen.threshold, readout_of(config))
  save_model(workdir / MODEL_NAME, model)
  thresholds, costs = tuple(config.policy.thresholds), pair_costs(arch)
  results = score_pairs(
    model.params, tables["test"], arch=arch, readout=model.readout, thresholds=thresholds, costs=costs
  )
  results |= {"threshold": model.threshold, "gates": describe_choice(chosen, best)}
  tested, frames = sequences["test"], config.eval.frames_per_sequence
  tracks = track_all(model, tested, tracked, frames=frames)
  results["tracking"] = {policy: score_tracking(runs, tested) for policy, runs in tracks.items()}
  path = write_results(workdir, results)
  (workdir / "table1.md").write_text(table1_markdown(arch))
  draw_figures(workdir, model, results, tested)
  print(describe(results, model.threshold))
  print(describe_tracking(results["tracking"]))
  how = f"{chosen.loss} loss, {chosen.price} price, lambda {chosen.price_weight:g}, T {chosen.threshold:g}"
  print(f"gates: {how}, chosen on dev")
  print(f"wrote {path}, table1.md, {MODEL_NAME} and figures 1, 6 and 7 beside it")
