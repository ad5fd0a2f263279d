"""A start for the small network: its blocks learn to predict VGG-19's maps of photos and videos, without labels.

Targets are log(1 + map) of four of VGG-19's blocks at the stride of the responses, on their first principal axes, in
units of their mean standard deviation. Each block of the student predicts its teacher's by one linear layer, which is
then thrown away.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, UInt8
from PIL import Image

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.render.cutouts import Album, read_photo
from adadepth.io.checkpoints import Checkpoints
from adadepth.io.interruption import AFTER_THIS_STEP, Stopped, stop_when_asked
from adadepth.io.progress import progress
from adadepth.maths.random_streams import named_generator, named_stream
from adadepth.models.architecture import Architecture
from adadepth.models.network import block_outputs
from adadepth.models.vgg import apply_block, max_pool
from adadepth.training.divergence import check_finite

CROPS_A_PHOTO = 4
BATCH, WARMUP, LEARNING_RATE, CLIP_NORM = 16, 100, 2e-3, 5.0
CHECKPOINT_EVERY = 100
SAMPLED = 320  # crops from which the axes are taken


class Target(NamedTuple):
  """What one block of the student predicts.

  Attributes:
    student: its block, 0..4.
    teacher: VGG-19's, 0..4.
    axes: principal axes of the teacher's channels.
  """

  student: int
  teacher: int
  axes: int


# The student's last two both see the fourth block of VGG-19; the fifth, at twice the stride, is the last one's alone.
TARGETS = (Target(1, 1, 64), Target(2, 2, 96), Target(3, 3, 128), Target(4, 4, 128), Target(4, 3, 128))


class State(NamedTuple):
  """What a step begins from.

  Attributes:
    trained: the backbone, and the linear layers.
    opt_state: of Adam.
    curve: the losses of all steps, 0 for those to come, [steps, t].
    step: how many are done.
  """

  trained: dict
  opt_state: optax.OptState
  curve: Float[Array, "steps t"]
  step: Array


class Axes(NamedTuple):
  mean: Float[Array, "c"]
  matrix: Float[Array, "c a"]


def picture_crops(album: Album, sampler: DriftedSampler, *, videos: int, seed: int) -> UInt8[np.ndarray, "n s s 3"]:
  """Squares of photos, and `videos` search crops of training videos, shuffled."""
  rng, px = named_generator(seed, "distillation crops"), sampler.arch.search_px
  crops = [sampler[i].search[0] for i in range(videos)]
  for path in progress(album.photos, "photos"):
    photo = read_photo(path)
    for _ in range(CROPS_A_PHOTO):
      side = min(photo.size) * rng.uniform(0.35, 1.0)
      left, top = rng.uniform(0, np.array(photo.size) - side)
      crop = photo.resize((px, px), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
      crops.append(np.asarray(crop)[:, :: rng.choice([-1, 1])])
  return np.stack(crops)[rng.permutation(len(crops))]


@functools.partial(jax.jit, static_argnames="arch")
def teacher_maps(vgg19: dict, crops: UInt8[Array, "n s s 3"], *, arch: Architecture) -> dict[int, Array]:
  """log(1 + map) of VGG-19's blocks 2 to 5, by depth: at stride 8, the last one's at 16.

  Args:
    vgg19: prepared backbone.
    arch: VGG-19 with three pools.
  """
  outputs = block_outputs({"backbone": vgg19}, crops, arch=arch, depths=4)
  deepest = apply_block(vgg19, max_pool(outputs[3], 2), depth=4, arch=arch)
  maps = {1: max_pool(outputs[1], 2), 2: outputs[2], 3: outputs[3], 4: deepest}
  return jax.tree.map(jnp.log1p, maps)


def principal_axes(maps: Float[np.ndarray, "n h w c"], axes: int) -> Axes:
  """The axes of the largest variance, scaled so that projections have a mean variance of 1."""
  values = maps.reshape(-1, maps.shape[-1]).astype(np.float64)
  mean = values.mean(axis=0)
  _, vectors = np.linalg.eigh(np.cov(values - mean, rowvar=False))
  matrix = vectors[:, ::-1][:, :axes]
  return Axes(jnp.float32(mean), jnp.float32(matrix / np.sqrt(((values - mean) @ matrix).var(axis=0).mean())))


def targets_of(
  maps_of: Callable[[UInt8[np.ndarray, "b s s 3"]], dict[int, Array]], crops: UInt8[np.ndarray, "n s s 3"]
) -> list[Float[np.ndarray, "n _ _ _"]]:
  """What the student is to predict of every crop, one array a `TARGETS`, float16; whole batches of crops.

  Args:
    maps_of: the teacher's maps of a batch, by depth, as in `teacher_maps`.
  """
  batches = [crops[i : i + BATCH] for i in range(0, len(crops), BATCH)]
  sampled = [jax.device_get(maps_of(batch)) for batch in batches[: -(-SAMPLED // BATCH)]]
  axes = [principal_axes(np.concatenate([m[t.teacher] for m in sampled]), t.axes) for t in TARGETS]
  project = jax.jit(
    lambda maps: [
      ((maps[t.teacher] - a.mean.reshape(1, 1, 1, -1)) @ a.matrix).astype(jnp.float16)
      for t, a in zip(TARGETS, axes, strict=True)
    ]
  )
  found = [jax.device_get(project(maps_of(batch))) for batch in progress(batches, "the teacher's maps")]
  return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def distillation_loss(
  trained: dict, crops: Float[Array, "n s s 3"], targets: list[Array], *, arch: Architecture
) -> tuple[Float[Array, ""], Float[Array, "t"]]:
  """The sum over targets of the mean squared error, and each."""
  outputs, losses = block_outputs(trained, crops, arch=arch, depths=len(arch.blocks)), []
  for layer, wanted, target in zip(trained["layers"], targets, TARGETS, strict=True):
    x = outputs[target.student]
    factor = x.shape[1] // wanted.shape[1]
    x = x.reshape(len(x), -1, factor, x.shape[2] // factor, factor, x.shape[3]).mean((2, 4))
    losses.append(jnp.mean(jnp.square(x @ layer["kernel"] + layer["bias"][None, None, None] - wanted)))
  return sum(losses), jnp.stack(losses)


def distil(
  backbone: dict,
  crops: UInt8[np.ndarray, "n s s 3"],
  targets: list[Float[np.ndarray, "n _ _ _"]],
  *,
  steps: int,
  seed: int,
  arch: Architecture,
  folder: pathlib.Path,
) -> tuple[dict, Float[np.ndarray, "steps t"]]:
  """Trains the backbone to predict the targets, of crops in other light; the backbone, and the losses of each step.

  Args:
    folder: gets checkpoints, from which it goes on: a step depends on the seed and its number alone.
  Raises:
    InputError: a loss is not finite.
    Stopped: Ctrl-C or SIGTERM has asked for it; the last step is kept.
  """
  keys = jax.random.split(named_stream(jax.random.key(seed), "distillation layers"), len(TARGETS))
  layers = [
    {"kernel": 0.05 * jax.random.normal(key, (arch.channels[t.student], t.axes)), "bias": jnp.zeros(t.axes)}
    for key, t in zip(keys, TARGETS, strict=True)
  ]
  trained = {"backbone": backbone, "layers": layers}
  schedule = optax.warmup_cosine_decay_schedule(0, LEARNING_RATE, min(WARMUP, steps // 4), steps, LEARNING_RATE / 100)
  optimizer = optax.chain(optax.clip_by_global_norm(CLIP_NORM), optax.adam(schedule))

  @functools.partial(jax.jit, donate_argnums=0)
  def one_step(state, crops, targets):
    loss = functools.partial(distillation_loss, arch=arch)
    (_, losses), grads = jax.value_and_grad(loss, has_aux=True)(state.trained, crops, targets)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.trained)
    trained, curve = optax.apply_updates(state.trained, updates), state.curve.at[state.step].set(losses)
    return State(trained, opt_state, curve, state.step + 1), losses

  start = State(trained, optimizer.init(trained), jnp.zeros((steps, len(TARGETS))), jnp.int32(0))
  with Checkpoints(folder, every=CHECKPOINT_EVERY) as checkpoints, stop_when_asked(AFTER_THIS_STEP) as stop:
    state = checkpoints.restore(jax.tree.map(jnp.array, start))  # a copy: steps donate their state
    for index in progress(range(int(state.step), steps), "distillation"):
      rng = named_generator(seed, "distillation batches", index)
      rows = rng.integers(0, len(crops), BATCH)
      light = rng.uniform(0.75, 1.25, (BATCH, 1, 1, 3)) * rng.uniform(0.8, 1.2, (BATCH, 1, 1, 1))
      lit = np.clip(crops[rows] * light.astype(np.float32), 0, 255)
      state, losses = one_step(state, lit, [target[rows].astype(np.float32) for target in targets])
      check_finite(
        {"the loss": float(losses.sum())},
        f"distillation, step {index + 1}",
        videos=lambda rows=rows: (f"crop {row}" for row in rows),
        kept=lambda: checkpoints.last,
      )
      asked = stop.is_set()
      checkpoints.save(index + 1, state, force=index + 1 == steps or asked)
      if asked:
        break
    if stop.is_set():
      raise Stopped(stop.number, f"distillation is kept up to step {int(state.step)} of {steps}")
  return state.trained["backbone"], np.asarray(state.curve)
