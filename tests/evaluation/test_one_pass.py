"""One pass over whole sequences, predictions fed back, and its scores by hand."""

import dataclasses

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.evaluation import one_pass
from adadepth.evaluation.one_pass import TrackedSequence, score_tracking, track_all, track_sequence
from adadepth.models.model import Model
from adadepth.reports.report import describe_tracking
from adadepth.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def model(params, arch) -> Model:
  return Model(params, arch, threshold=0.4)


@pytest.fixture(scope="module")
def tracker(model) -> Tracker:
  return Tracker(model, "xcorr1")


@pytest.fixture(scope="module")
def tracked(tracker, moving_target) -> TrackedSequence:
  return track_sequence(tracker, moving_target)


def still(name: str, boxes: list[tuple[float, ...]]) -> Sequence:
  """A sequence of black frames with these true boxes."""
  return Sequence(name, np.zeros((len(boxes), 8, 8, 3), np.uint8), np.array(boxes, np.float32))


def result(boxes: list[tuple[float, ...]], depth: list[int], seconds: list[float]) -> TrackedSequence:
  return TrackedSequence(
    np.array(boxes, np.float32), np.zeros((len(boxes), 5), np.float32), np.array(depth), np.array(seconds)
  )


# Invariants.


def test_a_tracked_sequence_has_a_row_for_every_frame(tracked, moving_target):
  columns = (tracked.boxes_xywh, tracked.confidences, tracked.depth, tracked.seconds)
  assert [len(column) for column in columns] == [len(moving_target)] * 4


def test_the_first_row_is_the_given_box_and_nothing_else(tracked, moving_target):
  np.testing.assert_array_equal(tracked.boxes_xywh[0], moving_target.boxes_xywh[0])
  assert (tracked.confidences[0].sum(), tracked.depth[0], tracked.seconds[0]) == (0, 0, 0)


def test_a_pass_is_the_trackers_own_predictions_fed_back(tracker, tracked, moving_target):
  track = tracker.track(moving_target.frames, moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(tracked.boxes_xywh, track.box_xywh)
  np.testing.assert_array_equal(tracked.confidences, track.confidences)
  np.testing.assert_array_equal(tracked.depth, track.depth)


def test_tracking_stops_after_the_frames_asked_for(tracker, tracked, moving_target):
  short = track_sequence(tracker, moving_target, frames=3)
  np.testing.assert_array_equal(short.boxes_xywh, tracked.boxes_xywh[:3])


def test_tracking_starts_at_the_first_usable_box(tracker, moving_target):
  boxes = moving_target.boxes_xywh.copy()
  boxes[:2] = np.nan
  late = track_sequence(tracker, dataclasses.replace(moving_target, boxes_xywh=boxes), frames=4)
  shifted = Sequence("from 2 on", moving_target.frames[2:], moving_target.boxes_xywh[2:])
  assert late.start == 2
  np.testing.assert_array_equal(late.boxes_xywh, track_sequence(tracker, shifted, frames=4).boxes_xywh)


def test_every_policy_passes_over_every_sequence(model, tracked, moving_target):
  short = dataclasses.replace(
    moving_target, name="short", frames=moving_target.frames[:2], boxes_xywh=moving_target.boxes_xywh[:2]
  )
  found = track_all(model, [moving_target, short], ["xcorr1"], frames=0)
  assert [len(run.boxes_xywh) for run in found["xcorr1"]] == [len(moving_target), 2]
  np.testing.assert_array_equal(found["xcorr1"][0].boxes_xywh, tracked.boxes_xywh)


def test_a_pass_that_was_kept_is_not_made_again(model, moving_target, tmp_path, monkeypatch):
  (first,) = track_all(model, [moving_target], ["xcorr1"], frames=3, folder=tmp_path)["xcorr1"]
  monkeypatch.setattr(one_pass, "track_sequence", None)
  (again,) = track_all(model, [moving_target], ["xcorr1"], frames=3, folder=tmp_path)["xcorr1"]
  for one, other in zip(first, again, strict=True):
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("change", [{"frames": 4}, {"threshold": 0.5}], ids=str)
def test_a_pass_of_other_settings_is_made_anew(model, moving_target, tmp_path, monkeypatch, change):
  track_all(model, [moving_target], ["xcorr1"], frames=3, folder=tmp_path)
  made = []
  monkeypatch.setattr(one_pass, "track_sequence", lambda *_, **__: made.append(1) or result([(0, 0, 9, 9)], [0], [0]))
  other = model._replace(threshold=change.get("threshold", model.threshold))
  track_all(other, [moving_target], ["xcorr1"], frames=change.get("frames", 3), folder=tmp_path)
  assert made == [1]


# Oracles: numbers by hand.


def test_scores_leave_the_given_first_box_out():
  truth = still("a", [(0, 0, 10, 10)] * 3)
  scores = score_tracking([result([(0, 0, 10, 10), (0, 0, 10, 5), (0, 0, 10, 5)], [0, 0, 0], [0, 1, 1])], [truth])
  assert scores["mean_iou"] == 0.5


def test_scores_are_means_over_sequences_not_over_frames():
  long, short = still("long", [(0, 0, 10, 10)] * 5), still("short", [(0, 0, 10, 10)] * 2)
  hit, miss = (0, 0, 10, 10), (40, 0, 10, 10)
  results = [result([hit] * 5, [0] * 5, [0, 1, 1, 1, 1]), result([hit, miss], [0, 0], [0, 1])]
  scores = score_tracking(results, [long, short])
  assert scores["mean_iou"] == 0.5
  assert scores["precision_20"] == 0.5  # the miss is 40 px off
  assert scores["success_auc"] == pytest.approx(0.5 * 100 / 101)  # an IoU of 1 exceeds all thresholds but 1 itself
  assert scores["mean_iou_by_sequence"] == {"long": 1.0, "short": 0.0}


def test_frames_without_a_true_box_are_not_scored():
  nan = (np.nan,) * 4
  truth = still("a", [(0, 0, 10, 10), nan, (0, 0, 10, 10)])
  scores = score_tracking([result([(0, 0, 10, 10), (70, 0, 9, 9), (0, 0, 10, 10)], [0] * 3, [0, 1, 1])], [truth])
  assert scores["mean_iou"] == 1


@pytest.mark.parametrize("frames", [1, 2])
def test_a_track_without_a_second_true_box_has_no_scores(frames):
  truth = still("a", [(0, 0, 10, 10), (np.nan,) * 4, (0, 0, 10, 10)])
  scores = score_tracking([result([(0, 0, 10, 10)] * frames, [0] * frames, [0, 0.5][:frames])], [truth])
  assert (scores["mean_iou"], scores["fps"]) == (None, None if frames == 1 else 2)
  assert "| hard | - | - | - | " in describe_tracking({"hard": scores})


def test_a_late_start_is_scored_against_the_frames_it_saw():
  nan = (np.nan,) * 4
  truth = still("a", [nan, (50, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10)])
  late = result([(50, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 5)], [0] * 3, [0, 1, 1])._replace(start=1)
  assert score_tracking([late], [truth])["mean_iou"] == 0.75


def test_fps_is_frames_over_seconds_of_all_sequences_but_their_first_frames():
  box = [(0, 0, 10, 10)] * 3
  results = [result(box, [0] * 3, [0, 0.5, 0.5]), result(box, [0] * 3, [0, 0.25, 0.75])]
  assert score_tracking(results, [still("a", box), still("b", box)])["fps"] == 2


def test_exits_are_shares_of_the_tracked_frames():
  box = [(0, 0, 10, 10)] * 5
  scores = score_tracking([result(box, [0, 0, 0, 2, 4], [0, 1, 1, 1, 1])], [still("a", box)])
  assert scores["exits"] == [0.5, 0, 0.25, 0, 0.25]
