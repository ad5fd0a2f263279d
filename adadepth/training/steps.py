"""The two training phases: one Optax chain and one pure step each, over labelled partitions."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from adadepth.maths.cascade import exit_confidences
from adadepth.maths.losses import FINETUNE_LOSSES, MAP_LOSSES, gating_loss
from adadepth.models.architecture import Architecture
from adadepth.models.gates import gate_logits
from adadepth.models.network import group_responses, logit_scales


class TrainState(NamedTuple):
  params: dict
  opt_state: optax.OptState
  step: Array


class PairBatch(NamedTuple):
  """g keys, each with n search frames.

  Attributes:
    template: RGB uint8, [g, template_px, template_px, 3].
    search: RGB uint8, [g, n, search_px, search_px, 3].
    displacement_in_search: (x, y) from the search crop's centre to the target's, crop pixels, [g, n, 2].
  """

  template: Array
  search: Array
  displacement_in_search: Array


class GateBatch(NamedTuple):
  """Cached inputs of phase 2: unstandardised features [n, 4, f] and what stopping at each depth loses [n, 5]."""

  features: Array
  depth_losses: Array


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
  """Phase 1: backbone and logit scales by Adam, norm clipped, warm-up then cosine; gates frozen.

  Equal arguments give the same object, so that jit does not trace it twice.
  """
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, min(warmup_steps, max(steps - 1, 0)), max(steps, 1))
  chain = optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(schedule))
  return frozen_partition(chain, ("backbone", "head"))


def gating_optimizer(*, learning_rate: float, weight_decay: float = 0.0) -> optax.GradientTransformation:
  """Phase 2: the gates' linear weights by Adam, with L2's gradient on all but the biases; everything else frozen."""

  def decayed(params: dict) -> dict:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)

  chain = optax.chain(optax.add_decayed_weights(weight_decay, decayed), optax.adam(learning_rate))
  return frozen_partition(chain, ("gates",))


def init_state(params: dict, optimizer: optax.GradientTransformation) -> TrainState:
  return TrainState(params, optimizer.init(params), jnp.int32(0))


def pair_losses(
  params: dict, batch: PairBatch, *, arch: Architecture, map_loss: str, variance_px2: float, dtype: str = "float32"
) -> Float[Array, "g n 5"]:
  """L_1..L_5 of every pair (Eq. 2); the backbone computes in `dtype`, correlations and losses in float32."""
  backbone = jax.tree.map(lambda leaf: leaf.astype(dtype), params["backbone"])
  responses = group_responses({**params, "backbone": backbone}, batch.template, batch.search, arch=arch)
  logits = responses * logit_scales(params).reshape(1, 1, -1, 1, 1)
  per_depth = jnp.broadcast_to(batch.displacement_in_search[:, :, None], (*logits.shape[:3], 2))
  return MAP_LOSSES[map_loss](
    logits,
    per_depth,
    template_cells=arch.template_cells,
    search_cells=arch.search_cells,
    stride_px=arch.stride_px,
    variance_px2=variance_px2,
  )


def finetune_step(
  state: TrainState, batch: PairBatch, *, optimizer: optax.GradientTransformation, objective: str, **network
) -> tuple[TrainState, dict]:
  """One step of phase 1 on L_finetune (Eq. 3).

  Args:
    objective: "deepest" or "all".
    **network: arch, map_loss, variance_px2 and dtype of `pair_losses`; parameters and gradients stay float32.
  Returns:
    The next state, and the scalars loss, loss1..loss5 and grad_norm.
  """

  def loss_of(trained: dict) -> tuple[Float[Array, ""], Float[Array, "5"]]:
    losses = pair_losses({**state.params, **trained}, batch, **network)
    return jnp.mean(FINETUNE_LOSSES[objective](losses)), jnp.mean(losses, (0, 1))

  trained = {name: state.params[name] for name in ("backbone", "head")}
  (loss, by_depth), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
  state = _apply(state, grads, optimizer)
  scalars = {f"loss{k + 1}": by_depth[k] for k in range(by_depth.shape[0])}
  return state, {"loss": loss, "grad_norm": optax.tree.norm(grads), **scalars}


def gating_step(
  state: TrainState,
  batch: GateBatch,
  *,
  optimizer: optax.GradientTransformation,
  prices: Float[Array, "5"],
  price_weight: float | Array,
) -> tuple[TrainState, dict]:
  """One step of phase 2 on L_gating (Eq. 5), from cached features: the backbone is not in the program."""

  def loss_of(gates: dict) -> Float[Array, ""]:
    confidences = exit_confidences(gate_logits(gates, batch.features))
    return jnp.mean(gating_loss(confidences, batch.depth_losses, prices, price_weight))

  loss, grads = jax.value_and_grad(loss_of)(state.params["gates"])
  return _apply(state, {"gates": grads}, optimizer), {"loss": loss}


def _apply(state: TrainState, grads: dict, optimizer: optax.GradientTransformation) -> TrainState:
  """Applies the gradients of some subtrees; the optimizer sees zeros for the others."""
  full = {**jax.tree.map(jnp.zeros_like, state.params), **grads}
  updates, opt_state = optimizer.update(full, state.opt_state, state.params)
  return TrainState(optax.apply_updates(state.params, updates), opt_state, state.step + 1)
