"""Budgets: the T they begin with, how they hold on a stream of pairs, and what is refused."""

import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.errors import InputError
from adadepth.evaluation.budgets import budget_for, exits_within, expected_iou, score_budget
from adadepth.evaluation.costs import PairCosts
from adadepth.evaluation.scores import Looked, score_depths
from adadepth.maths.peaks import PAPER
from adadepth.models.model import Calibration, Model

COSTS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
# Half of the frames stop at depth 1 and half at depth 5 at T = 0.5; all at the first below and all at the last above.
CALIBRATION = Calibration([0.2, 0.5, 0.8], [[1, 0, 0, 0, 0], [0.5, 0, 0, 0, 0.5], [0, 0, 0, 0, 1]], [0.5, 0.7, 0.8])


@pytest.fixture
def model() -> Model:
  return Model({}, ARCH, 0.5, PAPER, CALIBRATION)


def stream(seed: int, frames: int = 1000) -> np.ndarray:
  """c of frames whose first gate is anything between sure and unsure; no other gate ever stops, [frames, 5]."""
  first = np.random.default_rng(seed).random(frames).astype(np.float32)
  return np.stack([first, 0 * first, 0 * first, 0 * first, 1 - first], axis=1)


def test_a_budget_begins_with_the_threshold_that_met_it(model):
  assert budget_for(model, 8.5, COSTS, "relative").start == pytest.approx(0.5)
  assert 0.2 < budget_for(model, 3.0, COSTS, "relative").start < 0.5
  assert expected_iou(CALIBRATION, 8.5, COSTS) == pytest.approx(0.7)


def test_a_budget_is_held_on_video_that_differs_from_the_calibrations(model):
  # A frame here exits first with probability 1 - T, so that 4.0 asks for T = 0.2; the calibration says 0.3.
  for target in (2.0, 4.0, 12.0):
    exits, last = exits_within(stream(0), budget_for(model, target, COSTS, "relative"))
    assert COSTS[exits].mean() == pytest.approx(target, rel=0.05)
    assert 0 < last < 1


def test_the_exits_of_a_budget_are_those_of_its_thresholds_in_order(model):
  from adadepth.tracking.budget import GAIN

  confidences = stream(1, 50)
  exits, last = exits_within(confidences, budget := budget_for(model, 4.0, COSTS, "relative"))
  logit = np.log(budget.start / (1 - budget.start))
  for c, found in zip(confidences, exits, strict=True):
    expected = 0 if c[0] > 1 / (1 + np.exp(-logit)) else 4
    assert found == expected
    logit -= GAIN * (COSTS[expected] / 4.0 - 1)
  assert last == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)  # fifty float32 steps


def test_a_score_says_what_a_budget_got(model):
  table = planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4)
  pair_costs = PairCosts(COSTS, COSTS, 16.0)
  scores = score_depths(table, arch=ARCH, readout=PAPER, costs=pair_costs)
  confidences = np.tile(np.array([0.9, 0, 0, 0, 0.1], np.float32), (4, 1))
  entry = score_budget(scores, Looked(confidences, scores.ious), model, 2.0, COSTS, "relative")
  assert (entry["target"], entry["got"], entry["off"]) == (2, 1, -0.5)
  assert entry["by_sequence"] == {"a": 1, "b": 1}
  assert entry["iou@25"] == pytest.approx(1)
  assert entry["thresholds"][1] > entry["thresholds"][0]  # cheaper than asked: T has risen


@pytest.mark.parametrize("target", [0.5, 1.0, 16.0, 20.0])
def test_a_budget_that_no_threshold_meets_is_refused(model, target):
  with pytest.raises(InputError, match=r"`budget` \(=.*, ms\) must lie between 1 and 16"):
    budget_for(model, target, COSTS, "ms")
  with pytest.raises(InputError, match=r"`config\.policy\.budget` \(="):
    budget_for(model, target, COSTS, "ms", argument="config.policy.budget")


def test_a_budget_needs_a_calibration(model):
  with pytest.raises(InputError, match=r"`budget` \(=4\): the model has no calibration"):
    budget_for(model._replace(calibration=None), 4.0, COSTS, "relative")
