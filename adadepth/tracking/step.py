"""Tracking a target, or n at once: init on the first frame, update on every other. State is passed, never hidden."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, UInt8

from adadepth.maths.crop import crop_square
from adadepth.maths.fusion import at_centre, place_and_growth
from adadepth.maths.geometry import (
  box_center,
  box_from_center,
  crop_scale,
  displacement_in_image,
  displacement_in_search,
  template_side,
)
from adadepth.maths.ncc import CloserTemplate, expected_place, of_same_size
from adadepth.maths.peaks import Readout, displacement_in_response
from adadepth.models.architecture import Architecture
from adadepth.models.network import adapted_templates, closer_coefficients, closer_look_at, grown_crops
from adadepth.tracking.budget import Budget, next_threshold
from adadepth.tracking.policies import Decision, Policy


class TrackerState(NamedTuple):
  """What the tracker carries from frame to frame; of n targets, with a leading axis.

  Attributes:
    templates: the first frame's whitened maps, one a depth, adapted as the architecture asks.
    box_xywh: the target's box in the last frame, image pixels, [*n, 4].
    threshold: T of hard gating for the next frame, [*n].
    closer: what a closer look at each of two blocks compares the target with; None for a network without one.
    first_size_wh: (w, h) of the first box, image pixels, [*n, 2]. Crops keep its scale: the growth since the first
      frame is read anew in each, so that it cannot run away.
  """

  templates: tuple
  box_xywh: Float[Array, "*n 4"]
  threshold: Float[Array, "*n"]
  closer: tuple[CloserTemplate, ...] | None
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
  looks_around = arch.adapt_steps or arch.growth
  key_search = cut(arch.search_px / arch.template_px, arch.search_px) if looks_around else template
  templates = adapted_templates(params, template, key_search, size_in_crop, arch=arch)
  closer = closer_look_at(params, grown_crops(template, key_search, arch=arch), size_in_crop, arch=arch)
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
  search = search_crop(state, frame, arch=arch, window_hw=window_hw)
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
  searches = jax.vmap(crop, (0, frame_axis(frames)))(states, frames)
  decisions = policy(params, states.templates, searches, states.threshold)
  move = functools.partial(moved, budget=budget, arch=arch, readout=readout, frame_hw=frames.shape[-3:-1])
  return jax.vmap(move)(states, decisions)


def search_crop(
  state: TrackerState, frame: UInt8[Array, "h w 3"], *, arch: Architecture, window_hw: tuple[int, int]
) -> Float[Array, "px px 3"]:
  """The crop around a target's last box in which it is searched."""
  side = arch.search_px / crop_scale(state.first_size_wh, arch.template_px)
  return crop_square(frame, box_center(state.box_xywh), side, crop_px=arch.search_px, window_hw=window_hw)


def moved(
  state: TrackerState,
  decision: Decision,
  *,
  budget: Budget | None,
  arch: Architecture,
  readout: Readout,
  frame_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """The target where the policy's decision puts it; and T for the next frame. Its centre stays in the frame."""
  displacement, log_growth = place_in_search(state.closer, decision, arch=arch, readout=readout)
  disp_in_image = displacement_in_image(displacement, crop_scale(state.first_size_wh, arch.template_px))
  limit_wh = jnp.array(frame_hw[::-1], jnp.float32)
  center = jnp.clip(box_center(state.box_xywh) + disp_in_image, 0, limit_wh)
  box = box_from_center(center, state.first_size_wh * jnp.exp(log_growth))
  threshold = state.threshold if budget is None else next_threshold(state.threshold, decision.depth, budget)
  return state._replace(box_xywh=box, threshold=threshold), Track(box, decision.confidences, decision.depth)


def place_in_search(
  closer: tuple[CloserTemplate, ...] | None, decision: Decision, *, arch: Architecture, readout: Readout
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """Where the target is in the search crop, and how much it has grown since its key.

  The posterior's mean where the decision has a belief. Else the response's peak, or where a closer look around it says,
  without growth.

  Returns:
    Displacement (x, y) from the crop's centre, crop pixels; logarithm of the growth.
  """

  def coefficients(template: CloserTemplate, depth: int) -> Float[Array, "s i i"]:
    return closer_coefficients(template, decision.fine_maps[depth], depth=depth, arch=arch)

  if decision.belief is not None:
    found = None
    if closer is not None:
      found = lax.cond(decision.depth > 0, lambda: coefficients(closer[1], 1), lambda: coefficients(closer[0], 0))
    was = at_centre(readout.drift * arch.search_px)
    return place_and_growth(decision.belief, decision.response, found, was, arch=arch)
  disp_in_response = displacement_in_response(decision.response, readout, template_cells=arch.template_cells)
  displacement = displacement_in_search(disp_in_response, arch.stride_px)
  if closer is not None:
    fine = {"stride_px": arch.fine_stride_px, "error_px": arch.finer_px}
    found = coefficients(of_same_size(closer[0]), 0)[0]
    displacement = expected_place(found, displacement, **fine)
  return displacement, jnp.float32(0)


def frame_axis(frames: UInt8[Array, "h w 3"] | UInt8[Array, "n h w 3"]) -> int | None:
  """What `vmap` over targets does with their frames: one for all, or one each."""
  return None if frames.ndim == 3 else 0


# Each is one program per frame size and window (and number of targets), and the updates one per policy.
compiled_init = jax.jit(init, static_argnames=("arch", "window_hw"))
compiled_init_many = jax.jit(init_many, static_argnames=("arch", "window_hw"))
compiled_update = jax.jit(update, static_argnames=("policy", "arch", "readout", "window_hw"))
compiled_update_many = jax.jit(update_many, static_argnames=("policy", "arch", "readout", "window_hw"))
