"""What a model is worth on sequences it has not learnt from: pairs, budgets, times and tracking, as results.json."""

import pathlib
from collections.abc import Mapping
from collections.abc import Sequence as Listing
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.evaluation.budgets import score_budget
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.one_pass import TrackedSequence, score_tracking, track_all
from adadepth.evaluation.responses import PairTable
from adadepth.evaluation.scores import (
  PairScores,
  compare_hard,
  confidences_of,
  exit_ious,
  score_fixed,
  score_pairs,
  score_table,
  soft_ious,
  table_features,
)
from adadepth.evaluation.step_times import medians_ms, over_xcorr1, policy_trackers, step_seconds
from adadepth.io.metric_writer import METRICS_NAME
from adadepth.io.processes import from_first, is_first
from adadepth.io.whole_files import write_text
from adadepth.io.workdir import PAGE, write_results
from adadepth.jobs.checks import tracked_policies
from adadepth.jobs.finetune import draw_losses
from adadepth.models.model import Model
from adadepth.reports.cost_table import table1_markdown
from adadepth.reports.evaluation_page import write_assessment
from adadepth.reports.report import describe, describe_budgets, describe_tracking, draw_figures
from adadepth.reports.tracker_plots import draw_curves
from adadepth.tracking.budget import Budget, budget_for, check_target
from adadepth.tracking.policies import FIXED

BUDGET_SHARES = (0.25, 0.33, 0.5, 0.6)  # of xcorr5's cost, for which it is reported how budgets hold


def time_steps(config: ConfigDict, model: Model) -> dict[str, Float[np.ndarray, "r"]]:
  """`step_seconds` of every policy, {} for no rounds; what the gates have learnt does not matter to the clock.

  Raises:
    InputError: `config.policy.budget` is in milliseconds, and no exit takes as few, or as many.
  """
  rounds = config.eval.timing_rounds
  # Of several processes one takes the time, by which all of them choose.
  timed = from_first(lambda: _lists(step_seconds(policy_trackers(model), rounds=rounds) if rounds else {}))
  seconds = {policy: np.array(times) for policy, times in timed.items()}
  costs_ms = costs_ms_of(config, medians_ms(seconds))
  if costs_ms is not None:
    check_target(config.policy.budget, costs_ms, "ms", argument="config.policy.budget")
  return seconds


def _lists(seconds: dict[str, Float[np.ndarray, "r"]]) -> dict[str, list[float]]:
  return {policy: times.tolist() for policy, times in seconds.items()}


def costs_ms_of(config: ConfigDict, times_ms: dict[str, float]) -> Float[np.ndarray, "5"] | None:
  """What a frame takes that stops at each depth, for a budget in ms; None for a relative one, or for none.

  Hard gating takes the time of the exit where it stops (experiments/table1), so that static exits' times are its own.
  """
  in_ms = config.policy.budget and config.policy.budget_unit == "ms"
  return np.array([times_ms[name] for name in FIXED]) if in_ms else None


def chosen_budget(config: ConfigDict, model: Model, times_ms: dict[str, float]) -> Budget | None:
  """`config.policy.budget`, if there is one."""
  if not config.policy.budget:
    return None
  costs_ms = costs_ms_of(config, times_ms)
  return budget_for(model.calibration, config.policy.budget, costs_ms=costs_ms, argument="config.policy.budget")


def budget_rows(
  model: Model, scores: PairScores, confidences: Float[np.ndarray, "n 5"], times_ms: dict[str, float]
) -> list[dict]:
  """How budgets of `BUDGET_SHARES` of xcorr5's cost hold on the pairs, in FLOPs and in ms."""
  if model.calibration is None:
    return []
  units = {"relative": None} | ({"ms": np.array([times_ms[name] for name in FIXED])} if times_ms else {})
  rows = []
  for unit, costs_ms in units.items():
    costs = np.asarray(model.calibration.relative_costs) if costs_ms is None else costs_ms
    targets = [share * costs[-1] for share in BUDGET_SHARES]
    held = [
      score_budget(scores, confidences, model.calibration, t, costs_ms) for t in targets if costs[0] < t < costs[-1]
    ]
    rows += [{"unit": unit, **row} for row in held]
  return rows


def assess(
  config: ConfigDict,
  model: Model,
  table: PairTable,
  sequences: Listing[Sequence],
  workdir: pathlib.Path,
  *,
  seconds: dict[str, Float[np.ndarray, "r"]],
  record: Mapping[str, Any],
  choice: dict | None = None,
) -> None:
  """Writes results.json, the figures and report.html to the workdir, and prints the tables.

  Args:
    table: the sequences' pairs.
    seconds: of `time_steps`.
    record: of `run_record`.
    choice: what phase 2 chose, with its cross-fitted static exits.
  """
  arch, params = model.arch, model.params
  confidences = confidences_of(params["gates"], table_features(params, table, arch=arch))
  scores = score_table(table, exit_ious(table, arch=arch), arch=arch, costs=pair_costs(arch))
  soft = soft_ious(table, confidences, arch=arch)
  reference = model.calibration.reference if model.calibration else best_exit(scores)
  thresholds = sorted({*config.policy.thresholds, model.threshold})
  results = score_pairs(scores, confidences, soft, thresholds)
  results |= {"threshold": model.threshold, "reference": reference}
  results["comparison"] = compare_hard(scores, confidences, model.threshold, reference)
  times = medians_ms(seconds)
  results |= {"times_ms": times, "budgets": budget_rows(model, scores, confidences, times)}
  if choice is not None:
    results["choice"] = choice
  budget = chosen_budget(config, model, times)
  policies, passes = tracked_policies(config.eval.tracking), {"frames": config.eval.frames_per_sequence}
  tracks = track_all(model, sequences, policies, **passes, folder=workdir / "tracks", budget=budget)
  if not is_first():
    return
  results["tracking"] = {policy: score_tracking(runs, sequences) for policy, runs in tracks.items()}
  if budget is not None and "hard" in tracks:
    results["tracking"]["hard"]["budget"] = tracked_cost(budget, tracks["hard"])
  path = write_results(workdir, results)
  write_text(workdir / "table1.md", table1_markdown(arch, over_xcorr1(seconds)))
  draw_figures(workdir, model, results, sequences)
  if (workdir / "finetune" / METRICS_NAME).is_file():
    draw_losses(workdir)
  if tracks:
    draw_curves(workdir, results["tracking"])
  write_assessment(workdir, model, results, tracks, sequences, budget=budget, record=record)
  budgets, tracking = describe_budgets(results["budgets"]), describe_tracking(results["tracking"])
  print("\n".join(table for table in (describe(results, model.threshold), budgets, tracking) if table))
  print(f"wrote {path}, table1.md, figures 1, 6 and 7 and {PAGE} beside it")


def best_exit(scores: PairScores) -> str:
  """The most accurate static exit of these pairs, for a model that brings none."""
  entries = score_fixed(scores)
  return max(FIXED, key=lambda name: entries[name]["iou@25"])


def tracked_cost(budget: Budget, runs: Listing[TrackedSequence]) -> dict:
  """What hard gating spent while it tracked with a budget, and how far that is off."""
  costs = np.asarray(budget.cost_by_exit)[np.concatenate([run.depth[1:] for run in runs])]
  return {"target": float(budget.target), "got": float(costs.mean()), "off": float(costs.mean() / budget.target - 1)}
