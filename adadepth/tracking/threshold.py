"""T of hard gating from frame to frame, where a budget moves it."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.tracking.budget import Budget

# Chosen by simulation on train and dev (by hand, the script was not kept): less is slow on a new video, more pays in
# accuracy.
GAIN = 0.2
LIMIT = 7.0  # of logit T, so that a budget that no threshold holds winds nothing up


def next_threshold(threshold: Float[Array, ""], depth: Int[Array, ""], budget: Budget) -> Float[Array, ""]:
  """T for the next frame, after one that stopped at `depth`.

  logit T' = logit T - GAIN * (cost - target) / target. T rises after a frame that was cheaper than the target, and a
  higher T never exits earlier. The sum of the steps says that over n frames the mean cost misses the target by
  (logit T_0 - logit T_n) / (GAIN * n) of it: a tenth at most after n = 10 * |logit T_0 - logit T_n| / GAIN frames.
  """
  over = jnp.asarray(budget.cost_by_exit)[depth] / budget.target - 1
  logit = jnp.log(threshold) - jnp.log1p(-threshold)
  return jax.nn.sigmoid(jnp.clip(logit - GAIN * over, -LIMIT, LIMIT))
