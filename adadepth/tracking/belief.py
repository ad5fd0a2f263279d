"""Whether what was read is taken, and whether the target is believed to be there."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from adadepth.tracking.lost import is_lost

# What is read with a lower probability is not taken; and not believed, so that it counts as a miss. Chosen on dev.
TAKEN, BELIEVED = 0.02, 0.2
# A crop whose grey levels lie closer together shows nothing, and whatever is read there has this score, a logit.
LEAST_LEVELS, NOT_THERE = 3, -20.0


def shows_something(crops: Shaped[Array, "n h w 3"]) -> Bool[Array, "n"]:
  """Whether each crop, 0..255, is more than one colour: a black frame, or a covered lens, is not."""
  levels = crops.astype(jnp.float32)
  return jnp.max(levels, axis=(1, 2, 3)) - jnp.min(levels, axis=(1, 2, 3)) >= LEAST_LEVELS


def next_missed(score: Float[Array, "n"], missed: Int[Array, "n"]) -> Int[Array, "n"]:
  """How many frames in a row each target was not found; `score` is a logit."""
  return jnp.where(jax.nn.sigmoid(score) < BELIEVED, missed + 1, 0)


def stays(score: Float[Array, "n"], missed: Int[Array, "n"]) -> Bool[Array, "n"]:
  """Whether a box stays where it was: its target is lost, or what was read is surely not it; `score` is a logit."""
  return is_lost(missed) | (jax.nn.sigmoid(score) < TAKEN)
