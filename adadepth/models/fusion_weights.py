"""The numbers of `maths.posterior`: one belief for each depth at which a gated policy may stop."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.fusion import Belief
from adadepth.models.architecture import DEPTHS

NONNEGATIVE = ("response", "coefficient")  # no witness is believed to say the opposite


def init_beliefs() -> dict:
  """Where training starts: what has been computed is believed alike, and that a target moves little."""
  seen = jnp.tril(jnp.ones((DEPTHS, DEPTHS)))
  start = Belief(
    response=30 * seen / jnp.sum(seen, axis=1, keepdims=True),
    coefficient=jnp.full(DEPTHS, 25.0),
    log_width=jnp.full(DEPTHS, jnp.log(2.5)),
    size=jnp.full(DEPTHS, 1.0),
    gain=jnp.full(DEPTHS, 0.5),
  )
  return start._asdict()


def for_each(beliefs: dict, n: int) -> dict:
  """The beliefs of each of n pairs, [n, ...]: copies of one, unless they are n already."""
  return jax.tree.map(lambda leaf, one: jnp.broadcast_to(leaf, (n, *one.shape)), beliefs, init_beliefs())


def belief_at(beliefs: dict, confidences: Float[Array, "5"]) -> Belief:
  """The average of the depths' beliefs by confidence: that of one depth where it has all of it.

  A depth believes no response of a deeper one.
  """
  seen = {**beliefs, "response": jnp.tril(beliefs["response"])}
  return Belief(**jax.tree.map(lambda leaf: jnp.tensordot(confidences, leaf, 1), seen))
