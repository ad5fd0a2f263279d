"""A zoomed view: it holds the boxes, lies in the frame, and boxes move with the pixels."""

import numpy as np
import pytest

from adadepth.reports.views import fit_view, view_around


def boxes(*rows) -> np.ndarray:
  return np.array(rows, np.float32)


@pytest.mark.parametrize("corner", [(0, 0), (300, 200), (1270, 710)])
def test_a_view_holds_its_boxes_and_lies_in_the_frame(corner):
  found = boxes((*corner, 10, 8), (corner[0] - 20, corner[1] - 10, 10, 8))
  x, y, w, h = view_around(found, (720, 1280))
  assert x >= 0 and y >= 0 and x + w <= 1280 and y + h <= 720
  assert w / h == pytest.approx(4 / 3, abs=0.02)
  seen = found[(found[:, :2] >= 0).all(axis=1)]
  assert (seen[:, 0] >= x).all() and (np.minimum(seen[:, 0] + 10, 1280) <= x + w).all()


def test_a_view_of_a_small_frame_is_the_frame():
  np.testing.assert_array_equal(view_around(boxes((40, 40, 50, 30)), (96, 110)), [0, 0, 110, 96])


@pytest.mark.parametrize("size", [(90, 120), (300, 200)])
def test_boxes_move_with_the_pixels(size):
  frame = np.zeros((*size, 3), np.uint8)
  frame[30:50, 60:90] = 255
  whole = np.array([0, 0, size[1], size[0]])
  view, (box,) = fit_view(frame, whole, [np.array([60, 30, 30, 20], np.float32)])
  assert view.shape == (480, 640, 3)
  rows, columns = np.nonzero(view[..., 0] > 127)
  found = np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1])
  np.testing.assert_allclose(found, box, atol=2)
