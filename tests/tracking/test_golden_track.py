"""The track of the shipped model on a rendered clip: what a release must not move unawares."""

import numpy as np
import pytest

from adadepth.data.render import Difficulty, render_sequence
from adadepth.tracking.tracker import Tracker

BOXES = (  # x, y, w, h
  (32.52, 97.82, 58.25, 48.98),
  (33.56, 99.29, 58.42, 49.84),
  (34.43, 101.82, 59.21, 51.21),
  (38.96, 94.12, 61.14, 51.03),
  (27.89, 90.16, 61.74, 52.33),
  (26.47, 90.90, 63.17, 53.14),
  (24.89, 80.11, 62.84, 53.99),
  (23.78, 80.88, 63.80, 54.72),
  (45.68, 38.86, 68.13, 56.23),
  (97.98, 62.57, 68.31, 57.09),
)
DEPTHS = [0, 1, 1, 1, 1, 1, 1, 1, 2, 1]
SCORES = [1.0, 0.694, 0.517, 0.794, 0.501, 0.533, 0.389, 0.35, 0.886, 0.729]


@pytest.fixture(scope="module")
def track():
  clip = render_sequence(seed=3, name="golden", frames=10, height=180, width=240, difficulty=Difficulty.graded(0.6))
  return Tracker().track(clip.frames, clip.boxes_xywh[0])


def test_the_shipped_models_boxes_are_the_golden_ones(track):
  # Hundredths of a pixel: machines round convolutions differently.
  np.testing.assert_allclose(track.box_xywh, BOXES, atol=0.05)


def test_the_shipped_models_exits_are_the_golden_ones(track):
  assert track.depth.tolist() == DEPTHS


def test_the_shipped_models_scores_are_the_golden_ones(track):
  np.testing.assert_allclose(track.score, SCORES, atol=5e-3)
