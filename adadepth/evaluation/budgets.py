"""Budgets on the host's side: from a target to its first T, in FLOPs or in milliseconds, and how they hold on pairs."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from adadepth.errors import InputError
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.scores import Looked, PairScores, score_exits
from adadepth.maths.cascade import exit_depth
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import Architecture
from adadepth.models.model import Calibration, Model
from adadepth.tracking.budget import Budget, next_threshold

UNITS = ("relative", "ms")


def relative_costs(arch: Architecture, readout: Readout) -> Float[np.ndarray, "5"]:
  """FLOPs of a gated run that stops at each depth, relative to xcorr1."""
  costs = pair_costs(arch, readout)
  return costs.cascade_gflops / costs.fixed_gflops[0]


def check_target(target: float, cost_by_exit: Float[np.ndarray, "5"], unit: str, *, argument: str) -> None:
  """Raises InputError for a budget that no exit is as cheap, or as dear, as; arguments as of `budget_for`."""
  low, high = cost_by_exit[0], cost_by_exit[-1]
  if not low < target < high:
    raise InputError(
      f"`{argument}` (={target:g}, {unit}) must lie between {low:.3g} and {high:.3g}: what a frame costs that stops at "
      "the first depth, and at the last"
    )


def expected_cost(calibration: Calibration, cost_by_exit: Float[np.ndarray, "5"]) -> Float[np.ndarray, "t"]:
  """sum_k P(exit k) cost_k at each threshold of the calibration; never falls with T."""
  return np.asarray(calibration.exits) @ cost_by_exit


def budget_for(
  model: Model, target: float, cost_by_exit: Float[np.ndarray, "5"], unit: str, *, argument: str = "budget"
) -> Budget:
  """The budget with the T that met it on the calibration's videos.

  Args:
    target: what a frame may cost in the mean, in the unit of the costs.
    cost_by_exit: of a frame that stops at each depth.
    unit: "relative" or "ms".
    argument: name of the argument the target came from, for error messages.
  Raises:
    InputError: a model without calibration, or a target that no exit is as cheap, or as dear, as.
  """
  calibration = model.calibration
  if calibration is None:
    raise InputError(
      f"`{argument}` (={target:g}): the model has no calibration to begin from: train its gates with configs/gating.py"
    )
  check_target(target, cost_by_exit, unit, argument=argument)
  costs, thresholds = expected_cost(calibration, cost_by_exit), np.asarray(calibration.thresholds)
  logit = np.interp(target, costs, np.log(thresholds / (1 - thresholds)))
  start = 1 / (1 + np.exp(-logit))
  return Budget(np.float32(target), cost_by_exit.astype(np.float32), np.float32(start))


def expected_iou(calibration: Calibration, target: float, cost_by_exit: Float[np.ndarray, "5"]) -> float:
  """IOU@25 on the calibration's videos at that mean cost."""
  return float(np.interp(target, expected_cost(calibration, cost_by_exit), calibration.iou25))


@jax.jit
def _follow(confidences, budget):
  def frame(threshold, c):
    depth = exit_depth(c, threshold)
    return next_threshold(threshold, depth, budget), depth

  return jax.lax.scan(frame, jnp.float32(budget.start), confidences)


def exits_within(confidences: Float[np.ndarray, "n 5"], budget: Budget) -> tuple[Int[np.ndarray, "n"], float]:
  """Where each pair stops when T follows the budget through them, in their order; and the last T."""
  last, exits = _follow(confidences, budget)
  return np.asarray(exits), float(last)


def score_budget(
  scores: PairScores,
  looked: Looked,
  model: Model,
  target: float,
  cost_by_exit: Float[np.ndarray, "5"],
  unit: str,
) -> dict:
  """How a budget holds over the pairs in their order, as one stream of frames.

  Returns:
    An entry of results.json with "target" and what it "got", "off" (got / target - 1), the T it began and ended with,
    the IOU@25 that the calibration "promised" at that cost, and what was got "by_sequence".
  """
  budget = budget_for(model, target, cost_by_exit, unit)
  exits, last = exits_within(looked.confidences, budget)
  costs = cost_by_exit[exits]
  return {
    "target": float(target),
    "got": float(costs.mean()),
    "off": float(costs.mean() / target - 1),
    "thresholds": [float(budget.start), last],
    "promised": expected_iou(model.calibration, target, cost_by_exit),
    **score_exits(scores, looked.ious, exits),
    "by_sequence": {str(name): float(costs[scores.sequence == name].mean()) for name in np.unique(scores.sequence)},
  }
