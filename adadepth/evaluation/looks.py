"""What every depth sees in the frames that hard gating tracks, past its exits too: for people who look on."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from adadepth.data.ahead import read_ahead
from adadepth.data.sequence import Sequence
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import Template, block_outputs, correlation_map, filter_of, respond_each
from adadepth.tracking.track import Track, given_track
from adadepth.tracking.tracker import Target, Tracker


class AllDepths(NamedTuple):
  """One search, by all depths.

  Attributes:
    square_xyw: the part of the frame that was searched: its corner and side, image pixels, [3].
    responses: of each depth over that square, [5, r, r].
    confidences: c_1..c_5, the tracker's own as deep as it went, [5].
    threshold: T, which a confidence must exceed.
  """

  square_xyw: Float[np.ndarray, "3"]
  responses: Float[np.ndarray, "5 r r"]
  confidences: Float[np.ndarray, "5"]
  threshold: float


class Look(NamedTuple):
  """One frame: its number in the sequence, its pixels, the track, and what all depths saw; None of the given box."""

  number: int
  frame: UInt8[np.ndarray, "h w 3"]
  track: Track
  seen: AllDepths | None


@functools.partial(jax.jit, static_argnames="arch")
def all_responses(params: dict, template: Template, crops: Array, *, arch: Architecture) -> Float[Array, "n 5 r r"]:
  """The response of each depth to search crops, RGB 0..255, [n, search_px, search_px, 3], a template each."""
  outputs = block_outputs(params, crops, arch=arch, depths=DEPTHS)
  maps = [correlation_map(x, depth=k, arch=arch) for k, x in enumerate(outputs)]
  return jnp.stack([respond_each(filter_of(template, k), x, arch=arch) for k, x in enumerate(maps)], axis=1)


def see(tracker: Tracker, target: Target, frame: UInt8[np.ndarray, "h w 3"]) -> AllDepths:
  """What all depths see where the next frame is searched for one target.

  The confidences come from hard gating itself, with a threshold that none of them reaches: its program is there.
  """
  crops, centers, sides_px = tracker.search_crops(target, frame)
  responses = all_responses(tracker.params, target.state.template, crops, arch=tracker.model.arch)
  no_exit = target._replace(state=target.state._replace(threshold=np.full(1, 2, np.float32)))
  confidences = tracker.update(no_exit, frame)[1].confidences
  square = np.float32([*(centers[0] - sides_px[0] / 2), sides_px[0]])
  return AllDepths(square, np.asarray(responses[0], np.float32), confidences, float(target.state.threshold[0]))


def look_along(tracker: Tracker, sequence: Sequence, *, frames: int) -> Iterator[Look]:
  """Tracks the first frames of a sequence from its first box on, and looks at each with all depths.

  Args:
    frames: at most so many, the given one included.
  """
  start = sequence.first_box
  read = read_ahead(sequence.frames, start=start, stop=min(start + frames, len(sequence)))
  first = next(read)
  target = tracker.init(first, sequence.boxes_xywh[start])
  yield Look(start, first, given_track(sequence.boxes_xywh[start]), None)
  for number, frame in enumerate(read, start + 1):
    seen = see(tracker, target, frame)
    target, track = tracker.update(target, frame)
    yield Look(number, frame, track, seen)
