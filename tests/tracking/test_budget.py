"""T begins where the calibration met the budget, and follows what the exits cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.models.calibration import Calibration
from adadepth.tracking.budget import Budget, budget_for, expected_cost, expected_iou
from adadepth.tracking.threshold import GAIN, LIMIT, next_threshold

COSTS = jnp.array([1.0, 2, 4, 8, 16])
# Half of the frames stop at depth 1 and half at depth 5 at T = 0.5; all at the first below and all at the last above.
CALIBRATION = Calibration(
  thresholds=[0.2, 0.5, 0.8],
  exits=[[1, 0, 0, 0, 0], [0.5, 0, 0, 0, 0.5], [0, 0, 0, 0, 1]],
  iou25=[0.5, 0.7, 0.8],
  relative_costs=[1.0, 2.0, 4.0, 8.0, 16.0],
  reference="xcorr4",
)
step = jax.jit(next_threshold)


def budget(target: float) -> Budget:
  return Budget(jnp.float32(target), COSTS, jnp.float32(0.5))


def test_a_dear_frame_lowers_the_threshold_and_a_cheap_one_raises_it():
  now = jnp.float32(0.5)
  assert step(now, jnp.int32(4), budget(4)) < now < step(now, jnp.int32(0), budget(4))


def test_a_frame_that_costs_the_target_changes_nothing():
  np.testing.assert_allclose(step(jnp.float32(0.3), jnp.int32(2), budget(4)), 0.3, rtol=1e-6)


def test_the_mean_cost_misses_the_target_by_what_the_threshold_moved():
  depths = np.random.default_rng(0).integers(0, 5, 40)
  threshold = start = jnp.float32(0.4)
  for depth in depths:
    threshold = step(threshold, jnp.int32(depth), budget(6))
  logit_0, logit_n = (np.log(t / (1 - t)) for t in (float(start), float(threshold)))
  off = np.asarray(COSTS)[depths].mean() / 6 - 1
  assert off == pytest.approx((logit_0 - logit_n) / (GAIN * len(depths)), abs=1e-4)  # forty float32 steps


@pytest.mark.parametrize(("depth", "sign"), [(0, 1), (4, -1)])
def test_a_budget_that_is_never_met_winds_nothing_up(depth, sign):
  threshold = jnp.float32(0.5)
  for _ in range(200):
    threshold = step(threshold, jnp.int32(depth), budget(4))
  back = step(threshold, jnp.int32(4 - depth), budget(4))
  logit = np.log(float(threshold)) - np.log1p(-float(threshold))
  assert logit == pytest.approx(sign * LIMIT, abs=0.01)  # float32 near 1
  assert sign * float(back) < sign * float(threshold)


# Where T begins.


def test_a_budget_begins_with_the_threshold_that_met_it():
  assert budget_for(CALIBRATION, 8.5).start == pytest.approx(0.5)
  assert 0.2 < budget_for(CALIBRATION, 3.0).start < 0.5 < budget_for(CALIBRATION, 12.0).start < 0.8


def test_the_start_is_between_two_thresholds_by_their_logits():
  # Half-way in cost between T = 0.5 and T = 0.8, whose odds are 1 and 4: odds of 2.
  assert budget_for(CALIBRATION, 12.25).start == pytest.approx(2 / 3)


def test_a_budget_in_milliseconds_is_of_the_exits_own():
  budget = budget_for(CALIBRATION, 30.0, costs_ms=np.array([10.0, 20, 30, 40, 50]))
  assert (budget.target, budget.start) == (30, pytest.approx(0.5))
  np.testing.assert_array_equal(budget.cost_by_exit, [10, 20, 30, 40, 50])


def test_cost_and_iou_are_those_of_the_calibrations_exits():
  np.testing.assert_allclose(expected_cost(CALIBRATION, np.asarray(COSTS)), [1, 8.5, 16])
  assert expected_iou(CALIBRATION, 8.5, np.asarray(COSTS)) == pytest.approx(0.7)
  assert expected_iou(CALIBRATION, 12.25, np.asarray(COSTS)) == pytest.approx(0.75)


@pytest.mark.parametrize("target", [0.5, 1.0, 16.0, 20.0])
def test_a_budget_that_no_threshold_meets_is_refused(target):
  with pytest.raises(InputError, match=r"`budget` \(=.*, relative to xcorr1\) must be above 1 and below 16"):
    budget_for(CALIBRATION, target)


def test_a_refusal_names_the_argument_and_the_unit_it_came_in():
  with pytest.raises(InputError, match=r"`config\.policy\.budget` \(=60, ms\) must be above 10 and below 50"):
    budget_for(CALIBRATION, 60.0, costs_ms=np.array([10.0, 20, 30, 40, 50]), argument="config.policy.budget")


def test_a_budget_needs_a_calibration():
  with pytest.raises(InputError, match=r"`budget` \(=4\): the model has no calibration"):
    budget_for(None, 4.0)
