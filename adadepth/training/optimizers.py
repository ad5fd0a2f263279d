"""The Optax chains of the two phases, over labelled partitions: what is frozen stays bitwise as it is."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

TRAINED = ("backbone", "head", "box")  # by phase 1


class TrainState(NamedTuple):
  params: dict
  opt_state: optax.OptState
  step: Array


def partition_labels(params: dict, trained: tuple[str, ...]) -> dict:
  """ "train" for the named subtrees, "freeze" for the others; a gate's `mean` and `std` are never trained."""

  def label(path: tuple, _: Array) -> str:
    names = [p.key for p in path]
    return "train" if names[0] in trained and names[-1] not in ("mean", "std") else "freeze"

  return jax.tree_util.tree_map_with_path(label, params)


def frozen_partition(transform: optax.GradientTransformation, trained: tuple[str, ...]) -> optax.GradientTransformation:
  """`transform` on the named subtrees; the rest stays bitwise as it is and costs no moments."""
  return optax.partition(
    {"train": transform, "freeze": optax.set_to_zero()}, lambda params: partition_labels(params, trained)
  )


@functools.cache
def finetune_optimizer(
  *, learning_rate: float, steps: int, warmup_steps: int, clip_norm: float
) -> optax.GradientTransformation:
  """Phase 1: backbone, logit scales and box heads by Adam, norm clipped, warm-up then cosine; gates frozen.

  Equal arguments give the same object, so that jit does not trace it twice.
  """
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, min(warmup_steps, max(steps - 1, 0)), max(steps, 1))
  chain = optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(schedule))
  return frozen_partition(chain, TRAINED)


def gating_optimizer(*, learning_rate: float) -> optax.GradientTransformation:
  """Phase 2: the gates' linear weights by Adam; everything else frozen."""
  return frozen_partition(optax.adam(learning_rate), ("gates",))


def init_state(params: dict, optimizer: optax.GradientTransformation) -> TrainState:
  return TrainState(params, optimizer.init(params), jnp.int32(0))


def apply_gradients(state: TrainState, grads: dict, optimizer: optax.GradientTransformation) -> TrainState:
  """Applies the gradients of some subtrees; the optimizer sees zeros for the others."""
  full = {**jax.tree.map(jnp.zeros_like, state.params), **grads}
  updates, opt_state = optimizer.update(full, state.opt_state, state.params)
  return TrainState(optax.apply_updates(state.params, updates), opt_state, state.step + 1)
