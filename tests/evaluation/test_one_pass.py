"""One pass over videos: frame by frame as the tracker has it, kept by video, and scored by hand."""

import dataclasses

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.evaluation import one_pass
from adadepth.evaluation.one_pass import (
  TrackedSequence,
  as_tracked,
  follow,
  score_tracking,
  track_all,
  track_sequence,
)
from adadepth.maths.metrics import iou
from adadepth.models.model import Model
from adadepth.tracking.budget import Budget
from adadepth.tracking.step import compiled_update
from adadepth.tracking.tracker import Tracker

NAN = (np.nan,) * 4


@pytest.fixture(scope="module")
def model(params, arch) -> Model:
  return Model(params, arch, threshold=0.4)


@pytest.fixture(scope="module")
def tracker(model) -> Tracker:
  return Tracker(model, "xcorr2")


@pytest.fixture(scope="module")
def tracked(tracker, moving_target) -> TrackedSequence:
  return track_sequence(tracker, moving_target)


def still(name: str, boxes: list[tuple[float, ...]]) -> Sequence:
  """A sequence of black frames with these true boxes."""
  return Sequence(name, np.zeros((len(boxes), 8, 8, 3), np.uint8), np.array(boxes, np.float32))


def result(boxes: list[tuple[float, ...]], depth: list[int], seconds: list[float]) -> TrackedSequence:
  return as_tracked(np.array(boxes, np.float32), np.array(seconds, float), 0)._replace(depth=np.array(depth))


# One sequence.


def test_a_moving_target_is_followed_through_the_sequence(tracked, moving_target):
  overlap = iou(tracked.boxes_xywh, moving_target.boxes_xywh)
  # A cell is 3.75 px of the image; what is read to half of one on both axes still has an IoU of 0.7.
  assert overlap.min() > 0.65, overlap


def test_a_tracked_sequence_has_a_row_for_every_frame(tracked, moving_target):
  *columns, start = tracked
  assert [len(column) for column in columns] == [len(moving_target)] * 6 and start == 0


def test_the_first_row_is_the_given_box_and_nothing_else(tracked, moving_target):
  np.testing.assert_array_equal(tracked.boxes_xywh[0], moving_target.boxes_xywh[0])
  assert (tracked.confidences[0].sum(), tracked.depth[0], tracked.seconds[0]) == (0, 0, 0)
  assert (tracked.score[0], tracked.missed[0]) == (1, 0)


def test_a_sequence_is_tracked_as_its_frames_are_one_by_one(tracker, tracked, moving_target):
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  for t, frame in enumerate(moving_target.frames[1:], 1):
    target, track = tracker.update(target, frame)
    np.testing.assert_array_equal(tracked.boxes_xywh[t], track.box_xywh)
    np.testing.assert_array_equal(tracked.confidences[t], track.confidences)
    assert tracked.depth[t] == track.depth


def test_what_is_followed_comes_with_its_frame_and_its_time(tracker, moving_target):
  frames = moving_target.frames[:3]
  found = list(follow(tracker, iter(frames), moving_target.boxes_xywh[0]))
  np.testing.assert_array_equal([frame for frame, *_ in found], frames)
  seconds = [elapsed for *_, elapsed in found]
  assert seconds[0] == 0 and min(seconds[1:]) > 0


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


def test_a_policy_is_compiled_once_for_all_sequences(tracker, tracked, moving_target):
  programs = compiled_update._cache_size()
  track_sequence(Tracker(tracker.model, "xcorr2"), dataclasses.replace(moving_target, name="again"))
  assert compiled_update._cache_size() == programs


# All sequences.


@pytest.fixture
def computed(monkeypatch):
  """The names of the sequences that were tracked, as they are."""
  names = []

  def counted(tracker, sequence, *, frames):
    names.append(sequence.name)
    return track_sequence(tracker, sequence, frames=frames)

  monkeypatch.setattr(one_pass, "track_sequence", counted)
  return names


@pytest.fixture(scope="module")
def sequences(moving_target) -> list[Sequence]:
  return [dataclasses.replace(moving_target, name=f"otb/Jogging.{i}") for i in (1, 2)]


def test_every_policy_passes_over_every_sequence(model, sequences, tracked):
  found = track_all(model, sequences, ("xcorr1", "xcorr2"), frames=3)
  assert {name: len(runs) for name, runs in found.items()} == {"xcorr1": 2, "xcorr2": 2}
  np.testing.assert_array_equal(found["xcorr2"][1].boxes_xywh, tracked.boxes_xywh[:3])
  assert found["xcorr1"][0].depth.max() == 0


def test_a_second_pass_tracks_nothing_and_says_the_same(model, sequences, tmp_path, computed):
  first, again = (track_all(model, sequences, ("xcorr2",), frames=3, folder=tmp_path)["xcorr2"] for _ in range(2))
  assert computed == ["otb/Jogging.1", "otb/Jogging.2"]
  for run, kept in zip(first, again, strict=True):
    assert kept.start == run.start
    for name in ("boxes_xywh", "confidences", "depth", "score", "missed", "seconds"):
      np.testing.assert_array_equal(getattr(kept, name), getattr(run, name))
      assert getattr(kept, name).dtype == getattr(run, name).dtype


def test_an_interrupted_pass_goes_on_with_the_next_sequence(model, sequences, tmp_path, computed):
  track_all(model, sequences[:1], ("xcorr2",), frames=3, folder=tmp_path)
  track_all(model, sequences, ("xcorr2",), frames=3, folder=tmp_path)
  assert computed == ["otb/Jogging.1", "otb/Jogging.2"]


@pytest.mark.parametrize("change", ["model", "frames", "folder of the policy"])
def test_another_pass_is_tracked_anew(model, sequences, tmp_path, computed, change):
  other = model._replace(threshold=0.7) if change == "model" else model
  policy = "xcorr1" if change == "folder of the policy" else "xcorr2"
  track_all(model, sequences[:1], ("xcorr2",), frames=3, folder=tmp_path)
  track_all(other, sequences[:1], (policy,), frames=4 if change == "frames" else 3, folder=tmp_path)
  assert len(computed) == 2


def test_a_budget_is_hard_gatings_alone(model, sequences, monkeypatch):
  budgets = {}

  def note(tracker, sequence, *, frames):
    budgets[tracker.policy] = tracker.budget
    return result([(0, 0, 10, 10)], [0], [0])

  monkeypatch.setattr(one_pass, "track_sequence", note)
  budget = Budget(np.float32(2), np.arange(1, 6, dtype=np.float32), np.float32(0.5))
  track_all(model, sequences[:1], ("xcorr1", "soft", "hard"), frames=3, budget=budget)
  assert budgets == {"xcorr1": None, "soft": None, "hard": budget}


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
  truth = still("a", [(0, 0, 10, 10), NAN, (0, 0, 10, 10)])
  scores = score_tracking([result([(0, 0, 10, 10), (70, 0, 9, 9), (0, 0, 10, 10)], [0] * 3, [0, 1, 1])], [truth])
  assert scores["mean_iou"] == 1


@pytest.mark.parametrize("frames", [1, 2])
def test_a_track_without_a_second_true_box_has_no_scores(frames):
  truth = still("a", [(0, 0, 10, 10), NAN, (0, 0, 10, 10)])
  scores = score_tracking([result([(0, 0, 10, 10)] * frames, [0] * frames, [0, 0.5][:frames])], [truth])
  assert (scores["mean_iou"], scores["fps"]) == (None, None if frames == 1 else 2)


def test_a_late_start_is_scored_against_the_frames_it_saw():
  truth = still("a", [NAN, (50, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10)])
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
