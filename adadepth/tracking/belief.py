"""Whether what was read is taken, and whether the target is believed to be there."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from adadepth.tracking.lost import is_lost

# What is read with a lower probability is not taken; and a target that is believed in less counts as missed. Both, and
# how far a belief moves in a frame, were chosen on dev.
TAKEN, BELIEVED, RATE = 0.02, 0.2, 0.2
FIRST = 3.0  # the belief in a target whose box is given
# A crop whose grey levels lie closer together shows nothing, and whatever is read there has this score, a logit.
LEAST_LEVELS, NOT_THERE = 3, -20.0


def shows_something(crops: Shaped[Array, "n h w 3"]) -> Bool[Array, "n"]:
  """Whether each crop, 0..255, is more than one colour: a black frame, or a covered lens, is not."""
  levels = crops.astype(jnp.float32)
  return jnp.max(levels, axis=(1, 2, 3)) - jnp.min(levels, axis=(1, 2, 3)) >= LEAST_LEVELS


def next_belief(belief: Float[Array, "n"], score: Float[Array, "n"], missed: Int[Array, "n"]) -> Float[Array, "n"]:
  """How much each target is believed to be there, a logit: the mean of the last scores, of a lost one the last alone.

  One score says little; and a target that was lost is found at first sight.
  """
  return belief + jnp.where(is_lost(missed), 1.0, RATE) * (score - belief)


def next_missed(belief: Float[Array, "n"], missed: Int[Array, "n"]) -> Int[Array, "n"]:
  """How many frames in a row each target was not believed to be there."""
  return jnp.where(jax.nn.sigmoid(belief) < BELIEVED, missed + 1, 0)


def stays(score: Float[Array, "n"], missed: Int[Array, "n"]) -> Bool[Array, "n"]:
  """Whether a box stays where it was: its target is lost, or what was read is surely not it; `score` is a logit."""
  return is_lost(missed) | (jax.nn.sigmoid(score) < TAKEN)
