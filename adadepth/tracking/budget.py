"""A budget instead of a threshold: T follows what the exits have cost, so that their mean cost is held."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from adadepth.errors import InputError
from adadepth.maths.geometry import Arrays
from adadepth.models.calibration import Calibration


class Budget(NamedTuple):
  """What hard gating may spend on a frame in the mean.

  Attributes:
    target: mean cost of a frame, relative to xcorr1 or in ms.
    cost_by_exit: what a frame costs that stops at each depth, in the target's unit, [5].
    start: T at the first frame, in (0, 1), from the calibration.
  """

  target: float | Float[Arrays, ""]
  cost_by_exit: Float[Arrays, "5"]
  start: float | Float[Arrays, ""]


def check_target(target: float, cost_by_exit: Float[np.ndarray, "5"], unit: str, *, argument: str = "budget") -> None:
  """Raises InputError for a budget that no mix of exits costs; arguments as of `budget_for`."""
  low, high = cost_by_exit[0], cost_by_exit[-1]
  if not low < target < high:
    raise InputError(
      f"`{argument}` (={target:g}, {unit}) must be above {low:.5g} and below {high:.5g}: what a frame costs that stops "
      "at the first depth, and at the last"
    )


def expected_cost(calibration: Calibration, cost_by_exit: Float[np.ndarray, "5"]) -> Float[np.ndarray, "t"]:
  """sum_k P(exit k) cost_k at each threshold of the calibration; never falls with T."""
  return np.asarray(calibration.exits) @ cost_by_exit


def expected_iou(calibration: Calibration, target: float, cost_by_exit: Float[np.ndarray, "5"]) -> float:
  """IOU@25 on the calibration's videos at that mean cost."""
  return float(np.interp(target, expected_cost(calibration, cost_by_exit), calibration.iou25))


def budget_for(
  calibration: Calibration | None,
  target: float,
  *,
  costs_ms: Float[np.ndarray, "5"] | None = None,
  argument: str = "budget",
) -> Budget:
  """The budget with the T that met it on the calibration's videos.

  Args:
    calibration: of the model.
    target: what a frame may cost in the mean, relative to xcorr1; in ms where `costs_ms` is given.
    costs_ms: milliseconds of a frame that stops at each depth.
    argument: name of the argument the target came from, for error messages.
  Raises:
    InputError: a model without calibration, or a target that no mix of exits costs.
  """
  if calibration is None:
    raise InputError(
      f"`{argument}` (={target:g}): the model has no calibration to begin from: train its gates with configs/gating.py"
    )
  costs = np.asarray(calibration.relative_costs if costs_ms is None else costs_ms)
  check_target(target, costs, "relative to xcorr1" if costs_ms is None else "ms", argument=argument)
  thresholds = np.asarray(calibration.thresholds)
  logit = np.interp(target, expected_cost(calibration, costs), np.log(thresholds / (1 - thresholds)))
  start = 1 / (1 + np.exp(-logit))
  return Budget(np.float32(target), costs.astype(np.float32), np.float32(start))
