"""The track of the shipped model on a rendered clip: what a release must not move unawares."""

import numpy as np
import pytest

from adadepth.data.render import Difficulty, render_sequence
from adadepth.tracking.tracker import Tracker

BOXES = (  # x, y, w, h
  (32.52, 97.82, 58.25, 48.98),
  (29.98, 104.43, 63.07, 53.04),
  (29.79, 106.16, 65.09, 54.73),
  (38.57, 97.45, 65.32, 54.93),
  (34.90, 83.11, 64.45, 54.20),
  (52.74, 44.72, 64.35, 54.12),
  (54.38, 18.40, 66.16, 55.63),
  (54.85, 7.77, 66.00, 55.50),
  (44.96, 43.92, 64.97, 54.63),
  (33.42, 81.56, 66.42, 55.85),
)
DEPTHS = [0, 4, 4, 4, 4, 4, 4, 4, 4, 3]


@pytest.fixture(scope="module")
def track():
  clip = render_sequence(seed=3, name="golden", frames=10, height=180, width=240, difficulty=Difficulty.graded(0.6))
  return Tracker().track(clip.frames, clip.boxes_xywh[0])


def test_the_shipped_models_boxes_are_the_golden_ones(track):
  # Hundredths of a pixel: machines round convolutions differently.
  np.testing.assert_allclose(track.box_xywh, BOXES, atol=0.05)


def test_the_shipped_models_exits_are_the_golden_ones(track):
  assert track.depth.tolist() == DEPTHS
