"""Scores of policies on responses whose peaks are planted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.costs import PairCosts
from adadepth.evaluation.scores import (
  Looked,
  confidences_of,
  exit_ious,
  score,
  score_bounds,
  score_depths,
  score_fixed,
  score_hard,
  score_pairs,
  soft_ious,
  table_features,
)
from adadepth.maths.peaks import Readout
from adadepth.models.fusion_weights import init_beliefs
from adadepth.models.gates import init_gates
from adadepth.reports.report import describe
from adadepth.training.fusion_fit import as_pairs

COSTS = PairCosts(np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([1.0, 2.5, 5.0, 9.0, 17.0]), 17.0)
CELL = Readout()


@pytest.fixture
def scores():
  # Depth 3 is right on the first pair, depths 4 and 5 on both; shallower ones are two cells off: IoU 0.
  wrong, right = (2, 0), (0, -1)
  seen = [[wrong, wrong, right, right, right], [wrong, wrong, wrong, right, right]]
  table = planted_table([right, right], seen)
  return score_depths(table, arch=ARCH, readout=CELL, costs=COSTS)


def test_ious_follow_the_planted_peaks(scores):
  np.testing.assert_allclose(scores.ious, [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1]], atol=1e-6)


def test_a_closer_look_is_read_where_the_network_has_one():
  table = planted_table([[1, 0]], [[[0, 0]] * 5])  # the target moved by a cell, 8 px, and no response says so
  coefficients = np.zeros((1, 2, 5, 17, 17), np.float16)
  coefficients[0, 0, 2, 8, 8 + 4] = 1  # by four fine cells of 2 px
  table = dataclasses.replace(table, coefficients=coefficients)
  finer = dataclasses.replace(ARCH, finer_px=6.0)
  plain, closer = (score_depths(table, arch=arch, readout=CELL, costs=COSTS).ious for arch in (ARCH, finer))
  np.testing.assert_allclose(plain, 1 / 3)
  np.testing.assert_allclose(closer, 1, atol=1e-3)


def test_bounds_are_those_of_center_and_truth(scores):
  bounds = score_bounds(scores)
  # One cell of 8 px off in y with boxes of 16: overlap 16 * 8 over a union of 2 * 256 - 128.
  assert bounds["center"]["iou@25"] == pytest.approx(128 / 384)
  assert bounds["perfect_displacement"]["iou@25"] == bounds["best_depth"]["iou@25"] == pytest.approx(1)
  assert bounds["cheapest_good_depth"]["exits"] == [0, 0, 0.5, 0.5, 0]
  assert bounds["cheapest_good_depth"]["gflops"] == pytest.approx((4 + 8) / 2)


def test_iou_at_counts_only_the_first_frames(scores):
  fixed = score_fixed(scores)["xcorr3"]
  assert (fixed["iou@1"], fixed["iou@5"], fixed["iou@25"]) == pytest.approx((1, 0.5, 0.5))
  assert (fixed["gflops"], fixed["relative_cost"]) == (4, 4)


def test_a_horizon_that_no_pair_lies_within_has_no_number(scores):
  late = dataclasses.replace(scores, frames_after_key=np.array([3, 4], np.int32))
  looked = Looked(np.full((2, 5), 0.2, np.float32), scores.ious)
  results = score_pairs(late, looked, scores.center, (0.5,))
  fixed = results["pairs"]["xcorr3"]
  assert (fixed["iou@1"], fixed["iou@5"], fixed["iou@25"]) == (None, 0.5, 0.5)
  assert results["bounds"]["center"]["iou@1"] is None
  assert "| xcorr3 | - | 0.500 | 0.500 |" in describe(results, 0.5)


def test_hard_gating_pays_for_the_exits_it_took(scores):
  confidences = np.array([[0.1, 0.1, 0.7, 0.05, 0.05], [0.1, 0.1, 0.1, 0.6, 0.1]], np.float32)
  entry = score_hard(scores, confidences, scores.ious, 0.5)
  assert entry["exits"] == [0, 0, 0.5, 0.5, 0]
  assert entry["iou@25"] == pytest.approx(1)
  assert entry["gflops"] == pytest.approx((5 + 9) / 2)
  assert score_hard(scores, confidences, scores.ious, 0.9)["exits"] == [0, 0, 0, 0, 1]


def test_soft_gating_reads_the_weighted_map():
  seen = [[(1, 1), (0, 0), (0, 0), (0, 0), (0, 0)]]
  table = planted_table([(1, 1)], seen)
  toward_first = np.array([[0.9, 0.1, 0, 0, 0]], np.float32)
  toward_rest = np.array([[0.1, 0.9, 0, 0, 0]], np.float32)
  assert soft_ious({}, table, toward_first, arch=ARCH, readout=CELL) == pytest.approx([1])
  assert soft_ious({}, table, toward_rest, arch=ARCH, readout=CELL)[0] < 0.5


def test_with_a_posterior_soft_gating_reads_the_depths_beliefs():
  table = planted_table([(1, 1)], [[(1, 1), (-2, 0), (-2, 0), (-2, 0), (-2, 0)]])
  beliefs = {**init_beliefs(), "response": 60 * jnp.eye(5)}  # each depth believes its own map alone
  shares = np.array([[0.9, 0.1, 0, 0, 0], [0.1, 0.9, 0, 0, 0]], np.float32)
  read = Readout(combine="posterior")
  first, rest = (soft_ious({"beliefs": beliefs}, table, c[None], arch=ARCH, readout=read)[0] for c in shares)
  assert first > 0.7 and rest < 0.3


def test_growth_is_read_where_the_network_tells_sizes_apart():
  table = planted_table([[0, 0]], [[[0, 0]] * 5])
  truth = np.array([[32 - 9.3, 32 - 9.3, 18.6, 18.6]], np.float32)  # 16 px, grown by exp(0.15)
  coefficients = np.zeros((1, 2, 5, 17, 17), np.float16)
  coefficients[0, 1, 3, 8, 8] = 1  # which the second block alone has seen
  table = dataclasses.replace(table, coefficients=coefficients, truth_in_search=truth)
  arch = dataclasses.replace(ARCH, finer_px=2.0, growth=True)
  beliefs, as_read = {**init_beliefs(), "gain": jnp.ones(5)}, Readout(combine="posterior")
  scores = score_depths(table, arch=arch, readout=CELL, costs=COSTS)
  found = exit_ious(beliefs, table, as_pairs(1), scores, arch=arch, readout=as_read)[0]
  np.testing.assert_allclose(found[0], 16**2 / 18.6**2, atol=0.01)
  np.testing.assert_allclose(found[1:], 1, atol=0.01)


def test_hard_gating_gets_what_it_reads_at_its_exit(scores):
  confidences = np.array([[0.1, 0.1, 0.7, 0.05, 0.05], [0.1, 0.1, 0.1, 0.6, 0.1]], np.float32)
  assert score_hard(scores, confidences, np.full((2, 5), 0.25, np.float32), 0.5)["iou@25"] == 0.25


def test_every_sequence_is_reported():
  params = {"head": {"log_scale": jnp.zeros(5)}, "gates": init_gates(jax.random.key(0))}
  table = planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4)
  scores = score_depths(table, arch=ARCH, readout=CELL, costs=COSTS)
  confidences = confidences_of(params["gates"], table_features(params, table, arch=ARCH, readout=CELL))
  looked = Looked(confidences, exit_ious({}, table, as_pairs(4), scores, arch=ARCH, readout=CELL))
  results = score_pairs(scores, looked, scores.center, (0.2, 0.6))
  assert set(results["sequences"]) == {"a", "b"}
  assert [entry["threshold"] for entry in results["pairs"]["hard"]] == [0.2, 0.6]
  # Untrained gates pass half on: c = 1/2, 1/4, ... so T = 0.2 stops at once and 0.6 never.
  assert results["pairs"]["hard"][0]["exits"][0] == results["pairs"]["hard"][1]["exits"][4] == 1


def test_always_stopping_is_scored_by_what_is_read_there(scores):
  looked = Looked(np.zeros((2, 5)), np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.4, 0.3, 0.2, 0.1]], np.float32))
  results = score_pairs(scores, looked, scores.center, ())
  stops = results["stops"]
  assert (stops["xcorr1"]["iou@25"], stops["best"]["iou@25"]) == pytest.approx((0.3, 0.5))
  assert stops["xcorr2"]["gflops"] == COSTS.cascade_gflops[1]
  assert results["sequences"]["a"]["stops"]["xcorr1"] == pytest.approx(0.1)


def test_relative_cost_is_to_xcorr1(scores):
  assert score(scores, scores.center, 3.0)["relative_cost"] == 3
