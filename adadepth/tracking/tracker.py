"""Tracking on the host's side: a tracker for one target, and whole sequences with it."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from adadepth.data.ahead import read_ahead
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.budgets import budget_for, relative_costs
from adadepth.io.progress import progress
from adadepth.maths.crop import window_px
from adadepth.maths.geometry import template_side
from adadepth.maths.metrics import center_error, iou, precision, success_auc
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.model import EMBEDDED, Model, check_gates, load_model
from adadepth.models.network import prepare_params
from adadepth.tracking.batch_policies import policy_each_named
from adadepth.tracking.budget import Budget
from adadepth.tracking.policies import FIXED, POLICIES, Policy, policy_named
from adadepth.tracking.scan import compiled_track_frames
from adadepth.tracking.step import (
  Track,
  TrackerState,
  compiled_init,
  compiled_init_many,
  compiled_update,
  compiled_update_many,
)


class Target(NamedTuple):
  """One target (or n) on its way: the device's state, the window its crops are cut from, the frames' shape."""

  state: TrackerState
  window_hw: tuple[int, int]
  frame_shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Tracker:
  """Tracks a target, or many at once; holds the network and the policy, never the targets.

  Attributes:
    model: a `Model`, or what `load_model` takes; the embedded slim network by default.
    policy: "xcorr1".."xcorr5", "soft" or "hard".
    budget: for "hard": what a frame may cost in the mean, relative to xcorr1, or a `Budget` of any unit. T then follows
      what the exits cost, each target's its own. None: T is the model's and stays.
    params: the model's, prepared for this machine (`prepare_params`), which is what runs.

  Example:
    tracker = adadepth.Tracker()
    target = tracker.init(frame, (x, y, w, h))
    for frame in frames:
      target, track = tracker.update(target, frame)
      print(track.box_xywh, track.depth)

  Many targets, in one frame or in n videos side by side (frames [n, h, w, 3]); each exits where it may:
    targets = tracker.init_many(frame, boxes)  # [n, 4]
    for frame in frames:
      targets, track = tracker.update_many(targets, frame)
      print(track.box_xywh, track.depth)  # [n, 4], [n]

  A video in memory, as one program:
    track = tracker.track(frames, (x, y, w, h))  # frames [t, h, w, 3]; track.box_xywh [t, 4]
  """

  model: Model | str = EMBEDDED
  policy: str = "hard"
  budget: float | Budget | None = None
  params: dict = dataclasses.field(init=False, repr=False)

  def __post_init__(self):
    check_policy(self.policy, self.budget)
    if not isinstance(self.model, Model):
      object.__setattr__(self, "model", load_model(self.model, argument="model"))
    if self.policy not in FIXED:
      check_gates(self.model, "`model`")
    if "backbone" not in self.model.params:
      raise InputError(
        "`model` holds gates alone, no backbone: give `model._replace(params={**model.params, "
        '"backbone": adadepth.models.weights.load_vgg19(path)})`'
      )
    if self.budget is not None and not isinstance(self.budget, Budget):
      costs = relative_costs(self.model.arch, self.model.readout)
      object.__setattr__(self, "budget", budget_for(self.model, self.budget, costs, "relative"))
    object.__setattr__(self, "params", prepare_params(self.model.params))

  def init(self, frame, box_xywh, threshold: float | Array | None = None) -> Target:
    """Takes the template of the target in a box of the first frame.

    Args:
      frame: RGB, uint8 [h, w, 3].
      box_xywh: four numbers, image pixels, 0-indexed, half-open; its centre must lie inside the frame.
      threshold: T to begin with, in [0, 1], such as the `state.threshold` that a budget brought another target to;
        None: the budget's start, or the model's own.
    Raises:
      InputError: a frame that is none, a box that cannot be tracked, or a threshold that is none.
    """
    box = box_array(box_xywh)
    check_frame(frame)
    check_box(box, frame.shape)
    arch = self.model.arch
    if threshold is not None and not 0 <= threshold <= 1:
      raise InputError(f"`threshold` (={threshold}) must lie in [0, 1]; None: the model's own")
    threshold = self.threshold if threshold is None else threshold
    window_hw = _window(float(template_side(box[2:])), frame, arch)
    state = compiled_init(self.params, frame, box, threshold=threshold, arch=arch, window_hw=window_hw)
    return Target(state, window_hw, frame.shape)

  def update(self, target: Target, frame: UInt8[np.ndarray | Array, "h w 3"]) -> tuple[Target, Track]:
    """Finds the target in the next frame.

    Raises:
      InputError: the frame has another size or type than the first.
    """
    check_next_frame(frame, target)
    state, track = compiled_update(self.params, target.state, frame, **self._step(target, policy_named))
    return target._replace(state=state), track

  def init_many(self, frames, boxes_xywh) -> Target:
    """Takes the templates of n targets; n stays, since each n is a program of its own.

    Args:
      frames: RGB, one frame that holds all targets, [h, w, 3], or each target's own, [n, h, w, 3].
      boxes_xywh: the targets' boxes, as `init` takes them, [n, 4].
    Raises:
      InputError: frames that are none, a box that cannot be tracked, or another number of frames than boxes.
    """
    boxes = box_array(boxes_xywh, "boxes_xywh")
    if boxes.ndim != 2 or not len(boxes):
      raise InputError(f"`boxes_xywh` has shape {boxes.shape}: it must be [n, 4], a box for each of n targets")
    check_frame(frames, "frames", "n, " if getattr(frames, "ndim", 3) == 4 else "")
    if frames.ndim == 4 and len(frames) != len(boxes):
      raise InputError(f"`frames` holds {len(frames)} frames for {len(boxes)} boxes: give one for all, or one for each")
    for i, box in enumerate(boxes):
      check_box(box, frames.shape[-3:], f"boxes_xywh[{i}]")
    arch = self.model.arch
    window_hw = _window(float(template_side(boxes[:, 2:]).max()), frames, arch)
    states = compiled_init_many(self.params, frames, boxes, threshold=self.threshold, arch=arch, window_hw=window_hw)
    return Target(states, window_hw, frames.shape)

  def update_many(self, targets: Target, frames: np.ndarray) -> tuple[Target, Track]:
    """Finds each of n targets in the next frame, or each in its own next frame, as they were given to `init_many`.

    Returns:
      The targets, and their track with a leading n.
    Raises:
      InputError: the frames have another shape or type than the first.
    """
    check_next_frame(frames, targets)
    step = self._step(targets, policy_each_named)
    states, track = compiled_update_many(self.params, targets.state, frames, **step)
    return targets._replace(state=states), track

  def track(self, frames, box_xywh) -> Track:
    """Tracks a target through a video in memory: one program for all frames (and one per number of frames).

    Args:
      frames: RGB, one uint8 array [t, h, w, 3].
      box_xywh: the target's box in the first frame, as `init` takes it.
    Returns:
      The track on the host, with a leading t; the first row is the given box, with confidence 0 at depth 0.
    Raises:
      InputError: frames that are no such array, or a box that cannot be tracked.
    """
    check_frame(frames, "frames", "t, ")
    target = self.init(frames[0], box_xywh)
    step = self._step(target, policy_named)
    first = given_track(box_xywh)
    if len(frames) == 1:
      return jax.tree.map(lambda row: row[None], first)
    _, rest = compiled_track_frames(self.params, target.state, frames[1:], **step)
    return jax.tree.map(lambda row, rows: np.concatenate([row[None], rows]), first, jax.device_get(rest))

  @property
  def threshold(self) -> float:
    """T of hard gating at a target's first frame."""
    return self.model.threshold if self.budget is None else float(self.budget.start)

  def _step(self, target: Target, named: Callable[..., Policy]) -> dict:
    """The arguments of a step's program, static but for the budget."""
    view = {"arch": self.model.arch, "readout": self.model.readout}
    return {"policy": named(self.policy, **view), "budget": self.budget, "window_hw": target.window_hw, **view}


def check_policy(policy: str, budget: float | Budget | None, prefix: str = "") -> None:
  """Raises InputError for no policy, or one that has no use for the budget; `prefix` is of the arguments' names."""
  if policy not in POLICIES:
    raise InputError(f"`{prefix}policy` (={policy!r}) must be one of {', '.join(POLICIES)}")
  if budget is not None and policy != "hard":
    raise InputError(f'`{prefix}budget` (={budget}) is for the policy "hard" alone, not for {policy!r}')


def check_frame(frame, name: str = "frame", leading: str = "") -> None:
  """Raises InputError for what is no RGB frame, or no array of them where a `leading` axis such as "t, " is named."""
  wanted = f"it must be RGB, uint8 [{leading}height, width, 3]"
  if not isinstance(frame, np.ndarray | Array):
    raise InputError(f"`{name}` is a {type(frame).__name__}: {wanted}, one array")
  if frame.ndim != 3 + bool(leading) or not frame.size or frame.shape[-1] != 3 or frame.dtype != np.uint8:
    raise InputError(f"`{name}` is {frame.dtype} {frame.shape}: {wanted}{'' if frame.size else ', not empty'}")


def check_next_frame(frame: np.ndarray | Array, target: Target) -> None:
  """Raises InputError for a frame (or n) of another shape than the first, or of another type."""
  if frame.shape != target.frame_shape or frame.dtype != np.uint8:
    like = f"uint8 {target.frame_shape}, as the first one was"
    raise InputError(f"`frame` is {frame.dtype} {frame.shape}: it must be {like}; init a target for another size")


def box_array(box_xywh, name: str = "box_xywh") -> Float[np.ndarray, "..."]:
  """What was given as a box, or n, as an array; raises InputError for what holds no numbers."""
  try:
    return np.asarray(box_xywh, np.float32)
  except (TypeError, ValueError):
    raise InputError(f"`{name}` (={box_xywh!r}) must be x,y,w,h in pixels with w and h above 0") from None


def check_box(box_xywh: Float[np.ndarray, "*n"], frame_shape: tuple[int, ...], name: str = "box_xywh") -> None:
  """Raises InputError for a first box that is no box or whose centre lies outside the frame."""
  height, width = frame_shape[:2]
  shown = ",".join(f"{v:g}" for v in box_xywh.reshape(-1))
  if box_xywh.shape != (4,) or not np.isfinite(box_xywh).all() or (box_xywh[2:] <= 0).any():
    raise InputError(f"`{name}` (={shown}) must be x,y,w,h in pixels with w and h above 0")
  center = box_xywh[:2] + box_xywh[2:] / 2
  if (center < 0).any() or center[0] > width or center[1] > height:
    raise InputError(f"`{name}` (={shown}) has its centre outside the {width}x{height} frame")


def _window(template_side_px: float, frame: np.ndarray, arch: Architecture) -> tuple[int, int]:
  side_px, crop_px = template_side_px * arch.search_px / arch.template_px, arch.search_px
  return tuple(window_px(side_px, px, crop_px=crop_px) for px in frame.shape[-3:-1])


def given_track(box_xywh) -> Track:
  """The track of a first frame: the given box, with confidence 0 at every depth."""
  return Track(np.asarray(box_xywh, np.float32), np.zeros(DEPTHS, np.float32), np.int32(0))


def follow(
  tracker: Tracker, frames: Iterable[UInt8[np.ndarray, "h w 3"]], box_xywh: Float[np.ndarray, "4"]
) -> Iterator[tuple[np.ndarray, Track, float]]:
  """Tracks through decoded frames, predictions fed back.

  Yields:
    The frame; its track on the host; the seconds from frame to box. The first track is the given box, with
    confidence 0 at every depth, in 0 seconds: taking the template and compiling are not counted.
  """
  frames = iter(frames)
  first = next(frames)
  target = tracker.init(first, box_xywh)
  jax.block_until_ready(tracker.update(target, first))  # compiles; its result is dropped
  yield first, given_track(box_xywh), 0.0
  for frame in frames:
    start = time.perf_counter()
    target, track = tracker.update(target, frame)
    yield frame, jax.device_get(track), time.perf_counter() - start


def computed_confidences(track: Track) -> Float[np.ndarray, "5"]:
  """c_1..c_5 with NaN at depths that were never computed, as they are drawn."""
  return np.where(np.arange(DEPTHS) <= track.depth, track.confidences, np.float32(np.nan))


class TrackedSequence(NamedTuple):
  """One pass over a sequence, from its first usable box on.

  Attributes:
    boxes_xywh: predicted, image pixels; the first is the given one, [t, 4].
    confidences: c_1..c_5, [t, 5]; the first row is 0.
    depth: deepest block computed, 0..4, [t]; the first is 0.
    seconds: from a decoded frame to its box on the host, [t]; the first is 0.
    start: the frame whose box was given, which the first rows are of.
  """

  boxes_xywh: Float[np.ndarray, "t 4"]
  confidences: Float[np.ndarray, "t 5"]
  depth: Int[np.ndarray, "t"]
  seconds: Float[np.ndarray, "t"]
  start: int = 0


def track_sequence(tracker: Tracker, sequence: Sequence, *, frames: int = 0) -> TrackedSequence:
  """One pass from the first usable box to the end; frames are decoded ahead in a thread.

  Args:
    frames: at most so many, the first included; 0: all.
  """
  start = sequence.first_box
  stop = min(start + frames, len(sequence)) if frames else len(sequence)
  read = read_ahead(sequence.frames, start=start, stop=stop)
  tracks, seconds = [], []
  for _, track, elapsed in follow(tracker, read, sequence.boxes_xywh[start]):
    tracks.append(track)
    seconds.append(elapsed)
  boxes, confidences, depth = (np.stack(column) for column in zip(*tracks, strict=True))
  return TrackedSequence(boxes, confidences, depth, np.array(seconds), start)


def track_all(
  model: Model, sequences: Listing[Sequence], policies: Listing[str], *, frames: int, budget: Budget | None = None
) -> dict[str, list[TrackedSequence]]:
  """One pass over every sequence with every policy, by policy; the budget is hard gating's."""
  tracks = {}
  for policy in policies:
    tracker = Tracker(model, policy, budget if policy == "hard" else None)
    runs = progress(sequences, f"tracking ({policy})")
    tracks[policy] = [track_sequence(tracker, sequence, frames=frames) for sequence in runs]
  return tracks


def score_tracking(tracked: list[TrackedSequence], sequences: list[Sequence]) -> dict:
  """The "tracking" entry of results.json: one pass, the given first box left out.

  Mean IoU, success AUC and precision are means over the sequences' own, those without a second true box left out; None
  where that leaves none. FPS is frames over the seconds from decoded frame to box; None where none was tracked.
  """
  rows = {}
  for result, sequence in zip(tracked, sequences, strict=True):
    truth = sequence.boxes_xywh[result.start + 1 : result.start + len(result.boxes_xywh)]
    seen = ~np.isnan(truth).any(axis=1)
    if not seen.any():
      continue
    ious = iou(result.boxes_xywh[1:][seen], truth[seen])
    errors = center_error(result.boxes_xywh[1:][seen], truth[seen])
    rows[sequence.name] = (ious.mean(), success_auc(ious), precision(errors))
  mean_iou, auc, within = np.mean(list(rows.values()), axis=0).tolist() if rows else (None, None, None)
  seconds = np.concatenate([r.seconds[1:] for r in tracked])
  exits = np.bincount(np.concatenate([r.depth[1:] for r in tracked]), minlength=DEPTHS) / max(1, len(seconds))
  return {
    "mean_iou": mean_iou,
    "success_auc": auc,
    "precision_20": within,
    "fps": float(len(seconds) / seconds.sum()) if len(seconds) else None,
    "exits": exits.tolist(),
    "mean_iou_by_sequence": {name: float(row[0]) for name, row in rows.items()},
  }
