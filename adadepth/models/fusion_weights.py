"""The weights of `maths.fusion`: one set for each depth at which a policy may stop."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.fusion import FusionWeights
from adadepth.models.architecture import DEPTHS

NONNEGATIVE = ("response", "ncc")  # no evidence counts against itself


def init_fusion() -> dict:
  """Where training starts: what has been computed counts alike, and a target moves little."""
  computed = jnp.tril(jnp.ones((DEPTHS, DEPTHS)))
  start = FusionWeights(
    response=30 * computed / jnp.sum(computed, axis=1, keepdims=True),
    ncc=jnp.full(DEPTHS, 25.0, jnp.float32),
    log_motion=jnp.full(DEPTHS, jnp.log(2.5), jnp.float32),
    scale_cost=jnp.full(DEPTHS, 1.0, jnp.float32),
    scale_gain=jnp.full(DEPTHS, 0.5, jnp.float32),
  )
  return start._asdict()


def weights_at(fusion: dict, confidences: Float[Array, "5"]) -> FusionWeights:
  """The average of the depths' weights by confidence: those of one depth where it has all of it.

  A depth gives no weight to the response of a deeper one.
  """
  computed = {**fusion, "response": jnp.tril(fusion["response"])}
  return FusionWeights(**jax.tree.map(lambda leaf: jnp.tensordot(confidences, leaf, 1), computed))
