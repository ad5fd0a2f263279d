"""One frame of tracking as the network sees it: crops in, boxes out. Fixed shapes, so one program serves every frame.

Crops are cut before (`data.crops`); state is passed, never hidden. All of it is of n targets.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.geometry import box_center, box_from_center, crop_scale, displacement_in_image
from adadepth.models.architecture import Architecture
from adadepth.models.network import Template, make_template
from adadepth.tracking.budget import Budget, next_threshold
from adadepth.tracking.policies import Policy


class TrackerState(NamedTuple):
  """What the tracker carries from frame to frame.

  Attributes:
    template: what the targets look like in their first frame.
    box_xywh: in the last frame, image pixels, [n, 4].
    threshold: T of hard gating for the next frame, [n].
    first_size_wh: (w, h) of the first box, image pixels, [n, 2]. Crops keep its scale: the scale since the first
      frame is read anew in each, so that it cannot run away.
  """

  template: Template
  box_xywh: Float[Array, "n 4"]
  threshold: Float[Array, "n"]
  first_size_wh: Float[Array, "n 2"]


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
  keys: Array,
  key_searches: Array,
  boxes_xywh: Float[Array, "n 4"],
  thresholds: Float[Array, "n"],
  *,
  arch: Architecture,
) -> TrackerState:
  """Takes the templates of n targets.

  Args:
    keys: key crops, RGB 0..255, [n, template_px, template_px, 3].
    key_searches: search crops of the same frame and centres, [n, search_px, search_px, 3].
    boxes_xywh: the targets' boxes, image pixels.
    thresholds: T of hard gating.
  """
  size_wh = boxes_xywh[:, 2:]
  size_in_crop = size_wh * crop_scale(size_wh, arch.template_px)[:, None]
  # Not vmap, which would make one grouped convolution of the ridge filters: slow on a CPU.
  one = lambda target: make_template(params, *target, arch=arch)  # noqa: E731
  template = jax.lax.map(one, (keys, key_searches, size_in_crop))
  return TrackerState(template, boxes_xywh, thresholds, size_wh)


def update(
  params: dict,
  state: TrackerState,
  searches: Array,
  frame_wh: Float[Array, "2"],
  *,
  budget: Budget | None = None,
  policy: Policy,
  arch: Architecture,
) -> tuple[TrackerState, Track]:
  """Finds the targets in their search crops.

  crops -> features -> responses -> confidences -> displacement in the crop -> in the image -> box.

  Args:
    searches: crops around the last boxes at the first boxes' scale, RGB 0..255, [n, search_px, search_px, 3].
    frame_wh: (width, height) of the frames; centres stay inside.
    budget: T then follows what the exits cost; None: T stays.
    policy: of `policies.policy_named`.
  """
  decision = policy(params, state.template, searches, state.threshold)
  in_image = displacement_in_image(decision.move.in_search, crop_scale(state.first_size_wh, arch.template_px))
  center = jnp.clip(box_center(state.box_xywh) + in_image, 0, frame_wh[None])
  box = box_from_center(center, state.first_size_wh * jnp.exp(decision.move.log_scale)[:, None])
  threshold = state.threshold
  if budget is not None:
    threshold = jax.vmap(functools.partial(next_threshold, budget=budget))(threshold, decision.depth)
  return state._replace(box_xywh=box, threshold=threshold), Track(box, decision.confidences, decision.depth)


# One program each for a network (and a policy), and for each number of targets.
compiled_init = jax.jit(init, static_argnames="arch")
compiled_update = jax.jit(update, static_argnames=("policy", "arch"))
