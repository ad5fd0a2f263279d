"""How budgets hold on pairs, taken as one stream of frames."""

import jax
import numpy as np
from jaxtyping import Float, Int

from adadepth.evaluation.scores import PairScores, score_exits
from adadepth.maths.cascade import exit_depth
from adadepth.models.calibration import Calibration
from adadepth.tracking.budget import Budget, budget_for, expected_iou
from adadepth.tracking.threshold import next_threshold

UNITS = ("relative", "ms")


@jax.jit
def _follow(confidences, budget):
  def frame(threshold, c):
    depth = exit_depth(c, threshold)
    return next_threshold(threshold, depth, budget), depth

  return jax.lax.scan(frame, jax.numpy.float32(budget.start), confidences)


def exits_within(confidences: Float[np.ndarray, "n 5"], budget: Budget) -> tuple[Int[np.ndarray, "n"], float]:
  """Where each pair stops when T follows the budget through them, in their order; and the last T."""
  last, exits = _follow(confidences, budget)
  return np.asarray(exits), float(last)


def score_budget(
  scores: PairScores,
  confidences: Float[np.ndarray, "n 5"],
  calibration: Calibration,
  target: float,
  costs_ms: Float[np.ndarray, "5"] | None = None,
) -> dict:
  """How a budget holds over the pairs in their order, as one stream of frames.

  Args:
    target, costs_ms: as of `budget_for`.
  Returns:
    An entry of results.json with "target" and what it "got", "off" (got / target - 1), the T it began and ended with,
    the IOU@25 that the calibration "promised" at that cost, and what was got "by_sequence".
  """
  budget = budget_for(calibration, target, costs_ms=costs_ms)
  exits, last = exits_within(confidences, budget)
  costs = np.asarray(budget.cost_by_exit)[exits]
  return {
    "target": float(target),
    "got": float(costs.mean()),
    "off": float(costs.mean() / target - 1),
    "thresholds": [float(budget.start), last],
    "promised": expected_iou(calibration, target, np.asarray(budget.cost_by_exit)),
    **score_exits(scores, exits),
    "by_sequence": {str(name): float(costs[scores.sequence == name].mean()) for name in np.unique(scores.sequence)},
  }
