"""VOT's protocols for any tracker: supervised, which starts it again after a failure, and multi-start, from anchors.

Their measures are of `maths.expected_overlap`, their overlaps of `maths.pixel_overlap`.
"""

import contextlib
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.data.result_files import ResultRows
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.trackers import AnyTracker
from adadepth.maths.expected_overlap import (
  FAILED,
  SKIPPED,
  SKIPPED_FRAMES,
  STARTED,
  TRACKED,
  multi_start_measures,
  supervised_accuracy,
  supervised_eao,
  supervised_runs,
)
from adadepth.maths.pixel_overlap import pixel_overlap
from adadepth.tracking.accepted import check_box

ANCHOR_EVERY = 50  # frames, where a data set has no anchors of its own


class Start(NamedTuple):
  """Where a multi-start run begins, and the frames that it goes through."""

  anchor: int
  frames: Int[np.ndarray, "t"]


def overlap_at(sequence: Sequence, frame: int, box_xywh: Float[np.ndarray, "4"], wh: tuple[int, int]) -> float:
  """VOT's overlap of a box with the truth as it is drawn; 0 where either is not there."""
  drawn = sequence.corners is not None and np.isfinite(sequence.corners[frame]).all()
  truth = sequence.corners[frame] if drawn else sequence.boxes_xywh[frame].astype(np.float64)
  return pixel_overlap(np.asarray(box_xywh, np.float64), truth, wh)


def supervised_pass(tracker: AnyTracker, sequence: Sequence) -> ResultRows:
  """One pass from the first frame with a box on; at an overlap of 0 the tracker starts again five frames later.

  A frame without the target is no failure, and none to start at; nor is one whose box the tracker refuses.
  """
  seen, wh = np.isfinite(sequence.boxes_xywh).all(axis=1), sequence.frame_wh
  boxes, marks = np.full((len(sequence), 4), np.nan), np.full(len(sequence), SKIPPED)
  start, running = sequence.first_box, False
  for t in range(start, len(sequence)):
    if not running:
      if t >= start and seen[t]:
        with contextlib.suppress(InputError):
          tracker.init(sequence.frames[t], sequence.boxes_xywh[t])
          marks[t], running = STARTED, True
      continue
    box = tracker.update(sequence.frames[t])
    if seen[t] and overlap_at(sequence, t, box, wh) == 0:
      marks[t], running, start = FAILED, False, t + SKIPPED_FRAMES
    else:
      marks[t], boxes[t] = TRACKED, box
  return ResultRows(boxes, marks)


def starts_of(sequence: Sequence) -> list[Start]:
  """The anchors of a sequence with their frames: the data set's own, or one every fifty frames with a box to start at.

  Of those a run goes on in the longer direction, as VOT2020 has it.
  """
  count = len(sequence)
  if sequence.anchors is not None and sequence.anchors.any():
    directions = {int(frame): int(sequence.anchors[frame]) for frame in np.flatnonzero(sequence.anchors)}
    order = sorted(directions, key=lambda frame: (-directions[frame], frame))  # forwards first
    return [_start(frame, directions[frame], count) for frame in order]
  anchors = [frame for frame in {*range(0, count, ANCHOR_EVERY), count - 1} if _can_start(sequence, frame)]
  return [_start(frame, 1 if frame < count / 2 else -1, count) for frame in sorted(anchors)]


def multi_start_pass(tracker: AnyTracker, sequence: Sequence, start: Start) -> Float[np.ndarray, "t 4"]:
  """The boxes of one run; the first is the given one.

  Raises:
    InputError: the data set's anchor has a box that the tracker refuses.
  """
  first, *rest = start.frames
  try:
    tracker.init(sequence.frames[first], sequence.boxes_xywh[first])
  except InputError as error:
    raise InputError(f"{sequence.name}, frame {first}, an anchor: {error}") from error
  boxes = [sequence.boxes_xywh[first], *(tracker.update(sequence.frames[t]) for t in rest)]
  return np.array(boxes, np.float64)


def supervised_scores(sequences: Listing[Sequence], passes: Listing[Listing[ResultRows]]) -> dict:
  """VOT2016's accuracy, robustness (failures a sequence) and EAO, of each sequence too.

  Args:
    passes: of each sequence, one a repetition.
  Returns:
    {"accuracy", "robustness", "eao", "by_sequence": {name: {"accuracy", "failures"}}}: means over sequences by length;
    EAO is None where no run is long enough.
  """
  rows, runs = {}, []
  for sequence, repeated in zip(sequences, passes, strict=True):
    overlaps = [_overlaps(sequence, np.arange(len(sequence)), rows.boxes_xywh) for rows in repeated]
    pairs = list(zip(overlaps, (one.marks for one in repeated), strict=True))
    rows[sequence.name] = {
      "accuracy": float(np.mean([supervised_accuracy(*pair) for pair in pairs])),
      "failures": float(np.mean([np.count_nonzero(marks == FAILED) for _, marks in pairs])),
    }
    runs += [run for pair in pairs for run in supervised_runs(*pair)]
  weights = [len(sequence) for sequence in sequences]
  accuracy, failures = (
    np.average([row[key] for row in rows.values()], weights=weights) for key in ("accuracy", "failures")
  )
  eao = supervised_eao(runs)
  return {
    "accuracy": float(accuracy),
    "robustness": float(failures),
    "eao": None if np.isnan(eao) else eao,
    "by_sequence": rows,
  }


def multi_start_scores(sequences: Listing[Sequence], runs: Listing[Listing[tuple[Start, np.ndarray]]]) -> dict:
  """VOT2020's accuracy, robustness (a share of frames) and EAO, of each sequence too.

  Args:
    runs: of each sequence, each start with its boxes.
  """
  measured = [
    [(_overlaps(sequence, start.frames, boxes, given=True), _seen(sequence)[start.frames]) for start, boxes in of_one]
    for sequence, of_one in zip(sequences, runs, strict=True)
  ]
  lengths = [len(sequence) for sequence in sequences]
  rows = {
    sequence.name: multi_start_measures([of_one], [length])._asdict()
    for sequence, of_one, length in zip(sequences, measured, lengths, strict=True)
  }
  return {**multi_start_measures(measured, lengths)._asdict(), "by_sequence": rows}


def _can_start(sequence: Sequence, frame: int) -> bool:
  """Whether there is a box that a tracker accepts: that of a target which leaves the frame is none."""
  width, height = sequence.frame_wh
  with contextlib.suppress(InputError):
    check_box(sequence.boxes_xywh[frame], (height, width, 3))
    return True
  return False


def _start(frame: int, direction: int, count: int) -> Start:
  return Start(frame, np.arange(frame, count) if direction > 0 else np.arange(frame, -1, -1))


def _seen(sequence: Sequence) -> Bool[np.ndarray, "t"]:
  return np.isfinite(sequence.boxes_xywh).all(axis=1)


def _overlaps(
  sequence: Sequence, frames: Int[np.ndarray, "t"], boxes: Float[np.ndarray, "t 4"], *, given: bool = False
) -> Float[np.ndarray, "t"]:
  """Overlaps at these frames; the first box, if it is given, counts as 0."""
  wh = sequence.frame_wh
  found = np.array([overlap_at(sequence, int(frame), box, wh) for frame, box in zip(frames, boxes, strict=True)])
  found[: int(given)] = 0
  return found
