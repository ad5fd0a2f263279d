"""What the viewer is given: values of the frames that are shown, the worst of each column, the hardest moments."""

import base64
import json

import numpy as np
import pytest
from planted_film import FRAMES, SIDE, film, trail

from adadepth.reports import viewer
from adadepth.reports.viewer import edges_of, exit_shares, hard_moments, packed_maps, viewer_data


def test_all_of_it_is_json_without_nan():
  data = viewer_data(film(), [trail(), trail("xcorr1", "#ff0000")])
  assert json.loads(json.dumps(data, allow_nan=False)) == data
  assert data["truth"][3] is None and data["truth"][4] == [20, 10, 20, 20]
  assert data["trails"][0]["iou"][3] is None and data["trails"][0]["iou"][4] == pytest.approx(18 / 22, abs=1e-3)
  assert data["squares"][0] is None and data["trails"][0]["confidences"][1] == [0.25, *[None] * 4]


def test_of_thinned_frames_the_shown_ones_are_told_and_the_strip_is_of_all():
  few = film(shown=[0, 4, 8], jpegs=film().jpegs[::4])
  data = viewer_data(few, [trail()])
  assert data["numbers"] == [100, 104, 108] and data["trails"][0]["depth"] == [-1, 0, 1]
  assert data["trails"][0]["strip"]["depth"][6] == 4 and len(data["trails"][0]["strip"]["depth"]) == FRAMES


def test_a_column_has_the_worst_of_its_frames(monkeypatch):
  monkeypatch.setattr(viewer, "COLUMNS", 5)
  data = viewer_data(film(), [trail()])
  strip = data["trails"][0]["strip"]
  assert data["columns"] == [100, 102, 104, 106, 108, 110]
  assert strip["depth"] == [0, 0, 0, 4, 1] and strip["lost"] == [False] * 4 + [True]
  assert strip["score"] == pytest.approx([0.9, 0.9, 0.9, 0.6, 0.1])
  assert strip["iou"][1] == pytest.approx(18 / 22, abs=1e-3)  # of the frame whose truth is known


def test_a_strip_has_no_more_columns_than_frames_and_is_bounded():
  assert list(edges_of(3)) == [0, 1, 2, 3]
  many = edges_of(100_001)
  assert len(many) == viewer.COLUMNS + 1 and many[-1] == 100_001 and (np.diff(many) >= 1).all()


def test_hard_frames_are_the_deep_the_unsure_and_the_lost_in_their_order():
  moments = hard_moments(film(), [trail()])
  assert [(moment["number"], moment["why"]) for moment in moments] == [
    (106, "xcorr5, score 0.60, IoU 0.82"),
    (108, "lost in frames 108 to 108, IoU 0.82"),
  ]
  easy = trail()._replace(depth=np.zeros(FRAMES, int), score=np.ones(FRAMES), lost=np.zeros(FRAMES, bool))
  assert hard_moments(film(), [easy]) == []
  assert hard_moments(film(), [trail("other", "#ff0000")]) == []


def test_a_target_that_is_long_lost_is_one_moment():
  gone = trail()._replace(lost=np.arange(FRAMES) >= 2, depth=np.zeros(FRAMES, int))
  assert [m["why"].partition(",")[0] for m in hard_moments(film(), [gone])] == ["lost in frames 102 to 109"]


def test_a_sure_tracker_that_is_wrong_had_a_hard_frame_where_the_truth_is_known():
  sure = trail()._replace(depth=np.zeros(FRAMES, int), score=np.ones(FRAMES), lost=np.zeros(FRAMES, bool))
  sure.boxes_xywh[4, :2] += 100
  assert [moment["why"] for moment in hard_moments(film(), [sure])] == ["xcorr1, score 1.00, IoU 0.00"]
  assert hard_moments(film(truth=None), [sure]) == []


def test_of_several_targets_the_hard_one_is_named():
  easy = trail("cat")._replace(depth=np.zeros(FRAMES, int), score=np.ones(FRAMES), lost=np.zeros(FRAMES, bool))
  assert [moment["why"] for moment in hard_moments(film(), [easy, trail("dog")])] == [
    "dog: xcorr5, score 0.60, IoU 0.82",
    "dog: lost in frames 108 to 108, IoU 0.82",
  ]


def test_a_target_that_begins_later_is_not_hard_before():
  late = trail()._replace(score=np.where(np.arange(FRAMES) < 5, np.nan, trail().score))
  assert [moment["number"] for moment in hard_moments(film(), [late])] == [106, 108]
  assert json.dumps(viewer_data(film(), [late]), allow_nan=False)


def test_exits_are_counted_without_the_given_box_and_the_other_policies():
  shares = exit_shares([trail(), trail("xcorr1", "#ff0000")])
  assert [one["count"] for one in shares] == [7, 1, 0, 0, 1]
  assert sum(one["share"] for one in shares) == pytest.approx(1)


def test_a_map_goes_from_its_lowest_value_to_its_highest():
  maps = np.zeros((1, 5, SIDE, SIDE), np.float32)
  maps[0, 1, 2, 3], maps[0, 1, 0, 0] = 7, -7
  packed = packed_maps(maps)
  found = np.frombuffer(base64.b64decode(packed["bytes"]), np.uint8).reshape(5, SIDE, SIDE)
  assert packed["side"] == SIDE and not found[0].any()  # a flat map is dark
  assert found[1, 2, 3] == 255 and found[1, 0, 0] == 0 and found[1, 1, 1] == 128
