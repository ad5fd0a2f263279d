"""Phase 1: trains the backbone and the logit scales on key and search pairs (Eq. 3)."""

import pathlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from adadepth.data.ahead import map_ahead
from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.pairs import PairGroup, PairSampler
from adadepth.io.checkpoints import Checkpoints
from adadepth.io.interruption import AFTER_THIS_STEP, Stopped, stop_when_asked
from adadepth.io.mesh import copy_to_all, deal, here, mesh_for, over, own_rows
from adadepth.io.metric_writer import MetricWriter
from adadepth.io.processes import any_process
from adadepth.io.progress import progress
from adadepth.maths.cost_volume import local_window
from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.losses import FINETUNE_LOSSES, MAP_LOSSES, giou_loss
from adadepth.maths.random_streams import named_stream
from adadepth.maths.xcorr import cross_correlate_spectra
from adadepth.models.architecture import Architecture
from adadepth.models.box_head import Reading, read_box
from adadepth.models.network import group_maps, logit_scales, pair_responses
from adadepth.training.divergence import check_finite
from adadepth.training.optimizers import TRAINED, TrainState, apply_gradients, finetune_optimizer, init_state

PREFETCH_BATCHES = 2
NEAR_CELLS, FAR_CELLS = 1, 3  # boxes are read so near to the true place; what is farther off is another's

# What is called with the parameters of a step, (step, params).
Measure = Callable[[int, dict], None]


class PairBatch(NamedTuple):
  """g keys, each with n search frames.

  Attributes:
    template: RGB uint8, [g, template_px, template_px, 3].
    search: RGB uint8, [g, n, search_px, search_px, 3].
    displacement_in_search: (x, y) from the search crop's centre to the target's, crop pixels, [g, n, 2].
    size_in_crop: of the key's box, (w, h), crop pixels, [g, 2].
    true_size, last_size: of the target in the search crop, and of the box that the crop is cut for, [g, n, 2].
  """

  template: Array
  search: Array
  displacement_in_search: Array
  size_in_crop: Array
  true_size: Array
  last_size: Array


def pair_losses(
  params: dict,
  batch: PairBatch,
  key: jax.Array,
  *,
  arch: Architecture,
  map_loss: str,
  variance_px2: float,
  dtype: str = "float32",
) -> tuple[Float[Array, "p 5"], Float[Array, "p 5"]]:
  """L_1..L_5 of every pair (Eq. 2), and what its boxes lose at each depth (`box_losses`; 0 without box heads).

  The backbone computes in `dtype`, correlations and losses in float32. p = g n.
  """
  backbone = jax.tree.map(lambda leaf: leaf.astype(dtype), params["backbone"])
  maps = group_maps({**params, "backbone": backbone}, batch.template, batch.search, arch=arch)
  responses = pair_responses(maps, arch=arch)
  logits = responses * logit_scales(params).reshape(1, -1, 1, 1)
  displacement = batch.displacement_in_search.reshape(-1, 2)
  losses = MAP_LOSSES[map_loss](
    logits,
    jnp.broadcast_to(displacement[:, None], (*logits.shape[:2], 2)),
    template_cells=arch.template_cells,
    search_cells=arch.search_cells,
    stride_px=arch.stride_px,
    variance_px2=variance_px2,
  )
  if arch.reader != "box":
    return losses, jnp.zeros_like(losses)
  return losses, box_losses(params["box"], maps, responses, batch, key, arch=arch)


def box_losses(
  heads: dict, maps: list, responses: Float[Array, "p 5 r r"], batch: PairBatch, key: jax.Array, *, arch: Architecture
) -> Float[Array, "p 5"]:
  """What the box heads lose at each depth: on the box, read near the true place, and on the score.

  The score is to be high there, low at the highest place that is not near, and low at the highest place of the
  neighbouring key's target, which is not in this picture.
  """
  frames = batch.search.shape[1]
  true_center = batch.displacement_in_search.reshape(-1, 2)
  true_size, last_size = batch.true_size.reshape(-1, 2), batch.last_size.reshape(-1, 2)
  size = jnp.repeat(batch.size_in_crop, frames, axis=0)
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  true_place = jnp.round(true_center[:, ::-1] / arch.stride_px) + zero
  near = jax.random.randint(key, true_place.shape, -NEAR_CELLS, NEAR_CELLS + 1)
  place = jnp.clip(true_place + near, 0, arch.search_cells - 1).astype(jnp.int32)
  off = jnp.abs(jnp.arange(arch.search_cells)[None, None] - true_place[..., None]) > FAR_CELLS
  far = off[:, 0, :, None] | off[:, 1, None, :]
  losses = []
  for depth, (template, search) in enumerate(maps):
    other, other_size = jnp.roll(template, frames, axis=0), jnp.roll(size, frames, axis=0)
    wrong = _highest(jnp.where(far, responses[:, depth], -jnp.inf))
    absent = _highest(lax.stop_gradient(cross_correlate_spectra(other, search)))
    places = jnp.concatenate([place, wrong, absent])
    windows = local_window(jnp.concatenate([search] * 3), places, arch.template_cells)
    templates, sizes = jnp.concatenate([template, template, other]), jnp.concatenate([size, size, other_size])
    lasts = jnp.concatenate([last_size] * 3)
    there, *elsewhere = _split(read_box(heads, templates, windows, places, sizes, lasts, depth=depth, arch=arch), 3)
    of_size = jnp.mean(jnp.abs(jnp.log(there.size / true_size)), axis=-1)
    of_box = 2 * giou_loss(there.center, there.size, true_center, true_size) + of_size
    of_score = 2 * jax.nn.softplus(-there.score) + sum(jax.nn.softplus(reading.score) for reading in elsewhere)
    losses.append(of_box + of_score / 4)
  return jnp.stack(losses, axis=-1)


def _highest(response: Float[Array, "p r r"]) -> Int[Array, "p 2"]:
  """(y, x) of the highest cell."""
  cell = jnp.argmax(response.reshape(len(response), -1), axis=-1)
  return jnp.stack(jnp.divmod(cell, response.shape[-1]), axis=-1)


def _split(reading: Reading, parts: int) -> list[Reading]:
  return [Reading(*leaves) for leaves in zip(*(jnp.split(leaf, parts) for leaf in reading), strict=True)]


def finetune_step(
  state: TrainState, batch: PairBatch, *, optimizer: optax.GradientTransformation, objective: str, **network
) -> tuple[TrainState, dict]:
  """One step of phase 1 on L_finetune (Eq. 3), and on the boxes where the reader is "box".

  Args:
    objective: "deepest" or "all".
    **network: arch, map_loss, variance_px2 and dtype of `pair_losses`; parameters and gradients stay float32.
  Returns:
    The next state, and the scalars loss, loss1..loss5, box_loss1..box_loss5 and grad_norm.
  """
  key = jax.random.fold_in(named_stream(jax.random.key(0), "places"), state.step)

  def loss_of(trained: dict) -> tuple[Float[Array, ""], dict]:
    losses, of_boxes = pair_losses({**state.params, **trained}, batch, key, **network)
    each = {"loss": jnp.mean(losses, 0), "box_loss": jnp.mean(of_boxes, 0)}
    return jnp.mean(FINETUNE_LOSSES[objective](losses + of_boxes)), each

  trained = {name: state.params[name] for name in TRAINED if name in state.params}
  (loss, by_depth), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
  state = apply_gradients(state, grads, optimizer)
  scalars = {f"{name}{k + 1}": value for name, values in by_depth.items() for k, value in enumerate(values)}
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
    size_in_crop=np.stack([g.size_in_crop for g in groups]),
    true_size=np.stack([g.truth_in_search[:, 2:] for g in groups]),
    last_size=np.stack([g.last_size for g in groups]),
  )


def training_batches(
  sampler: PairSampler | DriftedSampler, *, groups: int, start: int, stop: int, threads: int, own: range | None = None
) -> Iterator[PairBatch]:
  """Batches `start` to `stop`, cut ahead in threads: batch i holds groups i * groups to (i + 1) * groups.

  Args:
    own: of these the ones that this process cuts; None: all.
  """

  def batch(step: int) -> PairBatch:
    return stack_groups([sampler[step * groups + group] for group in own or range(groups)])

  return map_ahead(batch, range(start, stop), threads=threads, buffer=max(PREFETCH_BATCHES, threads))


def finetune(
  params: dict,
  sampler: PairSampler | DriftedSampler,
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
  """Runs phase 1 from the latest checkpoint, or from `params`, to `steps`, on the devices of all processes.

  Each device has the parameters and its part of a batch's groups, which its own process cuts. The gradient is that of
  the whole batch.

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
  Raises:
    InputError: a loss or a gradient is not finite; that step is not kept.
    Stopped: Ctrl-C or SIGTERM has asked for it; the last step is kept.
  """
  optimizer = finetune_optimizer(
    learning_rate=learning_rate, steps=steps, warmup_steps=warmup_steps, clip_norm=clip_norm
  )
  loss = {"objective": objective, "arch": arch, "map_loss": map_loss, "variance_px2": variance_px2, "dtype": dtype}
  mesh = mesh_for(groups, argument="config.finetune.groups")
  with Checkpoints(folder / "checkpoints", every=checkpoint_every) as checkpoints:
    state = checkpoints.restore(
      init_state(jax.tree.map(jnp.array, params), optimizer)
    )  # a copy: steps donate their state
    start = int(state.step)
    if start and measure_every and start % measure_every == 0:
      measure(start, state.params)
    state = copy_to_all(state, mesh)
    own = own_rows(mesh, groups)
    batches = training_batches(sampler, groups=groups, start=start, stop=steps, threads=threads, own=own)
    with MetricWriter(folder, resume_step=start or None) as writer, stop_when_asked(AFTER_THIS_STEP) as stop:
      waited, began = 0.0, time.perf_counter()
      for step in progress(range(start + 1, steps + 1), f"phase 1 ({objective})"):
        jax.block_until_ready(state)  # what is waited for after this, is input
        ready = time.perf_counter()
        batch = deal(next(batches), mesh)
        waited += time.perf_counter() - ready
        with over(mesh):
          state, scalars = compiled_step(state, batch, optimizer=optimizer, **loss)
        check_finite(
          {"the loss": float(scalars["loss"]), "the gradient's norm": float(scalars["grad_norm"])},
          f"phase 1, step {step}",
          videos=lambda step=step: (sampler[(step - 1) * groups + group].sequence for group in range(groups)),
          kept=lambda: checkpoints.last,
        )
        if step % log_every == 0 or step == steps:
          writer.write(step, {**scalars, "input_share": waited / (time.perf_counter() - began)})
        asked, measured = any_process(stop.is_set()), measure_every and step % measure_every == 0
        checkpoints.save(step, state, force=step == steps or measured or asked)
        if asked:
          break
        if measured:
          stop.at_once = True  # it takes long, keeps what it has done itself, and the step is kept
          measure(step, here(state.params))
          stop.at_once = False
      if any_process(stop.is_set()):
        raise Stopped(stop.number, f"phase 1 is kept up to step {int(state.step)} of {steps}")
  return here(state)
