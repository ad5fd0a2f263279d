"""The end of phase 1: box heads learn on the crops that their own tracks meet, where errors have added up.

Short clips are tracked, several at once, by a random depth each; at every frame all heads learn, and nothing else.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence as Listing

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, UInt8

from adadepth.data.crops import crop_square
from adadepth.data.drifted_pairs import LEAST_PX, other_light
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.io.checkpoints import Checkpoints
from adadepth.io.interruption import AFTER_THIS_STEP, Stopped, stop_when_asked
from adadepth.io.metric_writer import MetricWriter
from adadepth.io.processes import any_process
from adadepth.io.progress import progress
from adadepth.maths.cost_volume import local_window
from adadepth.maths.geometry import box_center, box_from_center, template_side, zero_displacement_index
from adadepth.maths.losses import giou_loss
from adadepth.maths.metrics import iou
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.box_head import Reading, read_box
from adadepth.models.network import (
  Template,
  correlation_maps,
  filter_of,
  make_template,
  prepare_params,
  respond_each,
)
from adadepth.tracking.reader import place_of
from adadepth.tracking.step import next_size
from adadepth.training.divergence import check_finite
from adadepth.training.optimizers import TrainState

CLIPS, FRAMES = 16, 10
OFF_IOU = 0.1  # a track that is off by so much goes on from the true box
NEAR_CELLS = 3  # a peak that is farther from the target is another's
CLIP_NORM, LEARNING_RATE = 5.0, 4e-4
CHECKPOINT_EVERY, LOG_EVERY = 50, 10


@dataclasses.dataclass
class Clip:
  """A target on its way: its frames, and where the track has it."""

  sequence: Sequence
  frame: int
  center: Float[np.ndarray, "2"]
  size: Float[np.ndarray, "2"]
  first_size: Float[np.ndarray, "2"]
  seed: int


def draw_clip(sequences: Listing[Sequence], rng: np.random.Generator) -> Clip:
  """A random target at a frame that it has a box in, and in the FRAMES after it.

  Raises:
    InputError: none of many that were drawn has so many.
  """
  for _ in range(1000):
    sequence = sequences[rng.integers(len(sequences))]
    usable = (sequence.boxes_xywh[:, 2:] >= LEAST_PX).all(axis=1)
    starts = np.flatnonzero(np.convolve(usable, np.ones(FRAMES + 1), "valid") == FRAMES + 1)
    if len(starts):
      start = int(rng.choice(starts))
      box = sequence.boxes_xywh[start].astype(np.float64)
      return Clip(sequence, start, box_center(box), box[2:], box[2:], int(rng.integers(2**31)))
  raise InputError(
    f"no training sequence has boxes of {LEAST_PX:g} px or more in {FRAMES + 1} frames in a row to track"
  )


def cut(clip: Clip, crop_px: int, arch: Architecture) -> UInt8[np.ndarray, "px px 3"]:
  """The crop around where the track has the target, in one light for the whole clip."""
  side = float(template_side(clip.size)) * crop_px / arch.template_px
  crop = crop_square(clip.sequence.frames[clip.frame], clip.center, side, crop_px)
  return other_light((crop,), np.random.default_rng(clip.seed))[0]


def head_losses(
  heads: dict,
  params: dict,
  template: Template,
  crops: Array,
  last_size: Float[Array, "n 2"],
  true_center: Float[Array, "n 2"],
  true_size: Float[Array, "n 2"],
  *,
  arch: Architecture,
) -> tuple[Float[Array, ""], Reading]:
  """What the heads lose at the peaks of their responses, and what they read there, [n, 5].

  Near the target: on the box, and a score that is to be high. Elsewhere a score that is to be low.
  """
  maps = correlation_maps(params, crops, arch=arch)
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  true_place = true_center[:, ::-1] / arch.stride_px + zero
  readings, losses = [], []
  for depth, searched in enumerate(maps):
    response = respond_each(filter_of(template, depth), searched, arch=arch)
    place = place_of(params, response, depth=depth, arch=arch)
    rest = {"depth": depth, "arch": arch}
    window = local_window(searched, place, arch.template_cells)
    reading = read_box(heads, template.maps[depth], window, place, template.size, last_size, **rest)
    near = jnp.max(jnp.abs(place - true_place), axis=-1) <= NEAR_CELLS
    of_box = 2 * giou_loss(reading.center, reading.size, true_center, true_size)
    of_box += jnp.mean(jnp.abs(jnp.log(reading.size / true_size)), axis=-1)
    of_score = jnp.where(near, jax.nn.softplus(-reading.score), jax.nn.softplus(reading.score))
    # The neighbouring clip's target is not in this picture.
    other, other_size = jnp.roll(template.maps[depth], 1, axis=0), jnp.roll(template.size, 1, axis=0)
    others = respond_each(jnp.roll(filter_of(template, depth), 1, axis=0), searched, arch=arch)
    peak = place_of(params, others, depth=depth, arch=arch)
    absent = read_box(
      heads, other, local_window(searched, peak, arch.template_cells), peak, other_size, last_size, **rest
    )
    of_score += jax.nn.softplus(absent.score) / 2
    losses.append(jnp.mean(jnp.where(near, of_box, 0) + of_score / 2))
    readings.append(reading)
  return sum(losses), jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *readings)


def train_on_rollouts(
  params: dict, sequences: Listing[Sequence], *, steps: int, seed: int, arch: Architecture, folder: pathlib.Path
) -> dict:
  """The parameters with box heads that have learnt for so many steps, each of FRAMES frames of CLIPS clips.

  Args:
    sequences: what clips are drawn from, each equally often: clip after clip depends on the seed and the step alone.
    folder: gets checkpoints, from which it goes on, and metrics.jsonl.
  """
  prepared = prepare_params(params, arch)
  schedule = optax.cosine_decay_schedule(LEARNING_RATE, steps * FRAMES)
  optimizer = optax.chain(optax.clip_by_global_norm(CLIP_NORM), optax.adam(schedule))
  state = TrainState(params["box"], optimizer.init(params["box"]), jnp.int32(0))
  with Checkpoints(folder / "checkpoints", every=CHECKPOINT_EVERY) as checkpoints:
    state = checkpoints.restore(state)
    start = int(state.step)
    with MetricWriter(folder, resume_step=start or None) as writer, stop_when_asked(AFTER_THIS_STEP) as stop:
      for step in progress(range(start + 1, steps + 1), "phase 1 (rollouts)"):
        rng = named_generator(seed, "rollouts", step)
        clips = [draw_clip(sequences, rng) for _ in range(CLIPS)]
        state, loss = learn_from(clips, state, prepared, rng, optimizer=optimizer, arch=arch)
        check_finite(
          {"the loss": loss, "the heads' norm": float(optax.tree.norm(state.params))},
          f"phase 1, rollouts, step {step}",
          videos=lambda clips=clips: (clip.sequence.name for clip in clips),
          kept=lambda: checkpoints.last,
        )
        if step % LOG_EVERY == 0 or step == steps:
          writer.write(step, {"loss": loss})
        asked = any_process(stop.is_set())
        checkpoints.save(step, state, force=step == steps or asked)
        if asked:
          break
      if any_process(stop.is_set()):
        raise Stopped(stop.number, f"rollouts are kept up to step {int(state.step)} of {steps}")
  return {**params, "box": state.params}


def learn_from(
  clips: list[Clip],
  state: TrainState,
  prepared: dict,
  rng: np.random.Generator,
  *,
  optimizer: optax.GradientTransformation,
  arch: Architecture,
) -> tuple[TrainState, float]:
  """Tracks the clips for FRAMES frames; the heads' next state, and what they lost in the mean.

  Args:
    state: of the heads, which learn at every frame.
    prepared: the network, which does not.
  """
  sizes = np.stack([c.size * arch.template_px / template_side(c.size) for c in clips]).astype(np.float32)
  crops = (np.stack([cut(c, px, arch) for c in clips]) for px in (arch.template_px, arch.search_px))
  template = _templates(prepared, *crops, sizes, arch=arch)
  depths, losses, heads, moments = rng.integers(DEPTHS, size=len(clips)), [], state.params, state.opt_state
  for _ in range(FRAMES):
    for clip in clips:
      clip.frame += 1
    crops = np.stack([cut(c, arch.search_px, arch) for c in clips])
    scale = np.array([arch.template_px / float(template_side(c.size)) for c in clips])[:, None]
    truth = np.stack([c.sequence.boxes_xywh[c.frame] for c in clips]).astype(np.float64)
    center, size = (np.stack([getattr(c, name) for c in clips]) for name in ("center", "size"))
    in_crop = (size * scale, (box_center(truth) - center) * scale, truth[:, 2:] * scale)
    batch = (prepared, template, crops, *(np.float32(values) for values in in_crop))
    heads, moments, loss, readings = _learn(heads, moments, *batch, optimizer=optimizer, arch=arch)
    losses.append(float(loss))
    if not np.isfinite(losses[-1]):
      break  # a track that became NaN leads nowhere; who called says so
    advance(clips, jax.device_get(readings), depths, scale, truth, rng, arch=arch)
  return TrainState(heads, moments, state.step + 1), float(np.mean(losses))


@functools.partial(jax.jit, static_argnames="arch")
def _templates(prepared, keys, key_searches, sizes, *, arch):
  return lax.map(lambda target: make_template(prepared, *target, arch=arch), (keys, key_searches, sizes))


@functools.partial(jax.jit, static_argnames=("optimizer", "arch"))
def _learn(heads, moments, *batch, optimizer, arch):
  grad_of = jax.value_and_grad(functools.partial(head_losses, arch=arch), has_aux=True)
  (loss, readings), grads = grad_of(heads, *batch)
  updates, moments = optimizer.update(grads, moments, heads)
  return optax.apply_updates(heads, updates), moments, loss, readings


def advance(
  clips: list[Clip],
  readings: Reading,
  depths: Int[np.ndarray, "n"],
  scale: Float[np.ndarray, "n 1"],
  truth: Float[np.ndarray, "n 4"],
  rng: np.random.Generator,
  *,
  arch: Architecture,
) -> None:
  """Moves each track to what its depth has read, or to the true box where it is off."""
  for i, clip in enumerate(clips):
    height, width = clip.sequence.frames[clip.frame].shape[:2]
    read = readings.size[i, depths[i]] / scale[i]
    frame_wh = np.float32([width, height])
    rows = (np.float32(values)[None] for values in (read, clip.size, clip.first_size))
    size = np.asarray(next_size(*rows, frame_wh, arch=arch))[0].astype(np.float64)
    center = np.clip(clip.center + readings.center[i, depths[i]] / scale[i], 0, (width, height))
    if iou(box_from_center(center, size), truth[i]) < OFF_IOU:
      center, size = box_center(truth[i]), truth[i, 2:] * np.exp(rng.normal(0, 0.2, 2))
    clip.center, clip.size = center, size
