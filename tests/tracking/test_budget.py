"""T follows what the exits cost."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.tracking.budget import GAIN, LIMIT, Budget, next_threshold

COSTS = jnp.array([1.0, 2, 4, 8, 16])
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
