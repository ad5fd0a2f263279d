"""The measures of one pass, by hand and against loops."""

import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.evaluation.measures import frames_of, one_pass_measures

NAN = (np.nan,) * 4
HIT, HALF, MISS = (0, 0, 10, 10), (0, 0, 10, 5), (40, 40, 10, 10)


def still(name: str, boxes: list, **more) -> Sequence:
  return Sequence(name, np.zeros((len(boxes), 80, 80, 3), np.uint8), np.array(boxes, np.float32), **more)


def track(*boxes, start: int = 0):
  return np.array(boxes, np.float32), start


def test_the_given_box_counts_in_curves_and_not_in_ao():
  found = one_pass_measures([still("a", [HIT] * 3)], [track(HIT, HALF, MISS)])
  # IoU of 1, 0.5 and 0: above 20, 10 and none of the 21 thresholds.
  assert found["success"] == pytest.approx((20 + 10) / 21 / 3)
  assert (found["ao"], found["sr_50"], found["sr_75"]) == (0.25, 0, 0)
  assert found["precision"] == pytest.approx(2 / 3)


def test_curves_are_means_over_sequences_and_ao_over_frames():
  sequences = [still("long", [HIT] * 5), still("short", [HIT] * 2)]
  found = one_pass_measures(sequences, [track(*[HIT] * 5), track(HIT, MISS)])
  assert found["success"] == pytest.approx((20 / 21 + 10 / 21) / 2)
  assert found["ao"] == pytest.approx(4 / 5)
  assert found["by_sequence"]["short"]["ao"] == 0
  np.testing.assert_allclose(found["curves"]["success"][0], (1 + 0.5) / 2)
  assert [len(found["curves"][name]) for name in ("success", "precision", "normalised_precision")] == [21, 51, 51]


def test_absent_frames_are_left_out_and_a_missing_box_is_a_miss():
  found = one_pass_measures([still("a", [HIT, NAN, HIT, HIT])], [track(HIT, MISS, HIT, NAN)])
  assert found["precision"] == pytest.approx(2 / 3)
  assert found["ao"] == 0.5
  assert np.isfinite(found["success"])


def test_a_track_of_one_frame_has_no_ao():
  found = one_pass_measures([still("a", [NAN, HIT])], [track(HIT, start=1)])
  assert (found["ao"], found["success"]) == (None, pytest.approx(20 / 21))


def test_normalised_precision_does_not_depend_on_scale():
  small, large = (
    one_pass_measures([still("a", [(0, 0, s, s)] * 2)], [track((0, 0, s, s), (s / 4, 0, s, s))]) for s in (8, 40)
  )
  assert small["normalised_precision"] == pytest.approx(large["normalised_precision"])
  assert small["normalised_precision_20"] == 0.5  # a quarter of a width is off by more than 0.2


def test_boxes_are_bounded_by_their_image_for_ao_alone():
  out = (70, 0, 30, 10)  # of which 10 px are in the image
  found = frames_of(still("a", [HIT, (70, 0, 10, 10)]), track(HIT, out))
  assert (found.bounded[0], found.overlaps[1]) == (1, pytest.approx(1 / 3))


def test_attributes_are_of_the_frames_that_have_them():
  flags = {"occlusion": np.array([False, False, True]), "blur": np.ones(3, bool)}
  sequences = [still("a", [HIT] * 3, attributes=flags), still("b", [HIT] * 3)]
  found = one_pass_measures(sequences, [track(HIT, HIT, MISS), track(HIT, HIT, HIT)])["attributes"]
  assert {name: row["sequences"] for name, row in found.items()} == {"blur": 1, "occlusion": 1}
  assert found["occlusion"]["success"] == 0
  assert found["blur"]["success"] == pytest.approx(2 / 3 * 20 / 21)
