"""The program that is exported: a frame with one target, its first or a later one, from crops to box and next state."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.tracking.budget import Budget
from adadepth.tracking.policies import policy_named
from adadepth.tracking.step import TrackerState, init, update
from adadepth.tracking.threshold import next_threshold
from adadepth.tracking.track import Track


def frame_program(policy: str, *, arch: Architecture):
  """(params, first, key, search, center, frame_wh, cost_by_exit, budget, state) -> {"next": ..., "track": ...}.

  One program for both kinds of frame, so that a file holds the weights once. All state is passed, with a leading 1.

  Args of what is returned:
    first: whether the target's box is given in this frame: in `state.box_xywh`, with T in `state.threshold`. The rest
      of the state then means nothing, and neither does `key` in later frames.
    key: crop, uint8 [1, template_px, template_px, 3].
    search: crop, uint8 [1, search_px, search_px, 3], in a first frame around the target.
    center: of the search crop, image pixels, [1, 2].
    frame_wh: (width, height) of the frame, [2].
    cost_by_exit: what a frame costs that stops at each depth, in the budget's unit, [5].
    budget: what a frame may cost in the mean; 0: T stays.
    state: `step.TrackerState` of one target.
  """
  find = policy_named(policy, arch=arch)

  def one_frame(params, *, first, key, search, center, frame_wh, cost_by_exit, budget, state):
    def begin(state: TrackerState) -> tuple[TrackerState, Track]:
      begun = init(params, key, search, state.box_xywh, state.threshold, arch=arch)
      return begun, given(state.box_xywh)

    def go_on(state: TrackerState) -> tuple[TrackerState, Track]:
      found, track = update(params, state, search, center, frame_wh, policy=find, arch=arch)
      return found._replace(threshold=held(state.threshold, track.depth, cost_by_exit, budget)), track

    state, track = jax.lax.cond(first, begin, go_on, state)
    return {"next": state, "track": track}

  return one_frame


def given(box_xywh: Float[Array, "1 4"]) -> Track:
  """The track of a first frame, as `track.given_track` has it."""
  none = jnp.zeros(1, jnp.int32)
  return Track(box_xywh, jnp.zeros((1, DEPTHS)), none, jnp.ones(1), none)


def held(
  threshold: Float[Array, "1"], depth: Int[Array, "1"], cost_by_exit: Float[Array, "5"], budget: Float[Array, ""]
) -> Float[Array, "1"]:
  """T for the next frame: moved where there is a budget."""
  move = functools.partial(next_threshold, budget=Budget(budget, cost_by_exit, 0.5))
  return jax.lax.cond(budget > 0, jax.vmap(move), lambda threshold, _: threshold, threshold, depth)


def inputs_of(params: dict, *, arch: Architecture) -> dict:
  """Shapes of what the program is given besides params, by name."""
  shape = jax.ShapeDtypeStruct
  sides = {"key": arch.template_px, "search": arch.search_px}
  crops = {name: shape((1, px, px, 3), jnp.uint8) for name, px in sides.items()}
  boxes, thresholds = shape((1, 4), jnp.float32), shape((1,), jnp.float32)
  state = jax.eval_shape(
    lambda params, *args: init(params, *args, arch=arch), params, crops["key"], crops["search"], boxes, thresholds
  )
  return {
    "first": shape((), bool),
    **crops,
    "center": shape((1, 2), jnp.float32),
    "frame_wh": shape((2,), jnp.float32),
    "cost_by_exit": shape((DEPTHS,), jnp.float32),
    "budget": shape((), jnp.float32),
    "state": state,
  }


def leaf_names(tree) -> list[tuple[str, Any]]:
  """("state/template/maps/0", leaf) of each leaf of a tree."""
  named = jax.tree.leaves_with_path(tree)
  return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in named]
