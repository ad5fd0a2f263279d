"""Pixel overlap: whole pixels counted one by one, and close to areas where regions are large."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from adadepth.maths.pixel_overlap import drawn, pixel_overlap

QUICK = settings(deadline=None, max_examples=60, derandomize=True)
WH = (64, 48)
boxes = st.tuples(st.integers(-9, 60), st.integers(-9, 44), st.integers(2, 30), st.integers(2, 30))
quarters = st.integers(0, 160).map(lambda n: n / 4)


def f64(*numbers: float) -> np.ndarray:
  return np.array(numbers, np.float64)


def pixels(box) -> set[tuple[int, int]]:
  """The pixels of a box in the image, as a loop finds them."""
  x, y, w, h = box
  return {(i, j) for i in range(x, x + w) for j in range(y, y + h) if 0 <= i < WH[0] and 0 <= j < WH[1]}


def turned(cx: float, cy: float, w: float, h: float, angle: float) -> np.ndarray:
  """The corners of a rectangle that is turned around its centre."""
  turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
  return np.array([cx, cy]) + np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn


@QUICK
@given(boxes, boxes)
def test_boxes_overlap_by_the_pixels_that_a_loop_counts(a, b):
  one, other = pixels(a), pixels(b)
  if len({i for i, _ in one | other}) > 1 and len({j for _, j in one | other}) > 1:
    assert pixel_overlap(f64(*a), f64(*b), WH) == pytest.approx(len(one & other) / len(one | other))


@QUICK
@given(boxes)
def test_a_box_and_itself_overlap_whole(box):
  assert pixel_overlap(f64(*box), f64(*box), WH) in (0, 1)  # 0: outside the image, or a pixel wide in it


def test_fractions_are_rounded_to_whole_pixels():
  assert pixel_overlap(f64(3.4, 4.4, 9.6, 8.4), f64(3, 4, 10, 8), WH) == 1


def test_what_lies_outside_the_image_does_not_count():
  assert pixel_overlap(f64(-5, 0, 10, 10), f64(0, 0, 5, 10), WH) == 1


@pytest.mark.parametrize("region", [np.full(4, np.nan), np.full((4, 2), np.nan)])
def test_what_is_not_there_overlaps_nothing(region):
  assert pixel_overlap(region, f64(3, 4, 10, 8), WH) == 0


@QUICK
@given(quarters, quarters, st.floats(8, 30), st.floats(8, 30), st.floats(-np.pi, np.pi))
def test_a_polygon_covers_its_area_but_for_its_border(cx, cy, w, h, angle):
  corners = turned(cx, cy, w, h, angle)
  window = np.array([-40, -40]), np.array([90, 90])
  polygon = shapely.Polygon(corners)
  assert abs(np.count_nonzero(drawn(corners, *window)) - polygon.area) <= 1.5 * polygon.length + 4


@QUICK
@given(quarters, quarters, st.floats(8, 30), st.floats(8, 30), st.floats(-np.pi, np.pi))
def test_a_polygon_covers_the_pixels_deep_inside_it_and_none_far_outside(cx, cy, w, h, angle):
  corners = turned(cx, cy, w, h, angle)
  found, polygon = drawn(corners, np.array([-40, -40]), np.array([90, 90])), shapely.Polygon(corners)
  deep, near = polygon.buffer(-1.5), polygon.buffer(1.5)  # rounded corners move an edge by up to 0.7 px, a cell by 0.5
  y, x = np.mgrid[-40:91, -40:91]
  assert found[shapely.contains_xy(deep, x, y)].all()
  assert not found[~shapely.contains_xy(near, x, y)].any()


def test_a_polygon_may_be_told_in_either_direction():
  corners = turned(20, 20, 18, 9, 0.4)
  window = np.array([0, 0]), np.array([40, 40])
  np.testing.assert_array_equal(drawn(corners, *window), drawn(corners[::-1], *window))
