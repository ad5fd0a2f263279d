"""Folds keep the targets of a video together, and the choice keeps to its limit."""

import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.costs import Costs
from adadepth.evaluation.scores import exit_ious, score_table
from adadepth.training.cross_fitting import (
  Choice,
  best_static,
  calibration_of,
  choose,
  grouped_folds,
  static_choices,
  sweep,
)

COSTS = Costs(np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 2, 4, 8, 17]), 17.0)


def choice(iou25: float, cost: float, error: float = 0.0, threshold: float = 0.5, policy: str = "hard") -> Choice:
  entry = {"threshold": threshold, "iou@25": iou25, "exits": [1 - cost / 10, 0, 0, 0, cost / 10]}
  return Choice(policy, 0.1, threshold, cost, error, entry)


@pytest.fixture
def scores():
  table = planted_table([(0, 0)] * 4, [[(2, 0), (0, 0), (0, 0), (0, 0), (0, 0)]] * 4)
  return score_table(table, exit_ious(table, arch=ARCH), arch=ARCH, costs=COSTS)


# Folds.


def test_a_video_is_in_one_fold_and_folds_differ_by_one_video_at_most():
  names = np.repeat([f"video{i}" for i in range(10)], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3])
  folds = grouped_folds(names, 4, seed=0)
  by_name = [np.unique(folds[names == name]) for name in np.unique(names)]
  assert all(len(found) == 1 for found in by_name)
  assert sorted(np.bincount(np.concatenate(by_name))) == [2, 2, 3, 3]


def test_fewer_sequences_than_folds_are_a_fold_each():
  assert sorted(grouped_folds(np.array(["a", "b"]), 7, seed=0)) == [0, 1]


def test_all_targets_and_parts_of_a_video_are_in_one_fold():
  names = ["otb/Jogging.1", "otb/Jogging.2", "uav123/group1_1", "uav123/group1_4", "vot/ball2", "rendered/test-003"]
  folds = grouped_folds(np.array(names), 4, seed=0)
  assert folds[0] == folds[1] and folds[2] == folds[3]
  assert sorted(folds[[0, 2, 4, 5]]) == [0, 1, 2, 3]


def test_a_seed_deals_anew():
  names = np.array([f"video{i}" for i in range(20)])
  assert (grouped_folds(names, 4, seed=0) == grouped_folds(names, 4, seed=0)).all()
  assert (grouped_folds(names, 4, seed=0) != grouped_folds(names, 4, seed=1)).any()


# Candidates.


def test_every_lambda_is_tried_at_every_threshold(scores):
  confidences = np.tile(np.array([0.5, 0, 0, 0, 0.5], np.float32), (2, 4, 1))
  tried = sweep(scores, confidences, (0.0, 0.1), (0.3, 0.7), COSTS.relative)
  assert [(c.price_weight, c.threshold, c.cost) for c in tried] == [
    *((0.0, 0.3, 1), (0.0, 0.7, 17)),
    *((0.1, 0.3, 1), (0.1, 0.7, 17)),
  ]


def test_the_cost_error_is_that_of_the_mean_over_videos(scores):
  # Video "a" always exits at depth 1 and "b" at depth 5, at costs 1 and 17: a deviation of 8 * sqrt(2) over sqrt(2).
  at = np.where((scores.sequence == "a")[:, None], [0.9, 0, 0, 0, 0.1], [0.1, 0, 0, 0, 0.9]).astype(np.float32)
  (found,) = sweep(scores, at[None], (0.0,), (0.5,), COSTS.relative)
  assert (found.cost, found.cost_error) == pytest.approx((9, 8))


def test_static_exits_are_candidates_at_a_sure_cost(scores):
  found = static_choices(scores)
  assert [(c.policy, c.cost, c.cost_error) for c in found] == [
    (f"xcorr{k + 1}", COSTS.fixed_gflops[k], 0) for k in range(5)
  ]
  assert [c.entry["iou@25"] for c in found] == pytest.approx([0, 1, 1, 1, 1])


def test_the_best_static_exit_is_the_cheaper_of_equals(scores):
  assert best_static(static_choices(scores)).policy == "xcorr2"


# Choice.


def test_the_most_accurate_within_the_limit_is_chosen():
  tried = [choice(0.6, 2.0), choice(0.7, 3.0), choice(0.8, 5.0)]
  assert choose(tried, 3.0) == tried[1]


def test_the_cheaper_of_equals_is_chosen():
  tried = [choice(0.7, 3.0), choice(0.7, 2.9), choice(0.7, 2.95)]
  assert choose(tried, 3.0) == tried[1]


def test_a_static_exit_is_chosen_where_it_is_better():
  tried = [choice(0.6, 2.0, policy="xcorr2"), choice(0.59, 2.0)]
  assert choose(tried, 3.0).policy == "xcorr2"


def test_a_cost_that_is_unsure_counts_as_higher():
  tried = [choice(0.6, 2.0, 0.1), choice(0.7, 2.9, 0.2)]
  assert choose(tried, 3.0) == tried[0]


def test_without_any_within_the_limit_the_cheapest_is_chosen():
  tried = [choice(0.6, 2.0, 0.5), choice(0.7, 2.2)]
  assert choose(tried, 1.0) == tried[1]


def test_a_calibration_has_its_thresholds_in_order():
  found = calibration_of([choice(0.7, 2.0, threshold=0.6), choice(0.6, 1.0, threshold=0.5)], "xcorr4", COSTS)
  assert (found.thresholds, found.iou25, found.reference) == ([0.5, 0.6], [0.6, 0.7], "xcorr4")
  assert [exits[0] for exits in found.exits] == [0.9, 0.8]
  assert found.relative_costs == [1, 2, 4, 8, 17]
