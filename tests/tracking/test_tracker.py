"""The tracker as people use it, whole sequences with it, and their scores by hand."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.maths.metrics import iou
from adadepth.maths.peaks import Readout
from adadepth.models.model import Model
from adadepth.reports.report import describe_tracking
from adadepth.tracking.step import Track, compiled_update
from adadepth.tracking.tracker import (
  TrackedSequence,
  Tracker,
  check_next_frame,
  computed_confidences,
  score_tracking,
  track_sequence,
)


@pytest.fixture(scope="module")
def model(params, arch) -> Model:
  return Model(params, arch, threshold=0.4, readout=Readout("subcell"))


@pytest.fixture(scope="module")
def tracker(model) -> Tracker:
  return Tracker(model, "hard")


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


def test_a_moving_target_is_followed_through_the_sequence(tracked, moving_target):
  overlap = iou(tracked.boxes_xywh, moving_target.boxes_xywh)
  # A cell is 3.75 px of the image: a target that is half a cell off on both axes still has an IoU of 0.7.
  assert overlap.min() > 0.7, overlap


def test_a_tracked_sequence_has_a_row_for_every_frame(tracked, moving_target):
  columns = (tracked.boxes_xywh, tracked.confidences, tracked.depth, tracked.seconds)
  assert [len(column) for column in columns] == [len(moving_target)] * 4


def test_the_first_row_is_the_given_box_and_nothing_else(tracked, moving_target):
  np.testing.assert_array_equal(tracked.boxes_xywh[0], moving_target.boxes_xywh[0])
  assert (tracked.confidences[0].sum(), tracked.depth[0], tracked.seconds[0]) == (0, 0, 0)


def test_a_sequence_is_tracked_as_its_frames_are_one_by_one(tracker, tracked, moving_target):
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  for t, frame in enumerate(moving_target.frames[1:], 1):
    target, track = tracker.update(target, frame)
    np.testing.assert_array_equal(tracked.boxes_xywh[t], track.box_xywh)
    np.testing.assert_array_equal(tracked.confidences[t], track.confidences)
    assert tracked.depth[t] == track.depth


def test_two_targets_of_one_tracker_do_not_meet(tracker, moving_target):
  frames = moving_target.frames
  alone, _ = tracker.update(tracker.init(frames[0], (40, 50, 20, 20)), frames[1])
  one = tracker.init(frames[0], (40, 50, 20, 20))
  tracker.update(tracker.init(frames[0], (10, 10, 30, 12)), frames[1])
  beside, _ = tracker.update(one, frames[1])
  jax.tree.map(np.testing.assert_array_equal, alone, beside)


def test_a_video_in_memory_is_tracked_as_its_frames_are(tracker, tracked, moving_target):
  track = tracker.track(moving_target.frames, moving_target.boxes_xywh[0])
  np.testing.assert_allclose(track.box_xywh, tracked.boxes_xywh, atol=1e-2)  # px: a parabola of float32 noise
  np.testing.assert_array_equal(track.depth, tracked.depth)


def test_a_video_of_one_frame_has_the_given_box(tracker, moving_target):
  track = tracker.track(moving_target.frames[:1], moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(track.box_xywh, moving_target.boxes_xywh[:1])
  assert track.depth.shape == (1,)


def test_targets_side_by_side_are_followed_as_each_alone(tracker, moving_target):
  frames, boxes = moving_target.frames, np.array([(40, 50, 20, 20), (46, 47, 20, 20)], np.float32)
  starts = (0, 3)
  targets = tracker.init_many(frames[list(starts)], boxes)
  for t in (1, 2):
    targets, track = tracker.update_many(targets, frames[[start + t for start in starts]])
  for i, start in enumerate(starts):
    target = tracker.init(frames[start], boxes[i])
    for t in (1, 2):
      target, alone = tracker.update(target, frames[start + t])
    np.testing.assert_allclose(track.box_xywh[i], alone.box_xywh, atol=1e-2)  # px: a parabola of float32 noise
    assert track.depth[i] == alone.depth


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


def test_confidences_that_were_not_computed_are_drawn_as_nan():
  track = Track(np.zeros(4, np.float32), np.array([0.3, 0.7, 0, 0, 0], np.float32), np.int32(1))
  np.testing.assert_array_equal(computed_confidences(track), np.array([0.3, 0.7, np.nan, np.nan, np.nan], np.float32))


@pytest.mark.parametrize("policy", ["xcorr1", "hard"])
def test_a_policy_is_compiled_once_for_a_sequence(params, arch, moving_target, policy):
  # Another window than other tests', so that nothing is compiled yet.
  tracker = Tracker(Model(params, arch, threshold=0.5, readout=Readout("cell", 0.37)), policy)
  programs = compiled_update._cache_size()
  track_sequence(tracker, moving_target)
  track_sequence(dataclasses.replace(tracker), moving_target)
  assert compiled_update._cache_size() == programs + 1


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


# Errors.


@pytest.mark.parametrize(
  ("box", "message"),
  [
    ((10, 10, 0, 20), "`box_xywh` (=10,10,0,20) must be x,y,w,h in pixels with w and h above 0"),
    ((10, 10, 20, -1), "`box_xywh` (=10,10,20,-1) must be"),
    ((10, 10, 20), "`box_xywh` (=10,10,20) must be"),
    ((1, 2, 3, "a"), "`box_xywh` (=(1, 2, 3, 'a')) must be"),
    (None, "`box_xywh` (="),
    ((10, float("nan"), 20, 20), "`box_xywh` (=10,nan,20,20) must be"),
    ((10, 10, float("inf"), 20), "`box_xywh` (=10,10,inf,20) must be"),
    ((120, 50, 20, 20), "`box_xywh` (=120,50,20,20) has its centre outside the 128x96 frame"),
    ((-11, 50, 20, 20), "has its centre outside the 128x96 frame"),
    ((50, 87, 20, 20), "has its centre outside the 128x96 frame"),
  ],
)
def test_a_box_that_cannot_be_tracked_is_refused(tracker, moving_target, box, message):
  with pytest.raises(InputError, match=re.escape(message)):
    tracker.init(moving_target.frames[0], box)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (list, "`frames` is a list: it must be RGB, uint8 [t, height, width, 3], one array"),
    (lambda frames: frames[0], "`frames` is uint8 (96, 128, 3): it must be RGB, uint8 [t, height, width, 3]"),
    (
      lambda frames: frames[:0],
      "`frames` is uint8 (0, 96, 128, 3): it must be RGB, uint8 [t, height, width, 3], not em",
    ),
  ],
)
def test_frames_that_are_no_video_in_memory_are_refused(tracker, moving_target, change, message):
  with pytest.raises(InputError, match=re.escape(message)):
    tracker.track(change(moving_target.frames), moving_target.boxes_xywh[0])


def test_a_first_frame_or_threshold_that_is_none_is_refused(tracker, moving_target):
  frame, box = moving_target.frames[0], moving_target.boxes_xywh[0]
  for init in (tracker.init, tracker.init_many):
    with pytest.raises(InputError, match=r"is a list: it must be RGB, uint8 \[height, width, 3\]"):
      init([[1]], box[None] if init == tracker.init_many else box)
  for threshold in (float("nan"), 2.0, -0.1):
    with pytest.raises(InputError, match=rf"`threshold` \(={threshold}\) must lie in \[0, 1\]"):
      tracker.init(frame, box, threshold)


@pytest.mark.parametrize(
  ("frames", "boxes", "message"),
  [
    (1, (10, 10, 20, 20), "`boxes_xywh` has shape (4,): it must be [n, 4]"),
    (1, np.zeros((0, 4)), "`boxes_xywh` has shape (0, 4): it must be [n, 4]"),
    (1, [(10, 10, 20, 20), (10, 10, 0, 20)], "`boxes_xywh[1]` (=10,10,0,20) must be"),
    (3, [(10, 10, 20, 20)] * 2, "`frames` holds 3 frames for 2 boxes: give one for all, or one for each"),
  ],
)
def test_targets_that_cannot_be_tracked_are_refused(tracker, moving_target, frames, boxes, message):
  given = moving_target.frames[0] if frames == 1 else moving_target.frames[:frames]
  with pytest.raises(InputError, match=re.escape(message)):
    tracker.init_many(given, boxes)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      lambda frame: frame[:90],
      "`frame` is uint8 (90, 128, 3): it must be uint8 (96, 128, 3), as the first one was",
    ),
    (lambda frame: frame / np.float32(255), "`frame` is float32 (96, 128, 3): it must be uint8 (96, 128, 3)"),
    (lambda frame: jnp.asarray(frame, jnp.int32), "`frame` is int32 (96, 128, 3): it must be uint8"),
  ],
)
def test_a_frame_unlike_the_first_is_refused(tracker, moving_target, change, message):
  frame = moving_target.frames[0]
  target = tracker.init(frame, moving_target.boxes_xywh[0])
  check_next_frame(jnp.asarray(frame), target)
  with pytest.raises(InputError, match=re.escape(message)):
    check_next_frame(change(frame), target)


def test_a_tracker_refuses_a_frame_unlike_the_first(tracker, moving_target):
  frame, boxes = moving_target.frames[0], moving_target.boxes_xywh[:2]
  with pytest.raises(InputError, match=r"`frame` is uint8 \(90, 128, 3\)"):
    tracker.update(tracker.init(frame, boxes[0]), frame[:90])
  with pytest.raises(InputError, match=r"`frame` is float32 \(96, 128, 3\)"):
    tracker.update_many(tracker.init_many(frame, boxes), frame / np.float32(255))


def test_an_unknown_policy_is_refused(model):
  with pytest.raises(InputError, match=re.escape("`policy` (='xcorr6') must be one of xcorr1, xcorr2")):
    Tracker(model, "xcorr6")


def test_a_model_that_is_not_there_is_refused(tmp_path):
  with pytest.raises(InputError, match=r"`model` \(=.*\) is neither a model nor a finished workdir"):
    Tracker(str(tmp_path / "nothing"))


def test_a_model_of_phase_one_tracks_by_fixed_depths_alone(model, moving_target):
  phase1 = model._replace(params={name: model.params[name] for name in ("backbone", "head")})
  given = (moving_target.frames[:2], moving_target.boxes_xywh[0])
  found, expected = (Tracker(m, "xcorr2").track(*given) for m in (phase1, model))
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  for policy in ("soft", "hard"):
    with pytest.raises(InputError, match="`model` has no gates, since phase 1 alone wrote it: train them with"):
      Tracker(phase1, policy)


def test_gates_without_a_backbone_are_refused():
  with pytest.raises(InputError, match="`model` holds gates alone, no backbone: give"):
    Tracker("vgg19")
