"""One pass over videos, predictions fed back, as the field evaluates trackers."""

import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from adadepth.data.ahead import read_ahead
from adadepth.data.sequence import Sequence
from adadepth.evaluation.cache import Task, digest_of, each_once, file_of, key_of
from adadepth.evaluation.measures import one_pass_measures
from adadepth.evaluation.trackers import AnyTracker
from adadepth.io.code_digest import digest_of_function
from adadepth.maths.metrics import center_error, iou, precision, success_auc
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model
from adadepth.tracking.budget import Budget
from adadepth.tracking.policies import POLICIES
from adadepth.tracking.track import Track, given_track
from adadepth.tracking.tracker import Tracker


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
  tracker.update(target, first)  # compiles; its result is dropped
  yield first, given_track(box_xywh), 0.0
  for frame in frames:
    start = time.perf_counter()
    target, track = tracker.update(target, frame)
    yield frame, track, time.perf_counter() - start


class TrackedSequence(NamedTuple):
  """One pass over a sequence, from its first usable box on.

  Attributes:
    boxes_xywh: predicted, image pixels; the first is the given one, [t, 4].
    confidences: c_1..c_5, [t, 5]; the first row is 0.
    depth: deepest block computed, 0..4, [t]; the first is 0.
    score: the probability that the target is where it was read, [t]; the first is 1.
    missed: frames in a row in which the target was not found, [t].
    seconds: from a decoded frame to its box on the host, [t]; the first is 0.
    start: the frame whose box was given, which the first rows are of.
  """

  boxes_xywh: Float[np.ndarray, "t 4"]
  confidences: Float[np.ndarray, "t 5"]
  depth: Int[np.ndarray, "t"]
  score: Float[np.ndarray, "t"]
  missed: Int[np.ndarray, "t"]
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
  columns = (np.stack(column) for column in zip(*tracks, strict=True))
  return TrackedSequence(*columns, np.array(seconds), start)


def track_all(
  model: Model,
  sequences: Listing[Sequence],
  policies: Listing[str],
  *,
  frames: int,
  folder: pathlib.Path | None = None,
  budget: Budget | None = None,
) -> dict[str, list[TrackedSequence]]:
  """One pass over every sequence with every policy, by policy; the budget is hard gating's.

  Args:
    frames: of a sequence, at most; 0: all.
    folder: where each pass is kept, and taken from if nothing that it depends on has changed (`cache`).
  """
  tracks = {}
  for policy in policies:
    tracker, tasks = Tracker(model, policy, budget if policy == "hard" else None), []
    made_by, code = digest_of((model.params, tracker.budget)), digest_of_function(POLICIES[policy])
    for sequence in sequences:
      key = key_of(sequence, made_by, model.arch, model.threshold, policy, code, frames)
      path = file_of(folder / policy, sequence) if folder else None
      tasks.append(Task(path, key, lambda t=tracker, s=sequence: track_sequence(t, s, frames=frames)._asdict()))
    tracks[policy] = tracked_by(tasks, policy)
  return tracks


def track_with(tracker: AnyTracker, sequence: Sequence, *, frames: int = 0) -> TrackedSequence:
  """`track_sequence` of any tracker, whose depth is 0 and whose confidences are."""
  start = sequence.first_box
  stop = min(start + frames, len(sequence)) if frames else len(sequence)
  boxes, seconds = [sequence.boxes_xywh[start]], [0.0]
  read = read_ahead(sequence.frames, start=start, stop=stop)
  tracker.init(next(read), boxes[0])
  for frame in read:
    begin = time.perf_counter()
    box = np.asarray(tracker.update(frame), np.float32)
    seconds.append(time.perf_counter() - begin)
    boxes.append(box)
  return as_tracked(np.stack(boxes), np.array(seconds), start)


def as_tracked(boxes_xywh: Float[np.ndarray, "t 4"], seconds: Float[np.ndarray, "t"], start: int) -> TrackedSequence:
  """A pass of boxes alone."""
  none = np.zeros(len(boxes_xywh), np.int32)
  confidences, score = np.zeros((len(none), DEPTHS), np.float32), np.ones(len(none), np.float32)
  return TrackedSequence(boxes_xywh, confidences, none, score, none, seconds, start)


def track_all_with(
  name: str,
  make: Callable[[], AnyTracker],
  version: str,
  sequences: Listing[Sequence],
  *,
  frames: int,
  folder: pathlib.Path,
) -> list[TrackedSequence]:
  """`track_all` of any tracker; what it is, but for its name and version, is taken to stay the same."""
  tasks = [
    Task(
      file_of(folder / name, sequence),
      key_of(sequence, {}, name, version, frames),
      lambda s=sequence: track_with(make(), s, frames=frames)._asdict(),
    )
    for sequence in sequences
  ]
  return tracked_by(tasks, name)


def tracked_by(tasks: Listing[Task], name: str) -> list[TrackedSequence]:
  """The passes of one tracker, kept or made."""
  found = each_once(tasks, f"tracking ({name})")
  return [TrackedSequence(**arrays | {"start": int(arrays["start"])}) for arrays in found]


def score_tracking(tracked: list[TrackedSequence], sequences: list[Sequence]) -> dict:
  """The "tracking" entry of results.json: one pass, the given first box left out.

  Mean IoU, success AUC and precision are means over the sequences' own, those without a second true box left out; None
  where that leaves none. FPS is frames over the seconds from decoded frame to box; None where none was tracked, or
  nobody took the time. "measures" are those that papers print (`measures`), which count the first box.
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
    "fps": float(len(seconds) / seconds.sum()) if seconds.any() else None,
    "exits": exits.tolist(),
    "mean_iou_by_sequence": {name: float(row[0]) for name, row in rows.items()},
    "measures": one_pass_measures(sequences, [(run.boxes_xywh, run.start) for run in tracked]),
  }
