"""Tracking one target: init on the first frame, update on every other. State is passed, never hidden."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from adadepth.maths.architecture import Architecture
from adadepth.maths.crop import crop_square
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
from adadepth.programs.network import template_maps
from adadepth.programs.policies import Policy


class TrackerState(NamedTuple):
  """What the tracker carries from frame to frame.

  Attributes:
    templates: the first frame's whitened maps, one a depth.
    box_xywh: the target's box in the last frame, image pixels, [4].
    threshold: T of hard gating for the next frame.
  """

  templates: tuple
  box_xywh: Float[Array, "4"]
  threshold: Float[Array, ""]


class Track(NamedTuple):
  """What the tracker says of one frame.

  Attributes:
    box_xywh: image pixels, [4].
    confidences: c_1..c_5 (see `policies.Decision`), [5].
    depth: the deepest block computed, 0..4.
  """

  box_xywh: Float[Array, "4"]
  confidences: Float[Array, "5"]
  depth: Int[Array, ""]


def init(
  params: dict,
  frame: UInt8[Array, "h w 3"],
  box_xywh: Float[Array, "4"],
  threshold: float | Float[Array, ""],
  *,
  arch: Architecture,
  window_hw: tuple[int, int],
) -> TrackerState:
  """Takes the template from the first frame.

  Args:
    frame: RGB.
    box_xywh: the target's box, image pixels.
    threshold: T of hard gating.
    window_hw: static window of the template crop, see `crop.window_px`.
  """
  template = crop_square(
    frame,
    box_center(box_xywh),
    template_side(box_xywh[2:]),
    crop_px=arch.template_px,
    window_hw=window_hw,
  )
  return TrackerState(template_maps(params, template, arch=arch), box_xywh, jnp.float32(threshold))


def update(
  params: dict,
  state: TrackerState,
  frame: UInt8[Array, "h w 3"],
  budget: Budget | None = None,
  *,
  policy: Policy,
  arch: Architecture,
  readout: Readout,
  window_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """Finds the target in the next frame, searching around its last box; the box keeps its size.

  frame -> crop -> features -> response -> displacement in cells -> in the search crop -> in the image -> box.

  Args:
    budget: T then follows what the exits cost; None: T stays.
    policy: see `policies.policy_named`.
    readout: how the response becomes a displacement.
    window_hw: static window of the search crop, see `crop.window_px`.
  """
  center_in_image, size_wh = box_center(state.box_xywh), state.box_xywh[2:]
  scale = crop_scale(size_wh, arch.template_px)
  search = crop_square(frame, center_in_image, arch.search_px / scale, crop_px=arch.search_px, window_hw=window_hw)
  decision = policy(params, state.templates, search, state.threshold)
  disp_in_response = displacement_in_response(decision.response, readout, template_cells=arch.template_cells)
  disp_in_search = displacement_in_search(disp_in_response, arch.stride_px)
  disp_in_image = displacement_in_image(disp_in_search, scale)
  limit_wh = jnp.array([frame.shape[1], frame.shape[0]], jnp.float32)
  center = jnp.clip(center_in_image + disp_in_image, 0, limit_wh)
  box = box_from_center(center, size_wh)
  threshold = state.threshold if budget is None else next_threshold(state.threshold, decision.depth, budget)
  return state._replace(box_xywh=box, threshold=threshold), Track(box, decision.confidences, decision.depth)


# Each is one program per frame size and window, and `update` one per policy.
compiled_init = jax.jit(init, static_argnames=("arch", "window_hw"))
compiled_update = jax.jit(update, static_argnames=("policy", "arch", "readout", "window_hw"))
