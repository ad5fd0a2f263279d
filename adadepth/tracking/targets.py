"""Several targets in one video, each from the frame in which it is given.

Those that are given in one frame are tracked as one batch; a later one is a batch of its own, since each number of
targets is a program of its own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from adadepth.io.first_boxes import FirstBox
from adadepth.tracking.track import Track, given_track


@runtime_checkable
class Follows(Protocol):
  """What follows targets: `Tracker`, or what does as it does."""

  def init(self, frame, box_xywh, threshold: float | None = None) -> Any: ...

  def update(self, target: Any, frame: Any) -> tuple[Any, Track]: ...


class Found(NamedTuple):
  """Where a target is in a frame.

  Attributes:
    target: its number, from 0.
    track: of this target alone, on the host.
    given: whether it was told, not found.
  """

  target: int
  track: Track
  given: bool


class Batch(NamedTuple):
  """Targets that were given in one frame.

  Attributes:
    targets: their numbers.
    target: of `Follows.init`.
  """

  targets: tuple[int, ...]
  target: Any


class Frame(NamedTuple):
  """One frame, tracked.

  Attributes:
    frame: uint8 [h, w, 3] RGB.
    found: by target, those that have begun; None for a frame that an earlier run has tracked.
    seconds: from the frame to the boxes; taking templates and compiling are not counted, 0 where nothing else was done.
    batches: what the next frame begins from.
  """

  frame: UInt8[np.ndarray, "h w 3"]
  found: list[Found] | None
  seconds: float
  batches: list[Batch]


class Earlier(NamedTuple):
  """Where an earlier run has stopped.

  Attributes:
    frames: how many it has tracked.
    states: of each batch, as `state_of` has it.
  """

  frames: int
  states: list[list[np.ndarray]]


def follow_all(
  tracker: Follows,
  frames: Iterable[UInt8[np.ndarray, "h w 3"]],
  first_boxes: list[FirstBox],
  *,
  earlier: Earlier | None = None,
) -> Iterator[Frame]:
  """Tracks all targets through decoded frames, predictions fed back.

  Args:
    earlier: its frames are passed over, but for those in which targets begin; the boxes that follow are those that it
      would have found.
  """
  batches, firsts = [], []
  for t, frame in enumerate(frames):
    begin = tuple(i for i, first in enumerate(first_boxes) if first.frame == t)
    if earlier and t < earlier.frames:
      firsts += [(frame, begin)] if begin else []
      yield Frame(frame, None, 0.0, batches)
      continue
    if earlier and t == earlier.frames:
      begun = [begin_batch(tracker, first, first_boxes, targets) for first, targets in firsts]
      batches = [with_state(*pair) for pair in zip(begun, earlier.states, strict=True)]
    found, seconds = [], 0.0
    for i, batch in enumerate(batches):
      start = time.perf_counter()
      target, track = tracker.update(batch.target, frame)
      seconds += time.perf_counter() - start
      batches = [*batches[:i], batch._replace(target=target), *batches[i + 1 :]]
      found += found_in(batch.targets, track, given=False)
    if begin:
      batches = [*batches, begin_batch(tracker, frame, first_boxes, begin)]
      found += found_in(begin, given_track(batches[-1].target.box_xywh), given=True)
    yield Frame(frame, sorted(found, key=lambda one: one.target), seconds, batches)


def begin_batch(tracker: Follows, frame: np.ndarray, first_boxes: list[FirstBox], targets: tuple[int, ...]) -> Batch:
  """The targets' templates, and the compiled program that finds them."""
  target = tracker.init(frame, np.stack([first_boxes[i].box_xywh for i in targets]))
  tracker.update(target, frame)  # compiles; its result is dropped
  return Batch(targets, target)


def found_in(targets: tuple[int, ...], track: Track, *, given: bool) -> list[Found]:
  """The track of each target."""
  return [Found(i, Track(*(np.asarray(leaf[row]) for leaf in track)), given) for row, i in enumerate(targets)]


def state_of(batch: Batch) -> list[np.ndarray]:
  """What a batch has become since its first frame, on the host, to go on from."""
  arrays: list[np.ndarray] = []
  with_arrays(batch.target, lambda array: arrays.append(np.asarray(array)))
  return arrays


def with_state(batch: Batch, state: list[np.ndarray]) -> Batch:
  """A batch that has just begun as it was when `state_of` was taken of it."""
  kept = iter(state)
  return batch._replace(target=with_arrays(batch.target, lambda _: next(kept)))


def with_arrays(tree: Any, change: Callable[[Any], Any]) -> Any:
  """A tree of tuples, lists and dicts with `change` of each array in its place; whatever else is in it stays."""
  if isinstance(tree, dict):
    return {name: with_arrays(part, change) for name, part in tree.items()}
  if isinstance(tree, tuple | list):
    parts = [with_arrays(part, change) for part in tree]
    return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
  return change(tree) if hasattr(tree, "dtype") else tree
