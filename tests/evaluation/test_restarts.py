"""VOT's protocols: when a tracker starts, fails and starts again, and what that scores."""

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.restarts import (
  multi_start_pass,
  multi_start_scores,
  overlap_at,
  starts_of,
  supervised_pass,
  supervised_scores,
)
from adadepth.maths.expected_overlap import FAILED, SKIPPED, STARTED, TRACKED

BOX = (10, 10, 20, 20)


def still(frames: int, **more) -> Sequence:
  boxes = np.array([BOX] * frames, np.float32)
  return Sequence("vot/still", np.zeros((frames, 60, 60, 3), np.uint8), boxes, **more)


class Stays:
  """A tracker that stays for some frames after each start, and then leaves."""

  def __init__(self, frames: int):
    self.frames, self.starts = frames, 0

  def init(self, frame, box_xywh):
    self.left, self.box, self.starts = self.frames, box_xywh, self.starts + 1

  def update(self, frame):
    self.left -= 1
    return self.box if self.left >= 0 else np.float32([45, 45, 5, 5])


# Supervised


def test_a_tracker_starts_again_five_frames_after_a_failure():
  tracker = Stays(2)
  found = supervised_pass(tracker, still(11))
  expected = [STARTED, TRACKED, TRACKED, FAILED, *[SKIPPED] * 4, STARTED, TRACKED, TRACKED]
  assert found.marks.tolist() == expected and tracker.starts == 2
  assert np.isnan(found.boxes_xywh[:, 0]).tolist() == [mark != TRACKED for mark in expected]


def test_an_absent_target_is_no_failure_and_nothing_to_start_at():
  sequence = still(12)
  sequence.boxes_xywh[[0, 3, 9]] = np.nan
  found = supervised_pass(Stays(2), sequence)
  assert found.marks[:6].tolist() == [SKIPPED, STARTED, TRACKED, TRACKED, FAILED, SKIPPED]
  assert found.marks[9:].tolist() == [SKIPPED, STARTED, TRACKED]


def test_supervised_scores_by_hand():
  sequences = [still(30), still(10)]
  passes = [[supervised_pass(Stays(20), sequence)] for sequence in sequences]
  found = supervised_scores([sequences[0], Sequence("vot/b", *_parts(sequences[1]))], passes)
  # The long one: tracked to frame 20, lost at 21, started at 26; the burn-in leaves frames 10 to 20.
  assert found["by_sequence"] == {"vot/still": {"accuracy": 1, "failures": 1}, "vot/b": {"accuracy": 0, "failures": 0}}
  assert (found["accuracy"], found["robustness"], found["eao"]) == (0.75, 0.75, None)


def _parts(sequence: Sequence) -> tuple:
  return sequence.frames, sequence.boxes_xywh


def test_overlap_is_with_the_truth_as_it_is_drawn():
  corners = np.array([[[10, 10], [29, 10], [29, 29], [10, 29]]], np.float64)
  diamond = np.array([[[20, 10], [30, 20], [20, 30], [10, 20]]], np.float64)
  box = np.float32(BOX)
  assert overlap_at(still(1, corners=corners), 0, box, (60, 60)) == 1
  assert overlap_at(still(1, corners=diamond), 0, box, (60, 60)) == pytest.approx(0.5, abs=0.06)  # the border's pixels


# Multi-start


def test_anchors_are_the_data_sets_forwards_first():
  anchors = np.array([1, 0, -1, 1, 0])
  found = starts_of(still(5, anchors=anchors))
  assert [(start.anchor, start.frames.tolist()) for start in found] == [
    (0, [0, 1, 2, 3, 4]),
    (3, [3, 4]),
    (2, [2, 1, 0]),
  ]


def test_without_anchors_a_run_starts_every_fifty_frames_in_the_longer_direction():
  sequence = still(120)
  found = starts_of(sequence)
  assert [(start.anchor, len(start.frames)) for start in found] == [(0, 120), (50, 70), (100, 101), (119, 120)]
  sequence.boxes_xywh[50] = np.nan
  sequence.boxes_xywh[100] = (50, 10, 30, 20)  # its centre is outside the frame of 60 by 60 px
  assert [start.anchor for start in starts_of(sequence)] == [0, 119]


def test_an_anchor_that_a_tracker_refuses_is_named():
  class Refuses(Stays):
    def init(self, frame, box_xywh):
      raise InputError("`box_xywh` is none")

  with pytest.raises(InputError, match="vot/still, frame 2, an anchor: `box_xywh` is none"):
    multi_start_pass(Refuses(1), still(4), starts_of(still(4, anchors=np.array([0, 0, 1, 0])))[0])


def test_a_run_goes_through_its_frames_from_the_given_box():
  sequence = still(4)
  seen = []

  class Notes(Stays):
    def update(self, frame):
      seen.append(int(frame[0, 0, 0]))
      return super().update(frame)

  sequence.frames[:, 0, 0, 0] = np.arange(4)
  boxes = multi_start_pass(Notes(1), sequence, starts_of(still(4, anchors=np.array([0, 0, 0, -1])))[0])
  assert seen == [2, 1, 0]
  np.testing.assert_array_equal(boxes[:2], [BOX, BOX])


def scores(sequence: Sequence, frames: int) -> dict:
  runs = [(start, multi_start_pass(Stays(frames), sequence, start)) for start in starts_of(sequence)]
  return multi_start_scores([sequence], [runs])


def test_a_tracker_that_stays_to_the_end_scores_more_than_one_that_leaves():
  sequence = still(800)  # as long as EAO wants it
  good, bad = (scores(sequence, frames) for frames in (1000, 60))
  assert good["robustness"] == 1 and min(good["eao"], good["accuracy"]) > 0.99  # a start itself counts as 0
  assert bad["robustness"] < 0.2 and bad["eao"] < 0.3
  assert set(good["by_sequence"]) == {"vot/still"}


def test_on_short_videos_multi_start_eao_is_what_the_toolkit_has():
  """Lengths that no run reaches count as 0, and a lost run reaches all: what is lost may score more."""
  good, bad = (scores(still(160), frames) for frames in (1000, 60))
  assert good["eao"] < bad["eao"] < 0.2
