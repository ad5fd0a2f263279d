"""Phase 1: fine-tunes the backbone on key and search pairs (Eq. 3)."""

import functools
import pathlib
from collections.abc import Iterator

import grain
import jax
import numpy as np

from adadepth.data.pairs import PairGroup, PairSampler
from adadepth.io.checkpoints import Checkpoints
from adadepth.io.writers import MetricWriter, progress
from adadepth.maths.architecture import Architecture
from adadepth.programs.steps import PairBatch, TrainState, finetune_optimizer, finetune_step, init_state

PREFETCH_GROUPS = 16


def stack_groups(groups: list[PairGroup]) -> PairBatch:
  """Groups of equal length as one batch."""
  return PairBatch(
    template=np.stack([g.template for g in groups]),
    search=np.stack([g.search for g in groups]),
    displacement_in_search=np.stack([g.displacement_in_search for g in groups]),
    valid=np.ones((len(groups), len(groups[0])), np.float32),
  )


def training_batches(
  sampler: PairSampler, *, groups: int, start: int, stop: int, threads: int
) -> Iterator[PairBatch]:
  """Batches `start` to `stop`: batch i holds groups i * groups .. (i + 1) * groups, cut in grain's threads."""
  indices = grain.MapDataset.range(start * groups, stop * groups)
  read = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=PREFETCH_GROUPS)
  return iter(indices.map(sampler.__getitem__).to_iter_dataset(read).batch(groups, batch_fn=stack_groups))


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
  folder: pathlib.Path,
) -> TrainState:
  """Runs phase 1 from the latest checkpoint, or from `params`, to `steps`.

  Args:
    params: where to start.
    sampler: group `index` depends on the seed and the index alone, so resuming replays and skips nothing.
    groups: keys a step, each with `sampler.frames` search frames.
    folder: gets checkpoints, metrics.jsonl and TensorBoard events.
    The rest is as in `steps.finetune_optimizer` and `steps.finetune_step`.
  Returns:
    The state after `steps` steps.
  """
  optimizer = finetune_optimizer(
    learning_rate=learning_rate, steps=steps, warmup_steps=warmup_steps, clip_norm=clip_norm
  )
  step_fn = functools.partial(
    finetune_step,
    optimizer=optimizer,
    objective=objective,
    arch=arch,
    map_loss=map_loss,
    variance_px2=variance_px2,
  )
  step_fn = jax.jit(step_fn, donate_argnums=0)
  with Checkpoints(folder / "checkpoints", every=checkpoint_every) as checkpoints:
    state = checkpoints.restore(init_state(params, optimizer))
    start = int(state.step)
    batches = training_batches(sampler, groups=groups, start=start, stop=steps, threads=threads)
    with MetricWriter(folder, resume_step=start or None) as writer:
      for step in progress(range(start + 1, steps + 1), f"phase 1 ({objective})"):
        state, scalars = step_fn(state, next(batches))
        if step % log_every == 0 or step == steps:
          writer.write(step, scalars)
        checkpoints.save(step, state, force=step == steps)
  return state
