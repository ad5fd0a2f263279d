"""Scores of policies on responses whose peaks are planted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.costs import Costs
from adadepth.evaluation.scores import (
  compare_hard,
  confidences_of,
  exit_ious,
  random_mix,
  score,
  score_bounds,
  score_fixed,
  score_hard,
  score_pairs,
  score_table,
  soft_ious,
  table_features,
)
from adadepth.models.gates import init_gates

COSTS = Costs(np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([1.0, 2.5, 5.0, 9.0, 17.0]), 17.0)
BOX = dataclasses.replace(ARCH, reader="box")


@pytest.fixture
def table():
  # Depth 3 is right on the first pair, depths 4 and 5 on both; shallower ones are two cells off: IoU 0.
  wrong, right = (2, 0), (0, -1)
  seen = [[wrong, wrong, right, right, right], [wrong, wrong, wrong, right, right]]
  return planted_table([right, right], seen)


@pytest.fixture
def scores(table):
  return score_table(table, exit_ious(table, arch=ARCH), arch=ARCH, costs=COSTS)


@pytest.fixture
def confidences():
  """Of hard gating that stops the first pair at depth 3 and the second at depth 4 when T is 0.5."""
  return np.array([[0.1, 0.1, 0.7, 0.05, 0.05], [0.1, 0.1, 0.1, 0.6, 0.1]], np.float32)


# What is read.


def test_what_was_read_at_each_depth_is_scored(scores):
  np.testing.assert_allclose(scores.ious, [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1]], atol=1e-6)


@pytest.fixture
def boxed_table():
  """A pair whose depths read its box 0, 4, 8 and 12 px to the right, and at the right place but half as wide."""
  table = planted_table([(1, -1)], [[(0, 0)] * 5])
  center = np.float32([8, -8]) + np.float32([(0, 0), (4, 0), (8, 0), (12, 0), (0, 0)])
  size = np.float32([(16, 16)] * 4 + [(8, 16)])
  score = np.float32([[3, 2, 1, 0, -1]])
  return dataclasses.replace(table, center=center[None], size=size[None], score=score)


def test_the_boxes_are_taken_as_they_were_read(boxed_table):
  found = exit_ious(boxed_table, arch=BOX)
  # Boxes of 16 px that overlap in 16, 12, 8 and 4 columns, over 16 and what they do not share.
  np.testing.assert_allclose(found, [[1, 12 / 20, 8 / 24, 4 / 28, 1 / 2]], rtol=1e-5)


def test_the_score_of_box_heads_is_a_feature(boxed_table):
  found = table_features({"head": {"log_scale": jnp.zeros(5)}}, boxed_table, arch=BOX)
  np.testing.assert_array_equal(found[..., -1], boxed_table.score)


# Soft gating.


def test_with_the_papers_reader_soft_gating_reads_the_weighted_map():
  table = planted_table([(1, 1)], [[(1, 1), (0, 0), (0, 0), (0, 0), (0, 0)]])
  first, rest = (np.array([c], np.float32) for c in ([0.9, 0.1, 0, 0, 0], [0.1, 0.9, 0, 0, 0]))
  assert soft_ious(table, first, arch=ARCH) == pytest.approx([1])
  assert soft_ious(table, rest, arch=ARCH)[0] < 0.5


def test_with_box_heads_soft_gating_averages_the_boxes(boxed_table):
  half = np.float32([[0, 0, 0.5, 0, 0.5]])  # 4 px to the right, 12 px wide
  assert soft_ious(boxed_table, half, arch=BOX) == pytest.approx([10 / 18])  # they share 10 of 18 columns


# Entries of results.json.


def test_bounds_are_those_of_center_and_truth(scores):
  bounds = score_bounds(scores)
  # One cell of 8 px off in y with boxes of 16: overlap 16 * 8 over a union of 2 * 256 - 128.
  assert bounds["center"]["iou@25"] == pytest.approx(128 / 384)
  assert bounds["perfect_displacement"]["iou@25"] == bounds["best_exit"]["iou@25"] == pytest.approx(1)
  assert bounds["cheapest_good_exit"]["exits"] == [0, 0, 0.5, 0.5, 0]
  assert bounds["cheapest_good_exit"]["gflops"] == pytest.approx((5 + 9) / 2)


def test_bounds_have_the_last_boxs_size(table):
  smaller = dataclasses.replace(table, last_size=np.full((2, 2), 8, np.float32))
  bounds = score_bounds(score_table(smaller, exit_ious(table, arch=ARCH), arch=ARCH, costs=COSTS))
  assert bounds["perfect_displacement"]["iou@25"] == pytest.approx(64 / 256)


def test_iou_at_counts_only_the_first_frames(scores):
  fixed = score_fixed(scores)["xcorr3"]
  assert (fixed["iou@1"], fixed["iou@5"], fixed["iou@25"]) == pytest.approx((1, 0.5, 0.5))


def test_static_exits_cost_what_they_do_without_gates(scores):
  found = [(entry["gflops"], entry["relative_cost"]) for entry in score_fixed(scores).values()]
  assert found == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)]


def test_a_horizon_that_no_pair_lies_within_has_no_number(scores, confidences):
  late = dataclasses.replace(scores, frames_after_key=np.array([3, 4], np.int32))
  results = score_pairs(late, confidences, scores.center, (0.5,))
  fixed = results["pairs"]["xcorr3"]
  assert (fixed["iou@1"], fixed["iou@5"], fixed["iou@25"]) == (None, 0.5, 0.5)
  assert results["bounds"]["center"]["iou@1"] is None


def test_hard_gating_pays_for_the_exits_it_took(scores, confidences):
  entry = score_hard(scores, confidences, 0.5)
  assert entry["exits"] == [0, 0, 0.5, 0.5, 0]
  assert entry["iou@25"] == pytest.approx(1)
  assert entry["gflops"] == pytest.approx((5 + 9) / 2)
  assert score_hard(scores, confidences, 0.9)["exits"] == [0, 0, 0, 0, 1]


def test_every_sequence_is_reported(scores, confidences):
  results = score_pairs(scores, confidences, np.array([0.25, 0.75], np.float32), (0.2, 0.6))
  assert [entry["threshold"] for entry in results["pairs"]["hard"]] == [0.2, 0.6]
  assert results["sequences"]["a"] == {
    **{"xcorr1": 0, "xcorr2": 0, "xcorr3": 1, "xcorr4": 1, "xcorr5": 1},
    **{"soft": 0.25, "pairs": 1},
  }
  assert results["sequences"]["b"]["soft"] == 0.75


def test_untrained_gates_pass_half_on(table):
  params = {"head": {"log_scale": jnp.zeros(5)}}
  features = table_features(params, table, arch=ARCH)
  found = confidences_of(init_gates(jax.random.key(0)), features)
  np.testing.assert_allclose(found, np.tile([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16], (2, 1)), rtol=1e-6)


def test_relative_cost_is_to_xcorr1(scores):
  dear = dataclasses.replace(scores, costs=COSTS._replace(fixed_gflops=2 * COSTS.fixed_gflops))
  assert score(dear, scores.center, 3.0)["relative_cost"] == 1.5


# The random mix.


def with_ious(scores, ious) -> object:
  """The same scores with so much IoU at each exit, on every pair."""
  return dataclasses.replace(scores, ious=np.tile(np.asarray(ious, np.float32), (2, 1)))


@pytest.mark.parametrize("seed", range(8))
def test_a_random_mix_is_the_best_that_costs_no_more(scores, seed):
  rng = np.random.default_rng(seed)
  drawn, gflops = with_ious(scores, rng.random(5)), float(rng.uniform(1, 16))
  mix = random_mix(drawn, gflops)
  costs = {"A_ub": COSTS.fixed_gflops[None], "b_ub": [gflops]}
  best = scipy.optimize.linprog(-drawn.ious.mean(0), **costs, A_eq=np.ones((1, 5)), b_eq=[1], bounds=(0, 1))
  assert drawn.ious.mean(0) @ mix == pytest.approx(-best.fun, abs=1e-6)
  assert mix.sum() == pytest.approx(1) and mix @ COSTS.fixed_gflops <= gflops + 1e-9
  assert mix.min() >= 0 and (mix > 0).sum() <= 2


def test_a_random_mix_that_costs_what_a_good_exit_does_is_that_exit(scores):
  np.testing.assert_allclose(random_mix(with_ious(scores, [0.1, 0.2, 0.6, 0.6, 0.6]), 4.0), np.eye(5)[2], atol=1e-12)


def test_a_cost_that_no_exit_has_is_taken_for_the_cheapest(scores):
  np.testing.assert_array_equal(random_mix(with_ious(scores, [0.1, 0.2, 0.3, 0.4, 0.5]), 0.5), np.eye(5)[0])


def test_hard_gating_stands_beside_the_random_mix_at_its_cost(scores, confidences):
  entry = score_hard(with_ious(scores, [0.1, 0.2, 0.3, 0.4, 0.8]), confidences, 0.5)
  # 7 GFLOPs: a quarter of xcorr5 and the rest of xcorr3 has 0.425; xcorr3 and xcorr4 would have 0.375.
  assert entry["random_mix_iou@25"] == pytest.approx(0.25 * 0.8 + 0.75 * 0.3)


# The comparison.


def test_a_comparison_is_of_means_over_videos(scores, confidences):
  # "a" has three pairs, "b" one: pairs alike would weigh "a" three times.
  four = dataclasses.replace(
    scores,
    ious=np.array([[0, 0, 0.9, 0, 0.6]] * 3 + [[0, 0, 0, 0.5, 0.4]], np.float32),
    center=np.zeros(4, np.float32),
    perfect=np.ones(4, np.float32),
    frames_after_key=np.arange(1, 5),
    sequence=np.array(["a", "a", "a", "b"]),
  )
  found = compare_hard(four, confidences[[0, 0, 0, 1]], 0.5, "xcorr5")
  assert found["minus_xcorr5"]["mean"] == pytest.approx(((0.9 - 0.6) + (0.5 - 0.4)) / 2)
  assert found["minus_xcorr5"]["low"] == pytest.approx(0.1)  # of two videos a bootstrap has three means
  assert found["minus_xcorr5"]["high"] == pytest.approx(0.3)


def test_a_mix_of_exits_that_are_all_alike_gains_nothing(scores, confidences):
  alike = with_ious(scores, [0.5] * 5)
  assert compare_hard(alike, confidences, 0.5, "xcorr1") == {
    name: {"mean": 0, "low": 0, "high": 0} for name in ("minus_xcorr1", "minus_random_mix")
  }
