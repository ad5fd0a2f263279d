"""A window, where there can be one; else a reason."""

import sys
import types

import numpy as np
import pytest

from adadepth.io import window


@pytest.fixture
def opencv(monkeypatch) -> types.SimpleNamespace:
  """An OpenCV that shows to nobody, and a display."""
  cv2 = types.SimpleNamespace(WINDOW_NORMAL=0, WINDOW_KEEPRATIO=0, WND_PROP_VISIBLE=4, error=RuntimeError, shown=[])
  cv2.namedWindow = lambda *_: None
  cv2.imshow = lambda _, image: cv2.shown.append(image)
  cv2.waitKey = lambda _: -1
  cv2.getWindowProperty = lambda *_: 1.0
  cv2.selectROI = lambda _, image, cross: (10, 20, 30, 40)
  cv2.destroyAllWindows = lambda: cv2.shown.clear()
  monkeypatch.setitem(sys.modules, "cv2", cv2)
  monkeypatch.setenv("DISPLAY", ":0")
  return cv2


def test_a_window_shows_frames_and_takes_a_box(opencv):
  assert window.why_no_window() == ""
  shown, frame = window.Window(), np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
  np.testing.assert_array_equal(shown.draw_box(frame), np.float32([10, 20, 30, 40]))
  assert shown.show(frame)
  np.testing.assert_array_equal(opencv.shown[0], frame[..., ::-1])
  opencv.selectROI = lambda *_: (0, 0, 0, 0)
  assert shown.draw_box(frame) is None


@pytest.mark.parametrize(("key", "visible"), [(27, 1.0), (ord("q"), 1.0), (-1, 0.0)])
def test_a_key_or_a_closed_window_ends_it(opencv, key, visible):
  opencv.waitKey, opencv.getWindowProperty = (lambda _: key), (lambda *_: visible)
  assert not window.Window().show(np.zeros((8, 9, 3), np.uint8))


def test_why_there_is_no_window_is_told(opencv, monkeypatch):
  def no_windows(*_):
    raise opencv.error("not implemented")

  opencv.namedWindow = no_windows
  assert "has no windows" in window.why_no_window()
  monkeypatch.setitem(sys.modules, "cv2", None)
  assert "OpenCV is not installed" in window.why_no_window()
  monkeypatch.setattr(sys, "platform", "linux")
  for name in ("DISPLAY", "WAYLAND_DISPLAY"):
    monkeypatch.delenv(name, raising=False)
  assert window.why_no_window() == "there is no display"
