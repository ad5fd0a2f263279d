"""Targets on a frame: colour is depth, what is lost is grey, dashed and named, a video's frames are of one size."""

import numpy as np
import pytest

from adadepth.reports import overlay
from adadepth.reports.overlay import DEPTH_COLORS, GIVEN_COLOR, LOST_COLOR, Shown, draw_targets, status

FRAME = np.full((240, 320, 3), 128, np.uint8)


def target(depth: int | None = 0, *, lost: bool = False, name: str = "", at=(50, 60, 80, 90)) -> Shown:
  return Shown(np.float32(at), depth, 0.5, lost, name, np.full(5, 0.2, np.float32))


def share_of(picture: np.ndarray, color: tuple[int, int, int]) -> float:
  """Of the box's left edge, in a colour."""
  edge = picture[62:148, 49:51]
  return float((edge == color).all(-1).mean())


@pytest.mark.parametrize("depth", range(5))
def test_the_colour_of_the_box_is_the_depth(depth):
  assert share_of(draw_targets(FRAME, [target(depth)]), DEPTH_COLORS[depth]) == 1


def test_a_given_box_is_white():
  assert share_of(draw_targets(FRAME, [target(None)]), GIVEN_COLOR) == 1


def test_a_lost_box_is_grey_and_dashed_and_says_so():
  lost = draw_targets(FRAME, [target(2, lost=True)])[:240]
  assert 0.35 < share_of(lost, LOST_COLOR) < 0.65
  above = (lost[40:58] == overlay.TEXT_COLOR).all(-1).any()
  assert above and not (draw_targets(FRAME, [target(2)])[40:58] == overlay.TEXT_COLOR).all(-1).any()


def test_depths_grow_lighter():
  assert (np.diff(np.array(DEPTH_COLORS) @ (0.299, 0.587, 0.114)) > 20).all()


def test_a_label_stays_in_the_frame():
  top = draw_targets(FRAME, [target(0, name="a", at=(0, 0, 40, 40))])
  assert (top[:30, :60] == overlay.TEXT_COLOR).all(-1).any()
  far = draw_targets(FRAME, [target(0, name="a", at=(1e9, -1e9, 40, 40))])
  assert far.shape == top.shape


@pytest.mark.parametrize("confidences", [False, True])
def test_frames_of_one_video_come_out_in_one_size(confidences):
  states = [target(None), target(3), target(3, lost=True), None]
  shapes = {draw_targets(FRAME, [one, target()], confidences=confidences).shape for one in states}
  assert len(shapes) == 1


def test_a_line_of_text_is_slim_and_confidences_are_a_row_for_each_target():
  heights = [draw_targets(FRAME, [target()] * n, confidences=c).shape[0] for n, c in ((1, False), (1, True), (2, True))]
  assert heights[0] - 240 < 25 and heights[1] - heights[0] == heights[2] - heights[1] > 30


def test_the_frame_stays_as_it_was():
  frame = FRAME.copy()
  frame.setflags(write=False)
  assert (draw_targets(frame, [target()])[:240] != frame).any()


@pytest.mark.parametrize(
  ("targets", "text"),
  [
    ([None], ""),
    ([target(None)], "given"),
    ([target(2)], "xcorr3  score 0.50"),
    ([target(2, lost=True)], "lost  score 0.50"),
    ([target(1), target(1, lost=True), None], "2 targets, 1 lost"),
  ],
)
def test_the_line_says_how_it_stands(targets, text):
  assert status(targets) == text
