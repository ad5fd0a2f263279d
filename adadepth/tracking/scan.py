"""A sequence in memory as one program."""

import functools

import jax
from jax import lax
from jaxtyping import Array, UInt8

from adadepth.maths.peaks import Readout
from adadepth.models.architecture import Architecture
from adadepth.tracking.budget import Budget
from adadepth.tracking.policies import Policy
from adadepth.tracking.step import Track, TrackerState, update


def track_frames(
  params: dict,
  state: TrackerState,
  frames: UInt8[Array, "t h w 3"],
  *,
  budget: Budget | None = None,
  policy: Policy,
  arch: Architecture,
  readout: Readout,
  window_hw: tuple[int, int],
) -> tuple[TrackerState, Track]:
  """`tracker.update` over t frames, each searched around the last one's box: a single `lax.scan`.

  Arguments as of `tracker.update`.

  Returns:
    The state after the last frame, and the tracks of all frames, with a leading t.
  """
  one = functools.partial(update, params, budget=budget, policy=policy, arch=arch, readout=readout, window_hw=window_hw)
  return lax.scan(one, state, frames)


# One program per policy, frame size, window and number of frames.
compiled_track_frames = jax.jit(track_frames, static_argnames=("policy", "arch", "readout", "window_hw"))
