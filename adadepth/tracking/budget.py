"""A budget instead of a threshold: T follows what the exits have cost, so that their mean cost is held."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# Chosen by simulation on train and dev (by hand, the script was not kept): less is slow on a new video, more pays in
# accuracy.
GAIN = 0.2
LIMIT = 7.0  # of logit T, so that a budget that no threshold holds winds nothing up


class Budget(NamedTuple):
  """What hard gating may spend on a frame in the mean.

  Attributes:
    target: mean cost of a frame, relative to xcorr1 or in ms.
    cost_by_exit: what a frame costs that stops at each depth, in the target's unit, [5].
    start: T at the first frame, in (0, 1), from the calibration.
  """

  target: float | Float[Array, ""]
  cost_by_exit: Float[Array, "5"]
  start: float | Float[Array, ""]


def next_threshold(threshold: Float[Array, ""], depth: Int[Array, ""], budget: Budget) -> Float[Array, ""]:
  """T for the next frame, after one that stopped at `depth`.

  logit T' = logit T - GAIN * (cost - target) / target. T rises after a frame that was cheaper than the target, and a
  higher T never exits earlier. The sum of the steps says that over n frames the mean cost misses the target by
  (logit T_0 - logit T_n) / (GAIN * n) of it: a tenth at most after n = 10 * |logit T_0 - logit T_n| / GAIN frames.
  """
  over = budget.cost_by_exit[depth] / budget.target - 1
  logit = jnp.log(threshold) - jnp.log1p(-threshold)
  return jax.nn.sigmoid(jnp.clip(logit - GAIN * over, -LIMIT, LIMIT))
