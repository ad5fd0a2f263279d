"""Phase 1: trains the backbone and the logit scales on key and search pairs (Eq. 3)."""

import pathlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from adadepth.data.ahead import map_ahead
from adadepth.data.pairs import PairGroup, PairSampler
from adadepth.io.checkpoints import Checkpoints
from adadepth.io.metric_writer import MetricWriter
from adadepth.io.progress import progress
from adadepth.maths.losses import FINETUNE_LOSSES, MAP_LOSSES
from adadepth.models.architecture import Architecture
from adadepth.models.network import group_responses, logit_scales
from adadepth.training.optimizers import TrainState, apply_gradients, finetune_optimizer, init_state

PREFETCH_BATCHES = 2

# What is called with the parameters of a step, (step, params).
Measure = Callable[[int, dict], None]


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
  state = apply_gradients(state, grads, optimizer)
  scalars = {f"loss{k + 1}": by_depth[k] for k in range(by_depth.shape[0])}
  return state, {"loss": loss, "grad_norm": optax.tree.norm(grads), **scalars}


compiled_step = jax.jit(
  finetune_step,
  static_argnames=("optimizer", "objective", "arch", "map_loss", "variance_px2", "dtype"),
  donate_argnums=0,
)


def stack_groups(groups: list[PairGroup]) -> PairBatch:
  """Groups of equal length as one batch."""
  return PairBatch(
    template=np.stack([g.template for g in groups]),
    search=np.stack([g.search for g in groups]),
    displacement_in_search=np.stack([g.displacement_in_search for g in groups]),
  )


def training_batches(sampler: PairSampler, *, groups: int, start: int, stop: int, threads: int) -> Iterator[PairBatch]:
  """Batches `start` to `stop`, cut ahead in threads: batch i holds groups i * groups to (i + 1) * groups."""

  def batch(step: int) -> PairBatch:
    return stack_groups([sampler[step * groups + group] for group in range(groups)])

  return map_ahead(batch, range(start, stop), threads=threads, buffer=PREFETCH_BATCHES)


def finetune(
  params: dict,
  sampler: PairSampler,
  *,
  arch: Architecture,
  objective: str,
  map_loss: str,
  variance_px2: float,
  learning_rate: float,
  warmup_steps: int,
  clip_norm: float,
  steps: int,
  groups: int,
  threads: int,
  log_every: int,
  checkpoint_every: int,
  dtype: str,
  folder: pathlib.Path,
  measure: Measure | None = None,
  measure_every: int = 0,
) -> TrainState:
  """Runs phase 1 from the latest checkpoint, or from `params`, to `steps`.

  Args:
    params: where to start.
    sampler: group `index` depends on the seed and the index alone, so resuming replays and skips nothing.
    groups: keys a step, each with `sampler.frames` search frames.
    folder: gets checkpoints, metrics.jsonl and TensorBoard events; "input_share" there is the share of the time since
      the start that the steps waited for crops.
    measure: called after every `measure_every`-th step (0: never); once more for a step that is resumed from, since the
      run may have stopped during that very call.
    The rest is as in `finetune_optimizer` and `finetune_step`.
  Returns:
    The state after `steps` steps.
  """
  optimizer = finetune_optimizer(
    learning_rate=learning_rate, steps=steps, warmup_steps=warmup_steps, clip_norm=clip_norm
  )
  loss = {"objective": objective, "arch": arch, "map_loss": map_loss, "variance_px2": variance_px2, "dtype": dtype}
  with Checkpoints(folder / "checkpoints", every=checkpoint_every) as checkpoints:
    state = checkpoints.restore(
      init_state(jax.tree.map(jnp.array, params), optimizer)
    )  # a copy: steps donate their state
    start = int(state.step)
    if start and measure_every and start % measure_every == 0:
      measure(start, state.params)
    batches = training_batches(sampler, groups=groups, start=start, stop=steps, threads=threads)
    with MetricWriter(folder, resume_step=start or None) as writer:
      waited, began = 0.0, time.perf_counter()
      for step in progress(range(start + 1, steps + 1), f"phase 1 ({objective})"):
        jax.block_until_ready(state)  # what is waited for after this, is input
        ready = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - ready
        state, scalars = compiled_step(state, batch, optimizer=optimizer, **loss)
        if step % log_every == 0 or step == steps:
          writer.write(step, {**scalars, "input_share": waited / (time.perf_counter() - began)})
        checkpoints.save(step, state, force=step == steps)
        if measure_every and step % measure_every == 0:
          measure(step, state.params)
  return state
