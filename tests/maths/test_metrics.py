"""IoU against shapely, the rest against loops; limits by hand."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adadepth.maths.metrics import (
  bounded_as_got10k,
  center_error,
  iou,
  iou_at,
  normalised_error,
  precision,
  precision_curve,
  success_auc,
  success_curve,
  success_rate,
)

QUICK = settings(deadline=None, max_examples=60, derandomize=True)
corners, lengths = st.floats(-60, 60, width=32), st.floats(1, 80, width=32)
boxes = st.tuples(corners, corners, lengths, lengths)
shares = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))
# A coarse grid, so that ties in cost and in accuracy are common.
points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


def f32(*numbers: float) -> np.ndarray:
  return np.array(numbers, np.float32)


def shapely_box(box) -> shapely.Polygon:
  x, y, w, h = (float(v) for v in box)
  return shapely.box(x, y, x + w, y + h)


# Invariants


@QUICK
@given(boxes, boxes)
def test_iou_is_symmetric_and_lies_in_0_to_1(a, b):
  there, back = iou(f32(*a), f32(*b)), iou(f32(*b), f32(*a))
  assert 0 <= there <= 1
  np.testing.assert_allclose(there, back, atol=1e-5)


@QUICK
@given(boxes, boxes, st.tuples(corners, corners))
def test_iou_does_not_depend_on_where_or_how_large_both_are(a, b, shift):
  moved = [2 * f32(*box) + f32(*shift, 0, 0) for box in (a, b)]
  np.testing.assert_allclose(iou(*moved), iou(f32(*a), f32(*b)), atol=1e-4)  # the shift rounds at 1e-5 px


def test_a_box_and_itself_have_iou_1_wherever_they_are():
  """Exactly: an IoU of 1.00003 would count as a success at the threshold of 1."""
  rng = np.random.default_rng(0)
  box = np.concatenate([rng.uniform(0, 4000, (500, 2)), rng.uniform(0.5, 90, (500, 2))], axis=1).astype(np.float32)
  np.testing.assert_array_equal(iou(box, box), np.ones(500))


@QUICK
@given(shares)
def test_the_area_under_the_success_curve_is_the_mean_iou(ious):
  """The integral over x of the share above x is the mean; a step of 0.01 leaves an error of 0.01."""
  assert abs(success_auc(ious) - ious.mean()) <= 0.0101


# Limits


@pytest.mark.parametrize(
  ("a", "b", "expected"),
  [
    ((0, 0, 2, 2), (5, 0, 2, 2), 0),  # apart
    ((0, 0, 2, 2), (2, 0, 2, 2), 0),  # half-open boxes that touch
    ((0, 0, 4, 4), (1, 1, 2, 2), 1 / 4),  # one inside the other
    ((0, 0, 2, 2), (1, 0, 2, 2), 1 / 3),
    ((1, 1, 0, 0), (1, 1, 0, 0), 0),  # no union
  ],
)
def test_iou_by_hand(a, b, expected):
  assert iou(f32(*a), f32(*b)) == pytest.approx(expected)


def test_a_box_that_is_absent_has_no_iou():
  assert np.isnan(iou(f32(1, 1, 2, 2), np.full(4, np.nan, np.float32)))


def test_a_perfect_track_succeeds_everywhere_but_at_1():
  assert success_auc(np.ones(7)) == pytest.approx(100 / 101)


def test_a_lost_track_succeeds_nowhere():
  assert success_auc(np.zeros(7)) == 0


def test_precision_counts_errors_up_to_and_at_its_limit():
  errors = np.array([0.0, 20, 20.001, 500])
  assert precision(errors) == 0.5
  assert precision(errors, 20.01) == 0.75
  assert precision(errors, 1e3) == 1


# Oracles


@QUICK
@given(boxes, boxes)
def test_iou_equals_shapely(a, b):
  one, other = shapely_box(a), shapely_box(b)
  expected = one.intersection(other).area / one.union(other).area
  np.testing.assert_allclose(iou(f32(*a), f32(*b)), expected, atol=1e-5)  # float32 at up to 140 px


def test_iou_takes_any_batch():
  rng = np.random.default_rng(1)
  a, b = (rng.uniform(1, 50, (3, 2, 4)).astype(np.float32) for _ in range(2))
  found = iou(a, b)
  assert found.dtype == np.float32
  for index in np.ndindex(3, 2):
    one, other = shapely_box(a[index]), shapely_box(b[index])
    assert found[index] == pytest.approx(one.intersection(other).area / one.union(other).area, abs=1e-5)


@QUICK
@given(boxes, boxes)
def test_the_centre_error_is_the_distance_between_centres(a, b):
  one, other = shapely_box(a).centroid, shapely_box(b).centroid
  expected = math.hypot(one.x - other.x, one.y - other.y)
  np.testing.assert_allclose(center_error(f32(*a), f32(*b)), expected, atol=1e-4)


@pytest.mark.parametrize("n", [1, 5, 25])
@pytest.mark.parametrize("depths", [(), (5,)])
def test_iou_at_n_averages_the_pairs_up_to_n_frames_after_the_key(n, depths):
  rng = np.random.default_rng(2)
  ious, after = rng.uniform(size=(40, *depths)), np.append(rng.integers(1, 26, 39), 1)
  total, count = np.zeros(depths), 0
  for value, frames in zip(ious, after, strict=True):
    if frames <= n:
      total, count = total + value, count + 1
  np.testing.assert_allclose(iou_at(ious, after, n), total / count)


@QUICK
@given(shares)
def test_success_equals_a_loop_over_thresholds(ious):
  curve = [sum(value > threshold for value in ious) / len(ious) for threshold in np.linspace(0, 1, 101)]
  assert success_auc(ious) == pytest.approx(sum(curve) / 101)


@QUICK
@given(shares)
def test_the_success_curve_equals_a_loop_over_21_thresholds(ious):
  curve = [sum(value > k / 20 for value in ious) / len(ious) for k in range(21)]
  np.testing.assert_allclose(success_curve(ious), curve)


@QUICK
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 60)))
def test_the_precision_curve_equals_a_loop_over_51_thresholds(errors):
  curve = precision_curve(errors)
  np.testing.assert_allclose(curve, [sum(error <= k for error in errors) / len(errors) for k in range(51)])
  assert curve[20] == precision(errors)


def test_what_is_lost_altogether_is_a_miss_at_every_threshold():
  assert success_curve(np.zeros(3)).sum() == 0
  assert precision_curve(np.full(3, np.inf)).sum() == 0


def test_a_normalised_error_is_in_true_sizes_on_each_axis():
  truth, box = f32(0, 0, 10, 40), f32(3, 16, 10, 40)
  assert normalised_error(box, truth) == pytest.approx(math.hypot(0.3, 0.4))
  assert normalised_error(10 * box, 10 * truth) == pytest.approx(0.5)
  assert normalised_error(f32(2, 0, 0.5, 0.5), f32(0, 0, 0.5, 0.5)) == 2  # not of less than a pixel


def test_the_success_rate_leaves_its_threshold_out():
  assert success_rate(np.array([0.5, 0.6, 0.9, 0.1]), 0.5) == 0.5


def test_a_box_inside_its_image_stays_as_it_is():
  box = f32(1, 2, 3, 4)
  np.testing.assert_array_equal(bounded_as_got10k(box, (10, 10)), box)


@pytest.mark.parametrize(
  ("box", "bounded"), [((-3, -4, 6, 6), (0, 0, 6, 6)), ((8, 7, 6, 6), (8, 7, 2, 3)), ((12, 3, 6, 6), (10, 3, 0, 6))]
)
def test_a_box_is_moved_in_at_the_left_and_cut_at_the_right(box, bounded):
  np.testing.assert_array_equal(bounded_as_got10k(f32(*box), (10, 10)), bounded)
