"""One frame of tracking as the network sees it: crops in, boxes out. Fixed shapes, so one program serves every frame.

Crops are cut before (`data.crops`); state is passed, never hidden. All of it is of n targets.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.geometry import Arrays, box_from_center, crop_scale, displacement_in_image
from adadepth.models.architecture import Architecture
from adadepth.models.network import Template, make_template
from adadepth.tracking.belief import NOT_THERE, next_missed, shows_something, stays
from adadepth.tracking.budget import Budget
from adadepth.tracking.learning import learn
from adadepth.tracking.policies import Policy
from adadepth.tracking.reader import Search
from adadepth.tracking.region import size_of_crop
from adadepth.tracking.threshold import next_threshold
from adadepth.tracking.track import Track

# Of the reader "box": how far a size moves to what is read, in logarithms, and how far from the first it may get.
SIZE_RATE, SIZE_RANGE = 0.6, 5.0


class TrackerState(NamedTuple):
  """What the tracker carries from frame to frame.

  Attributes:
    template: what the targets look like in their first frame, and lately.
    box_xywh: in the last frame, image pixels, [n, 4].
    threshold: T of hard gating for the next frame, [n].
    first_size_wh: (w, h) of the first box, image pixels, [n, 2].
    missed: frames in a row, the last one included, in which the target was not believed to be there, [n].
  """

  template: Template
  box_xywh: Float[Array, "n 4"]
  threshold: Float[Array, "n"]
  first_size_wh: Float[Array, "n 2"]
  missed: Int[Array, "n"]


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
  return TrackerState(template, boxes_xywh, thresholds, size_wh, jnp.zeros(len(boxes_xywh), jnp.int32))


def update(
  params: dict,
  state: TrackerState,
  searches: Array,
  centers: Float[Array, "n 2"],
  frame_wh: Float[Array, "2"],
  *,
  budget: Budget | None = None,
  policy: Policy,
  arch: Architecture,
) -> tuple[TrackerState, Track]:
  """Finds the targets in their search crops.

  crops -> features -> responses -> confidences -> displacement in the crop -> in the image -> box.

  Args:
    searches: crops at the scale of `region.size_of_crop`, RGB 0..255, [n, search_px, search_px, 3].
    centers: where they were cut, image pixels: see `lost.search_center`.
    frame_wh: (width, height) of the frames; centres stay inside.
    budget: T then follows what the exits cost; None: T stays.
    policy: of `policies.policy_named`.
  """
  size_wh = size_of_crop(state.box_xywh[:, 2:], state.first_size_wh, reader=arch.reader)
  scale = crop_scale(size_wh, arch.template_px)
  decision = policy(params, state.template, Search(searches, size_wh * scale[:, None]), state.threshold)
  sure = jnp.where(shows_something(searches), decision.reading.score, NOT_THERE)
  decision = decision._replace(reading=decision.reading._replace(score=sure))
  center = centers + displacement_in_image(decision.reading.center, scale)
  size = next_size(decision.reading.size / scale[:, None], size_wh, state.first_size_wh, frame_wh, arch=arch)
  missed = next_missed(decision.reading.score, state.missed)
  read = box_from_center(jnp.clip(center, 0, frame_wh[None]), size)
  stay = stays(decision.reading.score, missed)
  box, threshold = jnp.where(stay[:, None], state.box_xywh, read), state.threshold
  if budget is not None:
    threshold = jax.vmap(functools.partial(next_threshold, budget=budget))(threshold, decision.depth)
  score = jax.nn.sigmoid(decision.reading.score)
  template = learn(state.template, decision, arch=arch)
  state = state._replace(template=template, box_xywh=box, threshold=threshold, missed=missed)
  return state, Track(box, decision.confidences, decision.depth, score, missed)


def next_size(
  read_wh: Float[Arrays, "n 2"],
  last_wh: Float[Arrays, "n 2"],
  first_wh: Float[Arrays, "n 2"],
  frame_wh: Float[Arrays, "2"],
  *,
  arch: Architecture,
) -> Float[Arrays, "n 2"]:
  """The size of the next boxes, image pixels: of the reader "box", part of the way to what was read, within limits."""
  if arch.reader != "box":
    return read_wh
  size = jnp.exp((1 - SIZE_RATE) * jnp.log(last_wh) + SIZE_RATE * jnp.log(read_wh))
  largest = jnp.minimum(SIZE_RANGE * first_wh, 2 * frame_wh[None])
  return jnp.clip(size, jnp.minimum(first_wh / SIZE_RANGE, largest), largest)


# One program each for a network (and a policy), and for each number of targets.
compiled_init = jax.jit(init, static_argnames="arch")
compiled_update = jax.jit(update, static_argnames=("policy", "arch"))
