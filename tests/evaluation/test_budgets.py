"""How budgets hold on a stream of pairs."""

import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.budgets import exits_within, score_budget
from adadepth.evaluation.costs import Costs
from adadepth.evaluation.scores import exit_ious, score_table
from adadepth.models.calibration import Calibration
from adadepth.tracking.budget import budget_for
from adadepth.tracking.threshold import GAIN

COSTS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
# Half of the frames stop at depth 1 and half at depth 5 at T = 0.5; all at the first below and all at the last above.
EXITS = [[1, 0, 0, 0, 0], [0.5, 0, 0, 0, 0.5], [0, 0, 0, 0, 1]]
CALIBRATION = Calibration([0.2, 0.5, 0.8], EXITS, [0.5, 0.7, 0.8], COSTS.tolist(), "xcorr5")


def stream(seed: int, frames: int = 1000) -> np.ndarray:
  """c of frames whose first gate is anything between sure and unsure; no other gate ever stops, [frames, 5]."""
  first = np.random.default_rng(seed).random(frames).astype(np.float32)
  return np.stack([first, 0 * first, 0 * first, 0 * first, 1 - first], axis=1)


@pytest.mark.parametrize("target", [2.0, 4.0, 12.0])
def test_a_budget_is_held_on_video_that_differs_from_the_calibrations(target):
  # A frame here exits first with probability 1 - T, so that 4.0 asks for T = 0.2; the calibration says 0.3.
  exits, last = exits_within(stream(0), budget_for(CALIBRATION, target))
  assert COSTS[exits].mean() == pytest.approx(target, rel=0.05)
  assert 0 < last < 1


def test_the_exits_of_a_budget_are_those_of_its_thresholds_in_order():
  confidences = stream(1, 50)
  exits, last = exits_within(confidences, budget := budget_for(CALIBRATION, 4.0))
  logit = np.log(budget.start / (1 - budget.start))
  for c, found in zip(confidences, exits, strict=True):
    expected = 0 if c[0] > 1 / (1 + np.exp(-logit)) else 4
    assert found == expected
    logit -= GAIN * (COSTS[expected] / 4.0 - 1)
  assert last == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)  # fifty float32 steps


@pytest.fixture
def scores():
  table = planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4)
  return score_table(table, exit_ious(table, arch=ARCH), arch=ARCH, costs=Costs(COSTS, COSTS, 16.0))


ALWAYS_FIRST = np.tile(np.array([0.9, 0, 0, 0, 0.1], np.float32), (4, 1))


def test_a_score_says_what_a_budget_got(scores):
  entry = score_budget(scores, ALWAYS_FIRST, CALIBRATION, 2.0)
  assert (entry["target"], entry["got"], entry["off"]) == (2, 1, -0.5)
  assert entry["by_sequence"] == {"a": 1, "b": 1}
  assert entry["iou@25"] == pytest.approx(1)
  assert entry["thresholds"][1] > entry["thresholds"][0]  # cheaper than asked: T has risen


def test_a_score_says_what_the_calibration_promised(scores):
  # 8.5 is what T = 0.5 costs there, with an IOU@25 of 0.7; half way from there to 1 are 4.75 and 0.6.
  promised = [score_budget(scores, ALWAYS_FIRST, CALIBRATION, target)["promised"] for target in (8.5, 4.75)]
  assert promised == pytest.approx([0.7, 0.6])


def test_a_budget_in_milliseconds_counts_what_an_exit_takes(scores):
  entry = score_budget(scores, ALWAYS_FIRST, CALIBRATION, 40.0, 10 * COSTS)
  assert (entry["got"], entry["off"]) == (10, -0.75)
