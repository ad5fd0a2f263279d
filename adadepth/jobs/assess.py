"""What a model is worth on sequences it has not learnt from: pairs, budgets, times and tracking, as results.json."""

import pathlib
from collections.abc import Sequence as Listing

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.evaluation.budgets import budget_for, check_target, relative_costs, score_budget
from adadepth.evaluation.responses import PairTable
from adadepth.evaluation.scores import (
  Looked,
  confidences_of,
  exit_ious,
  score_fixed,
  score_hard,
  score_pairs,
  soft_ious,
)
from adadepth.evaluation.step_times import medians_ms, over_xcorr1, policy_trackers, step_seconds
from adadepth.io.workdir import write_results
from adadepth.jobs.checks import tracked_policies
from adadepth.jobs.table1 import table1_markdown
from adadepth.models.model import Model
from adadepth.reports.report import describe, describe_budgets, describe_tracking, draw_figures
from adadepth.tracking.budget import Budget
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import TrackedSequence, score_tracking, track_all
from adadepth.training.fusion_fit import as_pairs
from adadepth.training.phase2 import Pairs, seen_pairs


def time_steps(config: ConfigDict, model: Model) -> dict[str, Float[np.ndarray, "r"]]:
  """`step_seconds` of every policy, {} for no rounds; what the gates have learnt does not matter to the clock.

  Raises:
    InputError: `config.policy.budget` is in milliseconds, and no exit takes as few, or as many.
  """
  rounds, policy = config.eval.timing_rounds, config.policy
  seconds = step_seconds(policy_trackers(model), rounds=rounds) if rounds else {}
  if policy.budget and policy.budget_unit == "ms":
    costs = costs_by_exit(model, "ms", medians_ms(seconds))
    check_target(policy.budget, costs, "ms", argument="config.policy.budget")
  return seconds


def costs_by_exit(model: Model, unit: str, times_ms: dict[str, float]) -> Float[np.ndarray, "5"]:
  """What a frame costs that stops at each depth: relative to xcorr1 by XLA's count, or milliseconds as measured.

  Hard gating takes the time of the depth where it stops (experiments/table1), so that fixed depths' times are its own.
  """
  if unit == "relative":
    return relative_costs(model.arch, model.readout)
  return np.array([times_ms[name] for name in FIXED])


def chosen_budget(config: ConfigDict, model: Model, times_ms: dict[str, float]) -> Budget | None:
  """`config.policy.budget`, if there is one."""
  if not config.policy.budget:
    return None
  unit = config.policy.budget_unit
  costs = costs_by_exit(model, unit, times_ms)
  return budget_for(model, config.policy.budget, costs, unit, argument="config.policy.budget")


def budget_rows(
  config: ConfigDict, model: Model, pairs: Pairs, looked: Looked, times_ms: dict[str, float]
) -> list[dict]:
  """How budgets hold on the pairs: each of `config.policy.budgets`, in FLOPs and in ms, and `config.policy.budget`."""
  if model.calibration is None:
    return []
  depth = int(np.argmax([entry["iou@25"] for entry in score_fixed(pairs.scores).values()]))
  rows = []
  for unit in ("relative", "ms") if times_ms else ("relative",):
    costs = costs_by_exit(model, unit, times_ms)
    targets = [share * costs[depth] for share in config.policy.budgets]
    if config.policy.budget and config.policy.budget_unit == unit:
      targets.append(config.policy.budget)
    for target in targets:
      if costs[0] < target < costs[-1]:
        rows.append({"unit": unit, **score_budget(pairs.scores, looked, model, target, costs, unit)})
  return rows


def assess(
  config: ConfigDict,
  model: Model,
  table: PairTable,
  sequences: Listing[Sequence],
  workdir: pathlib.Path,
  *,
  seconds: dict[str, Float[np.ndarray, "r"]],
  swept: Listing[tuple[float, dict]] = (),
  **more,
) -> None:
  """Writes results.json and the figures to the workdir, and prints the tables.

  Args:
    table: the sequences' pairs.
    seconds: of `time_steps`.
    swept: gates of other lambdas, which Figure 6 shows too, (lambda, gates).
    more: goes into results.json as it is.
  """
  view = {"arch": model.arch, "readout": model.readout}
  pairs = seen_pairs(model.params, table, **view)
  confidences = confidences_of(model.params["gates"], pairs.features)
  looked = Looked(confidences, exit_ious(model.params["beliefs"], table, as_pairs(len(table)), pairs.scores, **view))
  soft = soft_ious(model.params, table, looked.confidences, **view)
  thresholds = sorted({*config.policy.thresholds, model.threshold})
  results = score_pairs(pairs.scores, looked, soft, thresholds) | {"threshold": model.threshold, **more}
  results["sweep"] = sweep_lambdas(pairs, looked, swept, config.policy.thresholds)
  times = medians_ms(seconds)
  results |= {"times_ms": times, "budgets": budget_rows(config, model, pairs, looked, times)}
  budget = chosen_budget(config, model, times)
  tracks = track_all(
    model, sequences, tracked_policies(config.eval.tracking), frames=config.eval.frames_per_sequence, budget=budget
  )
  results["tracking"] = {policy: score_tracking(runs, sequences) for policy, runs in tracks.items()}
  if budget is not None and "hard" in tracks:
    results["tracking"]["hard"]["budget"] = tracked_cost(budget, tracks["hard"])
  path = write_results(workdir, results)
  (workdir / "table1.md").write_text(table1_markdown(model.arch, over_xcorr1(seconds), readout=model.readout))
  draw_figures(workdir, model, results, sequences)
  budgets, tracking = describe_budgets(results["budgets"]), describe_tracking(results["tracking"])
  print("\n".join(table for table in (describe(results, model.threshold), budgets, tracking) if table))
  print(f"wrote {path}, table1.md and figures 1, 6 and 7 beside it")


def sweep_lambdas(
  pairs: Pairs, looked: Looked, swept: Listing[tuple[float, dict]], thresholds: Listing[float]
) -> list[dict]:
  """Hard gating with the gates of every lambda at every threshold: entries as of "hard", with "price_weight"."""
  entries = []
  for weight, gates in swept:
    confidences = confidences_of(gates, pairs.features)
    for threshold in thresholds:
      entry = score_hard(pairs.scores, confidences, looked.ious, threshold)
      entries.append({"price_weight": weight, **entry})
  return entries


def tracked_cost(budget: Budget, runs: Listing[TrackedSequence]) -> dict:
  """What hard gating spent while it tracked with a budget, and how far that is off."""
  costs = np.asarray(budget.cost_by_exit)[np.concatenate([run.depth[1:] for run in runs])]
  return {"target": float(budget.target), "got": float(costs.mean()), "off": float(costs.mean() / budget.target - 1)}
