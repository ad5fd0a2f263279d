"""The track of the shipped model on a rendered clip: what a release must not move unawares."""

import numpy as np
import pytest

from adadepth.data.render import Difficulty, render_sequence
from adadepth.tracking.tracker import Tracker

BOXES = (  # x, y, w, h
  (32.52, 97.82, 58.25, 48.98),
  (35.54, 114.49, 57.99, 48.55),
  (36.93, 124.20, 59.09, 48.50),
  (45.19, 101.30, 59.02, 47.91),
  (52.56, 65.39, 60.33, 49.37),
  (58.75, 41.02, 62.49, 50.97),
  (57.80, 21.86, 65.66, 52.33),
  (52.89, 9.81, 67.24, 54.35),
  (46.47, 33.52, 71.23, 57.12),
  (41.02, 76.42, 72.73, 57.01),
)
DEPTHS = [0, 2, 2, 2, 2, 2, 2, 2, 2, 2]
SCORES = [1.0, 0.953, 0.952, 0.953, 0.942, 0.944, 0.939, 0.936, 0.936, 0.935]


@pytest.fixture(scope="module")
def track():
  clip = render_sequence(seed=3, name="golden", frames=10, height=180, width=240, difficulty=Difficulty.graded(0.6))
  return Tracker().track(clip.frames, clip.boxes_xywh[0])


def test_the_shipped_models_boxes_are_the_golden_ones(track):
  # Machines round convolutions differently, and each box is where the next crop is cut.
  np.testing.assert_allclose(track.box_xywh, BOXES, atol=0.5)


def test_the_shipped_models_exits_are_the_golden_ones(track):
  assert track.depth.tolist() == DEPTHS


def test_the_shipped_models_scores_are_the_golden_ones(track):
  np.testing.assert_allclose(track.score, SCORES, atol=0.02)
