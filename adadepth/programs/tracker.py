"""Tracking a target, or n at once: init on the first frame, update on every other. State is passed, never hidden."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt8

from adadepth.maths.architecture import Architecture
from adadepth.maths.closer import LOG_GROWTHS, SAME_SIZE, CloserTemplate, correlation_coefficients, expected_place
from adadepth.maths.crop import crop_square, larger_windows
from adadepth.maths.geometry import (
  box_center,
  box_from_center,
  crop_scale,
  displacement_in_image,
  displacement_in_search,
  template_side,
)
from adadepth.maths.readout import Readout, displacement_in_response
from adadepth.programs.budget import Budget, next_threshold
from adadepth.programs.network import adapted_templates, closer_look_at
from adadepth.programs.policies import Decision, Policy


class TrackerState(NamedTuple):
  """What the tracker carries from frame to frame; of n targets, with a leading axis.

  Attributes:
    templates: the first frame's whitened maps, one a depth, adapted as the architecture asks.
    box_xywh: the target's box in the last frame, image pixels, [*n, 4].
    threshold: T of hard gating for the next frame, [*n].
    closer: what a closer look compares the target with; None for a network without one.
    first_size_wh: (w, h) of the first box, image pixels, [*n, 2].
  """

  templates: tuple
  box_xywh: Float[Array, "*n 4"]
  threshold: Float[Array, "*n"]
  closer: CloserTemplate | None
  first_size_wh: Float[Array, "*n 2"]


class Track(NamedTuple):
  """What the tracker says of one frame; of t frames or n targets, with leading axes.

  Attributes:
    box_xywh: image pixels, [*n, 4].
    confidences: c_1..c_5 (see `policies.Decision`), [*n, 5].
    depth: the deepest block computed, 0..4, [*n].
  """

  box_xywh: Float[Array, "*n 4"]
  confidences: Float[Array, "*n 5"]
  depth: Int[Array, "*n"]


def init(
  params: dict,
  frame: UInt8[Array, "h w 3"],
  box_xywh: Float[Array, "4"],
  *,
  threshold: float | Float[Array, ""],
  arch: Architecture,
  window_hw: tuple[int, int],
) -> TrackerState:
  """Takes the templates from the first frame, and trains them on it if the architecture asks for that.

  Args:
    frame: RGB.
    box_xywh: the target's box, image pixels.
    threshold: T of hard gating.
    window_hw: static window of the search crop, see `crop.window_px`; the template's suffices for a plain template.
  """
  size_wh = box_xywh[2:]
  side, size_in_crop = template_side(size_wh), size_wh * crop_scale(size_wh, arch.template_px)

  def cut(times: float, crop_px: int) -> Float[Array, "px px 3"]:
    return crop_square(frame, box_center(box_xywh), side * times, crop_px=crop_px, window_hw=window_hw)

  template = cut(1.0, arch.template_px)
  key_search = cut(arch.search_px / arch.template_px, arch.search_px) if arch.adapt_steps else template
  templates = adapted_templates(params, template, key_search, size_in_crop, arch=arch)
  sizes = [math.exp(-log_growth) for log_growth in (LOG_GROWTHS if arch.scale_gain else SAME_SIZE)]
  grown = jnp.stack([template if size == 1 else cut(size, arch.template_px) for size in sizes])
  closer = closer_look_at(params, grown, size_in_crop, arch=arch)
  return TrackerState(templates, box_xywh, jnp.asarray(threshold, jnp.float32), closer, size_wh)


def init_many(
  params: dict,
  frames: UInt8[Array, "h w 3"] | UInt8[Array, "n h w 3"],
  boxes_xywh: Float[Array, "n 4"],
  *,
  threshold: float | Float[Array, ""],
  arch: Architecture,
  window_hw: tuple[int, int],
) -> TrackerState:
  """`init` of n targets in one frame, or each in its own: their states as one, with a leading n."""
  one = functools.partial(init, params, threshold=threshold, arch=arch, window_hw=window_hw)
  return jax.vmap(one, (frame_axis(frames), 0))(frames, boxes_xywh)


def update(
  params: dict,
  state: TrackerState,
  frame: UInt8[Array, "h w 3"],
  *,
  budget: Budget | None = None,
  policy: Policy,
  arch: Architecture,
  readout: Readout,
  window_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """Finds the target in the next frame, searching around its last box.

  frame -> crop -> features -> response -> displacement in cells -> in the search crop -> in the image -> box.

  Args:
    budget: T then follows what the exits cost; None: T stays.
    policy: of `policies.policy_named`.
    readout: how the response becomes a displacement.
    window_hw: static window of the search crop, see `crop.window_px`.
  """
  search = search_crop(state.box_xywh, frame, arch=arch, window_hw=window_hw)
  decision = policy(params, state.templates, search, state.threshold)
  return moved(state, decision, budget=budget, arch=arch, readout=readout, frame_hw=frame.shape[:2])


def update_many(
  params: dict,
  states: TrackerState,
  frames: UInt8[Array, "h w 3"] | UInt8[Array, "n h w 3"],
  *,
  budget: Budget | None = None,
  policy: Policy,
  arch: Architecture,
  readout: Readout,
  window_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """`update` of n targets at once; what one of them does not need is not computed for it.

  Args:
    states: n targets' states as one, from `init_many`.
    frames: one frame that they all are in, or one for each.
    budget: as of `update`; each target has a T of its own.
    policy: of `batch.policy_each_named`.
    window_hw: of the largest target; one for all.
  """
  crop = functools.partial(search_crop, arch=arch, window_hw=window_hw)
  searches = jax.vmap(crop, (0, frame_axis(frames)))(states.box_xywh, frames)
  decisions = policy(params, states.templates, searches, states.threshold)
  move = functools.partial(moved, budget=budget, arch=arch, readout=readout, frame_hw=frames.shape[-3:-1])
  return jax.vmap(move)(states, decisions)


def search_crop(
  box_xywh: Float[Array, "4"], frame: UInt8[Array, "h w 3"], *, arch: Architecture, window_hw: tuple[int, int]
) -> Float[Array, "px px 3"]:
  """The crop around a target's last box in which it is searched.

  The window is for a target of its first size; for one that has grown a larger one is taken.
  """
  side = arch.search_px / crop_scale(box_xywh[2:], arch.template_px)
  windows = larger_windows(window_hw, frame.shape[:2]) if arch.scale_gain else (window_hw,)
  cuts = [
    functools.partial(crop_square, frame, box_center(box_xywh), side, crop_px=arch.search_px, window_hw=window)
    for window in windows
  ]
  # A window as large as the frame on one axis is large enough on it.
  limits = [min(w for w, f in zip(window, frame.shape[:2], strict=True) if w < f) - 4 for window in windows[:-1]]
  too_small = [(side > limit).astype(jnp.int32) for limit in limits]
  return lax.switch(sum(too_small), cuts) if too_small else cuts[0]()


def moved(
  state: TrackerState,
  decision: Decision,
  *,
  budget: Budget | None,
  arch: Architecture,
  readout: Readout,
  frame_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """The target where the policy's response peaks, or where a closer look around it says; and T for the next frame.

  Its centre stays in the frame.
  """
  center_in_image, size_wh = box_center(state.box_xywh), state.box_xywh[2:]
  disp_in_response = displacement_in_response(decision.response, readout, template_cells=arch.template_cells)
  disp_in_search = displacement_in_search(disp_in_response, arch.stride_px)
  growth = jnp.float32(1)
  if state.closer is not None:
    coefficients = correlation_coefficients(state.closer, decision.fine_map)
    fine = {"stride_px": arch.fine_stride_px, "error_px": arch.finer_px}
    disp_in_search, log_growth = expected_place(coefficients, disp_in_search, **fine)
    growth = jnp.exp(arch.scale_gain * log_growth)
  disp_in_image = displacement_in_image(disp_in_search, crop_scale(size_wh, arch.template_px))
  limit_wh = jnp.array(frame_hw[::-1], jnp.float32)
  center = jnp.clip(center_in_image + disp_in_image, 0, limit_wh)
  box = box_from_center(center, grown_size(size_wh, growth, state.first_size_wh, limit_wh))
  threshold = state.threshold if budget is None else next_threshold(state.threshold, decision.depth, budget)
  return state._replace(box_xywh=box, threshold=threshold), Track(box, decision.confidences, decision.depth)


def grown_size(
  size_wh: Float[Array, "2"], growth: Float[Array, ""], first_wh: Float[Array, "2"], frame_wh: Float[Array, "2"]
) -> Float[Array, "2"]:
  """The size after growing, of the first one's shape: at most the frame's, unless it began larger; at least 4 px."""
  now = size_wh[0] / first_wh[0]
  most = jnp.maximum(jnp.min(frame_wh / first_wh), 1)
  least = jnp.minimum(4 / jnp.min(first_wh), 1)
  return first_wh * jnp.clip(now * growth, least, most)


def frame_axis(frames: UInt8[Array, "h w 3"] | UInt8[Array, "n h w 3"]) -> int | None:
  """What `vmap` over targets does with their frames: one for all, or one each."""
  return None if frames.ndim == 3 else 0


# Each is one program per frame size and window (and number of targets), and the updates one per policy.
compiled_init = jax.jit(init, static_argnames=("arch", "window_hw"))
compiled_init_many = jax.jit(init_many, static_argnames=("arch", "window_hw"))
compiled_update = jax.jit(update, static_argnames=("policy", "arch", "readout", "window_hw"))
compiled_update_many = jax.jit(update_many, static_argnames=("policy", "arch", "readout", "window_hw"))
