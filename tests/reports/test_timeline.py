"""The timeline shows every target's depth and score, and what a frame took."""

import numpy as np
from PIL import Image

from adadepth.reports import timeline
from adadepth.reports.timeline import Course, draw_timeline

TIME = np.arange(5) / 25


def course(name: str, lost: list[bool]) -> Course:
  return Course(name, TIME, np.array([0, 1, 4, 2, 2]), np.linspace(0.2, 1, 5, dtype=np.float32), np.array(lost))


def drawn(monkeypatch, courses: list[Course]):
  figures = []
  monkeypatch.setattr(timeline, "save", lambda figure, path: figures.append(figure))
  draw_timeline("x.png", courses, time_s=TIME, milliseconds=np.full(5, 7.0))
  return figures[0].axes


def test_depth_score_and_milliseconds_are_drawn_over_seconds(monkeypatch):
  depth, score, ms = drawn(monkeypatch, [course("0", [False] * 5)])
  np.testing.assert_allclose(depth.lines[0].get_xydata(), np.stack([TIME, [1, 2, 5, 3, 3]], axis=1))
  np.testing.assert_allclose(score.lines[0].get_ydata(), np.linspace(0.2, 1, 5), rtol=1e-6)
  np.testing.assert_allclose(ms.lines[0].get_ydata(), 7)
  assert not score.patches and ms.get_xlabel() == "seconds"


def test_what_is_lost_is_shaded_until_it_is_found_or_the_video_ends(monkeypatch):
  _, score, _ = drawn(monkeypatch, [course("0", [False, True, True, False, True])])
  spans = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in score.patches]
  np.testing.assert_allclose(spans, [(TIME[1], TIME[3]), (TIME[4], TIME[4])])


def test_several_targets_are_told_apart(monkeypatch):
  depth, *_ = drawn(monkeypatch, [course("dog", [False] * 5), course("cat", [False] * 5)])
  dog, cat = depth.lines
  assert dog.get_color() != cat.get_color() and (dog.get_ydata() != cat.get_ydata()).all()
  np.testing.assert_array_equal(np.round(dog.get_ydata()), np.round(cat.get_ydata()))


def test_a_video_of_one_frame_has_a_timeline_too(tmp_path):
  empty = np.zeros(0)
  nothing = Course("0", empty, empty.astype(int), empty, empty.astype(bool))
  draw_timeline(tmp_path / "a.png", [nothing], time_s=empty, milliseconds=empty)
  with Image.open(tmp_path / "a.png") as image:
    assert image.width == 1500


def test_a_name_is_no_formula(tmp_path):
  courses = [course(r"Müller $\foo$", [False] * 5), course("cat", [False] * 5)]
  draw_timeline(tmp_path / "timeline.png", courses, time_s=TIME, milliseconds=np.full(5, 7.0))
  assert (tmp_path / "timeline.png").stat().st_size > 0
