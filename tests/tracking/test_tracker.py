"""The tracker as people use it: one target or many, frame by frame, through any frames and boxes."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import adadepth
from adadepth.errors import InputError
from adadepth.evaluation.forced_exits import forced, gates_that_exit
from adadepth.maths.metrics import iou
from adadepth.models.architecture import Architecture
from adadepth.models.box_head import init_box_heads
from adadepth.models.calibration import Calibration
from adadepth.models.model import Model
from adadepth.tracking import tracker as tracker_module
from adadepth.tracking.accepted import check_next_frame
from adadepth.tracking.belief import BELIEVED, FIRST, RATE
from adadepth.tracking.budget import Budget
from adadepth.tracking.lost import PATIENCE
from adadepth.tracking.step import SIZE_RATE, compiled_init, compiled_update
from adadepth.tracking.track import Track, computed_confidences, given_track
from adadepth.tracking.tracker import Tracker

TWO_BOXES = np.array([(40, 50, 20, 20), (46, 47, 16, 24)], np.float32)


@pytest.fixture(scope="module")
def model(params, boxed) -> Model:
  """With new box heads, which read the last size at a cell's centre."""
  return Model({**params, "box": init_box_heads(jax.random.key(0), boxed)}, boxed, threshold=0.4)


@pytest.fixture(scope="module")
def paper(params, arch) -> Model:
  return Model(params, arch, threshold=0.4)


@pytest.fixture(scope="module")
def tracker(model) -> Tracker:
  return Tracker(model, "hard")


@pytest.fixture(scope="module")
def tracked(tracker, moving_target) -> Track:
  return tracker.track(moving_target.frames, moving_target.boxes_xywh[0])


def assert_same_track(found: Track, expected: Track) -> None:
  np.testing.assert_array_equal(found.depth, expected.depth)
  # Pixels: means over a thousand places by two programs, fed back.
  np.testing.assert_allclose(found.box_xywh, expected.box_xywh, atol=0.05)
  np.testing.assert_allclose(found.confidences, expected.confidences, atol=1e-3)


# One target.


@pytest.mark.parametrize("policy", ["xcorr1", "hard"])
def test_a_moving_target_is_followed_by_the_papers_reader(paper, moving_target, policy):
  track = Tracker(paper, policy).track(moving_target.frames, moving_target.boxes_xywh[0])
  overlap = iou(track.box_xywh, moving_target.boxes_xywh)
  # A cell is 3.75 px of the image: half a cell off on both axes is an IoU of 0.69. Between two cells either may win.
  assert overlap.mean() > 0.69, overlap
  assert overlap.min() > 0.49, overlap  # a whole cell off


def test_a_track_begins_with_the_given_box_and_nothing_else(tracked, moving_target):
  np.testing.assert_array_equal(tracked.box_xywh[0], moving_target.boxes_xywh[0])
  assert (tracked.confidences[0].sum(), tracked.depth[0]) == (0, 0)


def test_a_video_of_one_frame_has_the_given_box(tracker, moving_target):
  track = tracker.track(moving_target.frames[:1], moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(track.box_xywh, moving_target.boxes_xywh[:1])
  assert track.depth.shape == (1,)


def test_a_video_is_tracked_as_its_frames_are_one_by_one(tracker, tracked, moving_target):
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  for t, frame in enumerate(moving_target.frames[1:], 1):
    target, track = tracker.update(target, frame)
    jax.tree.map(lambda row, all_rows, t=t: np.testing.assert_array_equal(row, all_rows[t]), track, tracked)


def test_a_video_may_be_any_sequence_of_frames(tracker, tracked, moving_target):
  track = tracker.track(
    [jnp.asarray(frame) for frame in moving_target.frames[:3]], moving_target.boxes_xywh[0].tolist()
  )
  np.testing.assert_array_equal(track.box_xywh, tracked.box_xywh[:3])


def test_two_targets_of_one_tracker_do_not_meet(tracker, moving_target):
  frames = moving_target.frames
  alone, _ = tracker.update(tracker.init(frames[0], (40, 50, 20, 20)), frames[1])
  one = tracker.init(frames[0], (40, 50, 20, 20))
  tracker.update(tracker.init(frames[0], (10, 10, 30, 12)), frames[1])
  beside, _ = tracker.update(one, frames[1])
  jax.tree.map(np.testing.assert_array_equal, alone, beside)


def test_an_update_leaves_its_target_and_frame_as_they_were(tracker, moving_target):
  frame = moving_target.frames[1].copy()
  target = tracker.init(moving_target.frames[0], (40, 50, 20, 20))
  before = jax.tree.map(np.array, target)
  tracker.update(target, frame)
  np.testing.assert_array_equal(frame, moving_target.frames[1])
  jax.tree.map(np.testing.assert_array_equal, target, before)


def test_a_target_at_rest_stays_where_it_is(tracker, moving_target):
  frame, box = moving_target.frames[0], moving_target.boxes_xywh[0]
  _, track = tracker.update(tracker.init(frame, box), frame)
  np.testing.assert_allclose(track.box_xywh, box, atol=0.5)


def test_the_papers_reader_keeps_the_size(paper, moving_target):
  track = Tracker(paper, "hard").track(moving_target.frames[:4], moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(track.box_xywh[:, 2:], moving_target.boxes_xywh[:4, 2:])


def test_a_fixed_depth_has_the_boxes_of_hard_gating_that_exits_there(model, moving_target):
  given = moving_target.frames[:4], moving_target.boxes_xywh[0]
  fixed = Tracker(model, "xcorr3").track(*given)
  hard = Tracker(forced(model, gates_that_exit(2)), "hard").track(*given)
  assert_same_track(fixed._replace(confidences=hard.confidences), hard)


def test_a_threshold_may_be_given_with_the_box(tracker, moving_target):
  depth = {}
  for threshold in (0.0, 1.0):
    target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0], threshold)
    depth[threshold] = int(tracker.update(target, moving_target.frames[1])[1].depth)
  assert depth == {0.0: 0, 1.0: 4}


def test_a_budget_gives_the_first_threshold(model, moving_target):
  budget = Budget(np.float32(2), np.float32([1, 2, 4, 8, 16]), np.float32(0.9))
  target = Tracker(model, "hard", budget).init(moving_target.frames[0], TWO_BOXES)
  np.testing.assert_array_equal(target.state.threshold, [budget.start] * 2)


def test_confidences_that_were_not_computed_are_drawn_as_nan():
  track = given_track(np.ones(4))._replace(confidences=np.array([0.3, 0.7, 0, 0, 0], np.float32), depth=np.int32(1))
  np.testing.assert_array_equal(computed_confidences(track), np.array([0.3, 0.7, np.nan, np.nan, np.nan], np.float32))


# Box heads.


def telling(small: Architecture, params: dict, log_size: float, score: float) -> Model:
  """The small network, whose heads say at every depth how the size changes and how sure they are."""
  numbers = jnp.float32([0, 0, log_size, log_size, score])
  told = lambda path, leaf: numbers if [key.key for key in path[-2:]] == ["Dense_1", "bias"] else leaf  # noqa: E731
  return Model({**params, "box": jax.tree_util.tree_map_with_path(told, params["box"])}, small, threshold=0.4)


@pytest.mark.parametrize("policy", ["xcorr1", "hard"])
def test_a_moving_target_is_followed_by_box_heads(small, small_params, moving_target, policy):
  tracker = Tracker(telling(small, small_params, 0.0, 3.0), policy)
  track = tracker.track(moving_target.frames, moving_target.boxes_xywh[0])
  overlap = iou(track.box_xywh, moving_target.boxes_xywh)
  # As with the paper's reader: new heads read the centre of the highest cell.
  assert overlap.mean() > 0.69, overlap
  assert overlap.min() > 0.49, overlap
  assert not track.lost.any()


def test_the_size_follows_what_the_heads_say_and_the_crop_the_size(small, small_params, moving_target, monkeypatch):
  sides, cut = [], tracker_module.crop_square

  def seen(frame, center, side_px, crop_px):
    sides.append(side_px)
    return cut(frame, center, side_px, crop_px)

  monkeypatch.setattr(tracker_module, "crop_square", seen)
  track = Tracker(telling(small, small_params, 0.1, 3.0), "xcorr1").track(moving_target.frames[:5], (40, 50, 20, 24))
  grown = np.exp(SIZE_RATE * 0.1 * np.arange(5))
  np.testing.assert_allclose(track.box_xywh[:, 2:], np.float32([20, 24]) * grown[:, None], rtol=1e-4)
  # max(w, h) + (w + h) / 4 = 35 px for the key; a search crop has twice that, of the box before.
  np.testing.assert_allclose(sides, [35, 70, *(70 * grown[:4])], rtol=1e-4)


def test_many_targets_with_box_heads_are_followed_as_each_alone(small, small_params, moving_target):
  tracker = Tracker(telling(small, small_params, -0.05, 3.0), "hard")
  together = tracker.track(moving_target.frames[:4], TWO_BOXES)
  for i, box in enumerate(TWO_BOXES):
    assert_same_track(Track(*(leaf[:, i] for leaf in together)), tracker.track(moving_target.frames[:4], box))


def test_a_target_that_the_heads_do_not_see_is_lost_and_its_box_stays(small, small_params, moving_target):
  count = PATIENCE + 9
  frames = np.concatenate([moving_target.frames, moving_target.frames])[:count]
  track = Tracker(telling(small, small_params, 0.1, -3.0), "xcorr1").track(frames, (40, 50, 20, 24))
  beliefs = -3 + (FIRST + 3) * (1 - RATE) ** np.arange(count)
  doubted = 1 / (1 + np.exp(-beliefs)) < BELIEVED
  assert 0 < doubted.sum() < count
  np.testing.assert_array_equal(track.missed, np.cumsum(doubted))
  np.testing.assert_array_equal(track.lost, np.cumsum(doubted) >= PATIENCE)
  changes = np.diff(track.box_xywh, axis=0).any(-1)
  np.testing.assert_array_equal(changes, ~track.lost[1:])


# Many targets.


def test_many_targets_in_one_video_are_followed_as_each_alone(tracker, moving_target):
  frames = moving_target.frames[:3]
  together = tracker.track(frames, TWO_BOXES)
  assert [leaf.shape for leaf in together] == [(3, 2, 4), (3, 2, 5), (3, 2), (3, 2), (3, 2)]
  for i, box in enumerate(TWO_BOXES):
    assert_same_track(Track(*(leaf[:, i] for leaf in together)), tracker.track(frames, box))


def test_the_order_of_targets_changes_no_bit(model, moving_target):
  """Though some stop early and others go on, in chunks."""
  frames, more = moving_target.frames[:4], np.float32([(28, 56, 18, 25), (34, 53, 18, 29), (70, 20, 30, 18)])
  boxes = np.concatenate([TWO_BOXES, more])
  shallow = Tracker(model._replace(threshold=0.0), "hard").track(frames, boxes).confidences[1:, :, 0]
  tracker = Tracker(model._replace(threshold=float(np.median(shallow))), "hard")
  found = tracker.track(frames, boxes)
  assert len(np.unique(found.depth[1:])) > 1
  for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
    again = tracker.track(frames, boxes[order])
    jax.tree.map(lambda one, other, order=order: np.testing.assert_array_equal(one[:, order], other), found, again)


def test_many_targets_each_in_a_video_of_its_own_are_followed_as_each_alone(tracker, moving_target):
  starts = (0, 3)
  targets = tracker.init(moving_target.frames[list(starts)], TWO_BOXES)
  for t in (1, 2):
    targets, track = tracker.update(targets, moving_target.frames[[start + t for start in starts]])
  for i, start in enumerate(starts):
    alone = tracker.track(moving_target.frames[start : start + 3], TWO_BOXES[i])
    assert_same_track(Track(*(leaf[i] for leaf in track)), Track(*(leaf[-1] for leaf in alone)))


def test_one_target_in_a_list_is_as_one_alone_with_an_axis_more(tracker, tracked, moving_target):
  listed = tracker.track(moving_target.frames[:3], moving_target.boxes_xywh[:1])
  jax.tree.map(lambda many, one: np.testing.assert_array_equal(many[:, 0], one[:3]), listed, tracked)


# One program.


def test_nothing_is_compiled_again_for_other_frames_boxes_and_videos(tracker, tracked, moving_target):
  del tracked  # by which all has been compiled once
  programs = compiled_init._cache_size(), compiled_update._cache_size()
  large = moving_target.frames.repeat(3, 1).repeat(2, 2)
  for frames, box in ((moving_target.frames[:2], (10, 10, 90, 60)), (large[:4], (100.5, 90, 31, 70))):
    tracker.track(frames, box)
  dataclasses.replace(tracker).track(moving_target.frames[:2], moving_target.boxes_xywh[0])
  assert (compiled_init._cache_size(), compiled_update._cache_size()) == programs


def test_a_policy_is_one_program(model, moving_target):
  programs = compiled_update._cache_size()
  for _ in range(2):
    Tracker(model, "xcorr2").track(moving_target.frames[:4], moving_target.boxes_xywh[0])
  assert compiled_update._cache_size() == programs + 1


# The object.


def test_a_tracker_is_equal_to_itself_alone_and_can_be_a_key(tracker):
  other = dataclasses.replace(tracker)
  assert tracker == tracker
  assert tracker != other
  assert {tracker: "one", other: "other"}[tracker] == "one"


def test_a_tracker_does_not_change(tracker):
  with pytest.raises(dataclasses.FrozenInstanceError):
    tracker.policy = "soft"


def test_the_packages_own_network_follows_a_target(moving_target):
  track = adadepth.Tracker(policy="xcorr1").track(moving_target.frames, moving_target.boxes_xywh[0])
  assert iou(track.box_xywh, moving_target.boxes_xywh).min() > 0.8


def test_a_model_of_phase_one_tracks_by_fixed_depths_alone(paper, moving_target):
  phase1 = paper._replace(params={name: paper.params[name] for name in ("backbone", "head")})
  given = (moving_target.frames[:2], moving_target.boxes_xywh[0])
  found, expected = (Tracker(m, "xcorr1").track(*given) for m in (phase1, paper))
  jax.tree.map(np.testing.assert_array_equal, found, expected)
  for policy in ("soft", "hard"):
    with pytest.raises(InputError, match="`model` has no gates, since phase 1 alone wrote it: train them with"):
      Tracker(phase1, policy)


# Errors.


@pytest.mark.parametrize(
  ("box", "message"),
  [
    ((10, 10, 0, 20), "`box_xywh` (=10,10,0,20) must be x,y,w,h in pixels with w and h above 0"),
    ((10, 10, 20, -1), "`box_xywh` (=10,10,20,-1) must be"),
    ((10, 10, 20), "`box_xywh` (=(10, 10, 20)) must be"),
    ((1, 2, 3, "a"), "`box_xywh` (=(1, 2, 3, 'a')) must be"),
    (None, "`box_xywh` (=None) must be"),
    ((10, float("nan"), 20, 20), "`box_xywh` (=10,nan,20,20) must be"),
    ((10, 1e300, 20, 20), "`box_xywh` (=10,inf,20,20) must be"),
    ((10, 10, float("inf"), 20), "`box_xywh` (=10,10,inf,20) must be"),
    ((120, 50, 20, 20), "`box_xywh` (=120,50,20,20) has its centre outside the 128x96 frame"),
    ((-11, 50, 20, 20), "has its centre outside the 128x96 frame"),
    (
      (100, 70, 120, 90),
      "outside the 128x96 frame, at 160,115; give x,y,w,h in pixels of the frame",
    ),
    ((100, 70, 120, 90), "as corners x1,y1,x2,y2 these are 100,70,20,20"),
    (
      (0.25, 0.5, 0.5, 0.25),
      "fractions of the 128x96 frame these are 32,48,64,24, or 0,36,64,24 if x,y is the centre",
    ),
    ((10, 10, 0.5, 20), "`box_xywh` (=10,10,0.5,20) must be x,y,w,h in pixels; 0.5 by 20 px is less than a pixel"),
    ((-900, -900, 1900, 1900), "reaches from -900,-900 to 1000,1000, far outside the 128x96 frame"),
    ((50, 87, 20, 20), "has its centre outside the 128x96 frame"),
    (np.zeros((0, 4)), "must be x,y,w,h in pixels with w and h above 0, or [n, 4]"),
    (np.ones((1, 1, 4)), "must be x,y,w,h in pixels with w and h above 0, or [n, 4]"),
    ([(10, 10, 20, 20), (10, 10, 0, 20)], "`box_xywh[1]` (=10,10,0,20) must be"),
    ([(10, 10, 20, 20), (150, 10, 20, 20)], "`box_xywh[1]` (=150,10,20,20) has its centre outside the 128x96 frame"),
  ],
)
def test_a_box_that_cannot_be_tracked_is_refused(tracker, moving_target, box, message):
  with pytest.raises(InputError, match=re.escape(message)):
    tracker.init(moving_target.frames[0], box)


RGB = "it must be RGB, uint8 [height, width, 3]"


@pytest.mark.parametrize(
  ("frame", "boxes", "message"),
  [
    ([[1]], (10, 10, 20, 20), f"`frame` is a list: {RGB}, one array"),
    (None, (10, 10, 20, 20), f"`frame` is a NoneType: {RGB}"),
    (np.zeros((96, 128, 3)), (10, 10, 20, 20), f"`frame` is float64 (96, 128, 3): {RGB}"),
    (np.full((96, 128, 3), np.nan, np.float32), (10, 10, 20, 20), f"`frame` is float32 (96, 128, 3): {RGB}"),
    (np.zeros((96, 128, 3), np.uint16), (10, 10, 20, 20), f"`frame` is uint16 (96, 128, 3): {RGB}"),
    (np.zeros((96, 128), np.uint8), (10, 10, 20, 20), f"`frame` is uint8 (96, 128): {RGB}"),
    (np.zeros((96, 128, 4), np.uint8), (10, 10, 20, 20), f"`frame` is uint8 (96, 128, 4): {RGB}"),
    (np.zeros((0, 128, 3), np.uint8), (10, 10, 20, 20), f"`frame` is uint8 (0, 128, 3): {RGB}, not empty"),
    (np.zeros((1, 96, 128, 3), np.uint8), (10, 10, 20, 20), f"`frame` is uint8 (1, 96, 128, 3): {RGB}"),
    (np.zeros((3, 96, 128, 3), np.uint8), TWO_BOXES, f"uint8 (3, 96, 128, 3): {RGB}, or [2, height, width, 3]"),
  ],
)
def test_a_first_frame_that_is_none_is_refused(tracker, frame, boxes, message):
  with pytest.raises(InputError, match=re.escape(message)):
    tracker.init(frame, boxes)


@pytest.mark.parametrize("threshold", [float("nan"), 2.0, -0.1])
def test_a_threshold_that_is_none_is_refused(tracker, moving_target, threshold):
  with pytest.raises(InputError, match=rf"`threshold` \(={threshold}\) must lie in \[0, 1\]"):
    tracker.init(moving_target.frames[0], (40, 50, 20, 20), threshold)


def test_a_frame_of_another_size_is_refused(tracker, moving_target):
  frame = moving_target.frames[0]
  target = tracker.init(frame, moving_target.boxes_xywh[0])
  with pytest.raises(InputError, match=re.escape("`frame` is uint8 (90, 128, 3): it must be uint8 (96, 128, 3), as")):
    tracker.update(target, frame[:90])


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda frame: frame / np.float32(255), "`frame` is float32 (96, 128, 3): it must be uint8 (96, 128, 3)"),
    (lambda frame: np.full_like(frame, np.nan, np.float32), "`frame` is float32 (96, 128, 3): it must be uint8"),
    (lambda frame: frame.astype(np.uint16) * 257, "`frame` is uint16 (96, 128, 3): it must be uint8"),
    (lambda frame: frame[..., 0], "`frame` is uint8 (96, 128): it must be uint8 (96, 128, 3)"),
    (lambda frame: frame[..., [0, 1, 2, 2]], "`frame` is uint8 (96, 128, 4): it must be uint8 (96, 128, 3)"),
    (lambda frame: None, "`frame` is a NoneType: it must be uint8"),
    (lambda frame: jnp.asarray(frame, jnp.int32), "`frame` is int32 (96, 128, 3): it must be uint8"),
  ],
)
def test_what_is_no_frame_is_refused(tracker, moving_target, change, message):
  frame = moving_target.frames[0]
  target = tracker.init(frame, moving_target.boxes_xywh[0])
  check_next_frame(jnp.asarray(frame), target.frame_shape)
  with pytest.raises(InputError, match=re.escape(message)):
    check_next_frame(change(frame), target.frame_shape)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (8, 4000), (4000, 3000)])
def test_tiny_and_huge_frames_are_tracked_within_their_sides(tracker, shape):
  height, width = shape
  frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
  target = tracker.init(frame, (0, 0, min(width, 20) + 0.5, min(height, 16)))
  for _ in range(2):
    target, track = tracker.update(target, frame)
  center = track.box_xywh[:2] + track.box_xywh[2:] / 2
  assert np.isfinite(track.box_xywh).all() and (center >= 0).all() and (center <= (width, height)).all()


@pytest.mark.parametrize("level", [0, 128])
def test_a_target_given_where_nothing_is_to_be_seen_is_lost(tracker, level):
  plain = np.full((96, 128, 3), level, np.uint8)
  target = tracker.init(plain, (40, 50, 20, 20))
  for _ in range(PATIENCE):
    target, track = tracker.update(target, plain)
  np.testing.assert_array_equal(track.box_xywh, np.float32((40, 50, 20, 20)))
  assert track.lost and np.isfinite(track.confidences).all()


def test_an_unknown_policy_is_refused(model):
  with pytest.raises(InputError, match=re.escape("`policy` (='xcorr6') must be one of xcorr1, xcorr2")):
    Tracker(model, "xcorr6")


def test_a_budget_is_for_hard_gating_alone(model):
  with pytest.raises(InputError, match=re.escape("`budget` (=2.0) is for the policy \"hard\" alone, not for 'soft'")):
    Tracker(model, "soft", 2.0)


def test_a_video_without_a_frame_is_refused(tracker):
  with pytest.raises(InputError, match="`frames` is empty: give the video's frames"):
    tracker.track([], (10, 10, 20, 20))


def test_a_budget_needs_a_calibration_that_can_meet_it(model):
  with pytest.raises(InputError, match=r"`budget` \(=2\): the model has no calibration"):
    Tracker(model, "hard", 2.0)
  calibration = Calibration([0.2, 0.8], [[1, 0, 0, 0, 0], [0, 0, 0, 0, 1]], [0.5, 0.7], [1.0, 2, 4, 8, 16], "xcorr4")
  with pytest.raises(InputError, match=r"`budget` \(=20, relative to xcorr1\) must be above 1 and below 16"):
    Tracker(model._replace(calibration=calibration), "hard", 20.0)
  assert 0.2 < Tracker(model._replace(calibration=calibration), "hard", 4.0).threshold < 0.8


def test_a_model_that_is_not_there_is_refused(tmp_path):
  with pytest.raises(InputError, match=r"`model` \(=.*\) is neither a model nor a finished workdir"):
    Tracker(str(tmp_path / "nothing"))


def test_gates_without_a_backbone_are_refused():
  with pytest.raises(InputError, match="`model` holds gates alone, no backbone: give"):
    Tracker("vgg19")
