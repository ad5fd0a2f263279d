"""Cross-fitting keeps each video from the gates that judge it, and the choice keeps to its limit."""

import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.costs import PairCosts
from adadepth.evaluation.scores import score_depths
from adadepth.jobs import calibration
from adadepth.maths.peaks import Readout
from adadepth.training.cross_fitting import (
  Choice,
  best_by_loss,
  calibrations,
  choose,
  cross_fit,
  cross_read,
  deal,
  sweep,
)
from adadepth.training.phase2 import Fitted, Pairs, Reading, Recipe

RECIPE = Recipe("iou", "flops", (0.1, 0.2), 2.0, "label", 1.0, 0.01, 0.0, 10, 4, 0)
COSTS = PairCosts(np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 2, 4, 8, 17]), 17.0)


def choice(
  loss: str, iou25: float, cost: float, error: float = 0.0, threshold: float = 0.5, tracked: float | None = None
) -> Choice:
  entry = {
    "threshold": threshold,
    "iou@25": iou25,
    "iou_as_tracked": iou25 if tracked is None else tracked,
    "relative_cost": cost,
    "cost_error": error,
    "exits": [1, 0, 0, 0, 0],
  }
  return Choice(RECIPE._replace(loss=loss), threshold, entry)


@pytest.fixture
def scores():
  return score_depths(planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4), arch=ARCH, readout=Readout(), costs=COSTS)


# Folds.


def test_a_video_is_in_one_fold_and_folds_differ_by_one_video_at_most():
  names = np.repeat([f"video{i}" for i in range(10)], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
  folds = deal(names, 4, seed=0)
  by_name = [np.unique(folds[names == name]) for name in np.unique(names)]
  assert all(len(found) == 1 for found in by_name)
  assert sorted(np.bincount(np.concatenate(by_name))) == [2, 2, 3, 3]


def test_fewer_sequences_than_folds_are_a_fold_each():
  assert sorted(deal(np.array(["a", "b"]), 7, seed=0)) == [0, 1]


def test_all_targets_of_a_video_are_in_one_fold():
  folds = deal(np.array(["otb/Jogging.1", "otb/Jogging.2", "vot/ball2", "rendered/test-003"]), 4, seed=0)
  assert folds[0] == folds[1]
  assert sorted(folds[1:]) == [0, 1, 2]


def test_a_seed_deals_anew():
  names = np.array([f"video{i}" for i in range(20)])
  assert (deal(names, 4, seed=0) == deal(names, 4, seed=0)).all()
  assert (deal(names, 4, seed=0) != deal(names, 4, seed=1)).any()


def test_no_pair_is_judged_by_gates_that_learnt_from_its_fold(scores, monkeypatch):
  folds = np.array([0, 1, 0, 2])

  # Gates and IoUs that carry the rows they were made from.
  def fit_reading(params, pairs, rows, **_):
    seen = np.full((4, 5), np.sum(2.0**rows), np.float32)
    return Reading({"seen": jnp.sum(2.0**rows)}, seen)

  def fit_gates(params, pairs, reading, rows, **_):
    assert reading.tracked_ious[0, 0] == np.sum(2.0**rows)
    return Fitted([rows, rows], np.zeros((2, 1)))

  monkeypatch.setattr(calibration, "fit_reading", fit_reading)
  monkeypatch.setattr(calibration, "fit_gates", fit_gates)
  monkeypatch.setattr(calibration, "exit_ious", lambda beliefs, *_, **__: np.tile(beliefs["seen"][:, None], 5) + 1)
  monkeypatch.setattr(calibration, "confidences_of", lambda rows, v: np.full((len(v), 5), np.sum(2.0**rows)))
  pairs = Pairs(planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4), np.zeros((4, 5, 13), np.float32), scores)
  read = cross_read({}, pairs, folds=folds, seed=0, arch=ARCH, readout=Readout())
  found = cross_fit({}, pairs, read, folds=folds, recipe=RECIPE, arch=ARCH)
  others = [2 + 8, 1 + 4 + 8, 2 + 8, 1 + 2 + 4]  # the rows outside of each pair's fold, as powers of two
  np.testing.assert_array_equal(found.tracked_ious[:, 0], others)
  np.testing.assert_array_equal(found.ious, found.tracked_ious + 1)
  np.testing.assert_array_equal(found.confidences[1, :, 3], others)


# Choice.


def test_the_most_accurate_within_the_limit_is_chosen():
  tried = [choice("iou", 0.6, 2.0), choice("iou", 0.7, 3.0), choice("iou", 0.7, 2.9), choice("iou", 0.8, 5.0)]
  assert choose(tried, max_relative_cost=3.0) == tried[2]


def test_what_a_tracker_reads_decides():
  tried = [choice("iou", 0.71, 2.0, tracked=0.5), choice("iou", 0.7, 2.0, tracked=0.52)]
  assert choose(tried, max_relative_cost=3.0) == tried[1]


def test_a_cost_that_is_unsure_counts_as_higher():
  tried = [choice("iou", 0.6, 2.0, 0.1), choice("iou", 0.7, 2.9, 0.2)]
  assert choose(tried, max_relative_cost=3.0) == tried[0]


def test_the_cost_error_is_that_of_the_mean_over_sequences(scores):
  # Sequence "a" always exits at depth 1 and "b" at depth 5, at costs 1 and 17: a deviation of 8 * sqrt(2) over sqrt(2).
  at = np.where((scores.sequence == "a")[:, None], [0.9, 0, 0, 0, 0.1], [0.1, 0, 0, 0, 0.9]).astype(np.float32)
  (entry,) = sweep(scores, at, scores.ious, scores.ious, (0.5,))
  assert entry["relative_cost"] == pytest.approx(9)
  assert entry["cost_error"] == pytest.approx(8)


def test_without_any_within_the_limit_the_cheapest_is_chosen():
  tried = [choice("iou", 0.6, 2.0), choice("iou", 0.7, 3.0)]
  assert choose(tried, max_relative_cost=1.0).entry["relative_cost"] == 2.0


def test_each_loss_has_its_own_best():
  tried = [choice("iou", 0.7, 2.0), choice("cross_entropy", 0.5, 2.0), choice("cross_entropy", 0.6, 2.0)]
  assert [(c.recipe.loss, c.entry["iou@25"]) for c in best_by_loss(tried, max_relative_cost=3)] == [
    ("iou", 0.7),
    ("cross_entropy", 0.6),
  ]


def test_a_calibration_has_one_recipes_thresholds_in_order():
  tried = [choice("iou", 0.7, 2.0, threshold=0.6), choice("cross_entropy", 0.5, 2.0), choice("iou", 0.6, 1.0)]
  assert list(calibrations(tried)[tried[0].recipe].thresholds) == [0.5, 0.6]
  assert calibrations(tried)[tried[0].recipe].iou25 == [0.6, 0.7]
