"""Phase 2 finds the exit that the features give away, judges it on videos it has not seen, and beside static exits."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.errors import InputError
from adadepth.evaluation.costs import Costs, pair_costs
from adadepth.evaluation.scores import confidences_of, exits_at, table_features
from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.maths.features import FEATURES
from adadepth.models.gates import gate_logits, init_gates
from adadepth.training import phase2
from adadepth.training.phase2 import Fitted, Recipe, cross_fit, depth_losses, fit, run_phase2, train_gates

PRICES = np.array([1, 2, 4, 8, 16], np.float32)
RECIPE = Recipe("iou", 2.0, (0.01,), "label", 1.0, 0.05, 200, 64, 0)


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


def untrained() -> dict:
  return {"head": {"log_scale": jnp.zeros(5)}, "gates": init_gates(jax.random.key(0))}


# Gates.


def told_pairs(n: int = 400):
  """Pairs whose first feature, at every depth, says whether depth 1 is good enough or only depth 5 is."""
  rng = np.random.default_rng(0)
  easy = rng.random(n) < 0.5
  features = rng.normal(size=(n, 4, FEATURES)).astype(np.float32)
  features[:, :, 0] += np.where(easy, 6, -6)[:, None]
  losses = np.where(easy[:, None], 0.1, np.array([0.9, 0.9, 0.9, 0.9, 0.1])).astype(np.float32)
  return easy, features, losses


def exits(trained: dict, features: np.ndarray) -> np.ndarray:
  return np.asarray(exit_depth(exit_confidences(gate_logits(trained, jnp.asarray(features))), 0.5))


def train(features, losses, weights, seed: int = 0):
  recipe = RECIPE._replace(price_weights=weights, seed=seed)
  return train_gates(features, losses, np.arange(len(features)), prices=PRICES, recipe=recipe)


def test_gates_learn_the_exit_that_features_give_away():
  easy, features, losses = told_pairs()
  (trained,), curves = train(features, losses, (0.01,))
  found = exits(trained, features)
  # The feature separates the two kinds by twelve standard deviations.
  assert (found[easy] == 0).mean() > 0.98
  assert (found[~easy] == 4).mean() > 0.98
  assert curves[0, -20:].mean() < 0.5 * curves[0, :5].mean()


def test_a_higher_price_exits_earlier():
  _, features, losses = told_pairs()
  sets, _ = train(features, losses, (0.0, 0.02, 1.0))
  means = [exits(trained, features).mean() for trained in sets]
  assert means[0] >= means[1] > means[2] == 0


def test_each_lambda_is_trained_as_if_alone():
  _, features, losses = told_pairs()
  (_, beside), curves = train(features, losses, (0.0, 0.02))
  (alone,), curve = train(features, losses, (0.02,))
  np.testing.assert_allclose(curves[1], curve[0], atol=1e-5)  # batched or not, sums differ in order
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), beside, alone)


def test_training_is_deterministic_in_its_seed():
  _, features, losses = told_pairs(50)
  first, again, other = (train(features, losses, (0.01,), seed)[0][0] for seed in (0, 0, 1))
  jax.tree.map(np.testing.assert_array_equal, first, again)
  kernels = [gates["gate1"]["linear"]["Dense_0"]["kernel"] for gates in (first, other)]
  assert (kernels[0] != kernels[1]).all()


def test_rows_left_out_teach_nothing():
  _, features, losses = told_pairs(100)
  rows = np.arange(50)
  whole, half = (train_gates(features[:n], losses[:n], rows, prices=PRICES, recipe=RECIPE)[0][0] for n in (100, 50))
  jax.tree.map(np.testing.assert_array_equal, whole, half)


# Losses and prices.


def test_the_iou_loss_is_one_minus_iou():
  table = planted_table([(0, 0)], [[(0, 0)] * 5])
  ious = np.array([[0.2, 0.4, 0.6, 0.8, 1.0]], np.float32)
  losses = depth_losses({}, table, ious, loss="iou", arch=ARCH, map_loss="label", variance_px2=1.0)
  np.testing.assert_allclose(losses, 1 - ious)


def test_the_cross_entropy_loss_is_each_maps_own():
  table = planted_table([(1, 0)], [[(1, 0), (1, 0), (-2, 2), (1, 0), (1, 0)]])
  (found,) = depth_losses(
    {"head": {"log_scale": jnp.full(5, jnp.log(10.0))}},
    table,
    np.zeros((1, 5), np.float32),
    **{"loss": "cross_entropy", "arch": ARCH, "map_loss": "label", "variance_px2": 1.0},
  )
  # A Gaussian of a pixel lies in the target's cell of 64: -log softmax, with a logit of 10 there, or at another.
  np.testing.assert_allclose(found[[0, 1, 3, 4]], -np.log(np.exp(10) / (np.exp(10) + 63)), atol=1e-2)
  assert found[2] == pytest.approx(-np.log(1 / (np.exp(10) + 63)), rel=1e-2)


def test_prices_are_powers_of_p(monkeypatch):
  asked = []
  monkeypatch.setattr(
    phase2, "train_gates", lambda *_, prices, recipe: asked.append(prices) or ([{"a": np.zeros(1)}], np.zeros((1, 1)))
  )
  table = planted_table([(0, 0)] * 2, [[(0, 0)] * 5] * 2)
  features = table_features(untrained(), table, arch=ARCH)
  fit(untrained(), table, features, np.arange(2), RECIPE._replace(p=3.0), ARCH)
  np.testing.assert_allclose(asked[0], [1, 3, 9, 27, 81])


def told_by_fit(table, features, **changes) -> str:
  """What a fit of short batches is refused with."""
  recipe = RECIPE._replace(price_weights=(0.0, 0.5), batch=1, steps=9, **changes)
  with pytest.raises(InputError) as caught:
    fit(untrained(), table, features, np.arange(3), recipe, ARCH)
  return str(caught.value)


def test_pairs_that_are_no_numbers_are_told_by_lambda_step_and_videos():
  table, features = planted_table([(0, 0)] * 3, [[(0, 0)] * 5] * 3), np.zeros((3, 5, FEATURES), np.float32)
  features[1, 0, 0] = np.nan  # of video "b"; standardised, all pairs are
  told = told_by_fit(table, features)
  assert told.startswith("phase 2, lambda 0, step 1: the loss is nan on b; phase 2 keeps no steps") and "\n" not in told


def test_gates_that_become_no_numbers_are_told_by_the_videos_of_the_batch():
  table, features = planted_table([(0, 0)] * 3, [[(0, 0)] * 5] * 3), np.ones((3, 5, FEATURES), np.float32)
  told = told_by_fit(table, features, learning_rate=float("inf"))
  assert re.match("phase 2, lambda 0, step [1-9]: the (loss|gates' norm) is nan on [ab](, b)?; ", told)


# Cross-fitting.


def misleading_table(n: int = 40):
  """Depth 2 is wrong; all others are right."""
  rng = np.random.default_rng(0)
  true, wrong = (rng.integers(-2, 3, (n, 2)) for _ in range(2))
  return planted_table(true, np.stack([true, wrong, true, true, true], axis=1))


def test_no_pair_is_judged_by_what_learnt_from_its_fold(monkeypatch):
  """Gates that carry the rows they were fitted on, as powers of two."""
  folds = np.array([0, 1, 0, 2])
  table = planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4)
  monkeypatch.setattr(phase2, "fit", lambda params, table, features, rows, *_: Fitted([rows, rows], np.zeros((2, 1))))
  monkeypatch.setattr(phase2, "confidences_of", lambda rows, v: np.full((len(v), 5), np.sum(2.0**rows)))
  monkeypatch.setattr(phase2, "pair_costs", lambda arch: Costs(PRICES, PRICES, 16.0))
  recipe = RECIPE._replace(price_weights=(0.1, 0.2))
  _, confidences = cross_fit(untrained(), table, folds=folds, recipe=recipe, arch=ARCH)
  others = [2 + 8, 1 + 4 + 8, 2 + 8, 1 + 2 + 4]  # the rows outside of each pair's fold
  np.testing.assert_array_equal(confidences, np.tile(np.array(others)[:, None], (2, 1, 5)))


def test_a_video_that_differs_does_not_teach_the_gates_that_judge_it():
  # What tells "a" says nothing on "b", and the reverse: spoiling the responses of "a" leaves b's gates' judge of "a".
  table, folds = misleading_table(), np.arange(40) % 2
  spoilt = dataclasses.replace(table, responses=table.responses.copy())
  spoilt.responses[folds == 0] = np.random.default_rng(1).random(spoilt.responses[folds == 0].shape)
  recipe = RECIPE._replace(steps=20)
  first, again = (cross_fit(untrained(), t, folds=folds, recipe=recipe, arch=ARCH) for t in (table, spoilt))
  # Video "b" (fold 1) is judged by what "a" taught: changed. "a" by what "b" taught, on other responses of its own.
  assert not np.allclose(first[1][0, folds == 1], again[1][0, folds == 1])
  np.testing.assert_array_equal(first[0].ious[folds == 1], again[0].ious[folds == 1])


# The whole of phase 2.


def is_easy(n: int = 200) -> np.ndarray:
  """Which pairs of `graded_table` are; of both videos as many."""
  return np.arange(n) % 8 < 6


def graded_table(n: int = 200, *, deep_misses: int = 0):
  """Three in four pairs are easy: their peaks are high, and all in the right place; else depth 5 alone is right.

  Args:
    deep_misses: in so many of each eight pairs, easy ones, depth 5 is wrong.
  """
  rng = np.random.default_rng(0)
  true, easy = rng.integers(-2, 3, (n, 2)), is_easy(n)
  wrong = np.where(true > 0, true - 3, true + 3)
  first = np.where(easy[:, None], true, wrong)
  last = np.where((np.arange(n) % 8 < deep_misses)[:, None], wrong, true)
  table = planted_table(true, np.stack([first, first, first, first, last], axis=1))
  responses = table.responses * np.where(easy, 1, 0.3).astype(np.float32)[:, None, None, None]
  return dataclasses.replace(table, responses=responses, frames_after_key=np.arange(n) % 25 + 1)


def settings(**changes) -> dict:
  return {"recipe": RECIPE, "folds": 2, "thresholds": (0.2, 0.5, 0.8), "cost_share": 0.5, "arch": ARCH, **changes}


@pytest.fixture(scope="module")
def graded():
  return run_phase2(untrained(), graded_table(), **settings())


def test_gating_is_chosen_where_it_is_better(graded):
  # Static exits have 0.75 until xcorr5, which costs twice the limit; gating has nearly all for less than that.
  assert graded.chosen is graded.gated and graded.chosen.policy == "hard"
  assert graded.chosen.entry["iou@25"] > 0.95 > 0.8 > graded.static[3].entry["iou@25"]


def test_without_a_budget_the_limit_is_a_share_of_xcorr5s_cost(graded):
  assert graded.gated.cost + graded.gated.cost_error <= 0.5 * pair_costs(ARCH).relative[-1]


def test_what_may_be_spent_does_not_depend_on_which_static_exit_is_the_best():
  # Of exits that are alike, chance makes one the best: as a share of its cost, a cheap one left gates nothing.
  recipe = RECIPE._replace(price_weights=(0.01, 1.0))  # the second always stops at once
  done = run_phase2(untrained(), graded_table(deep_misses=4), **settings(recipe=recipe))
  assert done.model.calibration.reference == "xcorr1"
  assert done.gated.cost > 0.25 * pair_costs(ARCH).relative[-1]
  assert done.gated.entry["iou@25"] > 0.95 > 0.8 > done.static[0].entry["iou@25"]


def test_a_smaller_share_is_a_cheaper_choice():
  recipe = RECIPE._replace(price_weights=(0.01, 1.0))  # the second always stops at once
  low, high = (run_phase2(untrained(), graded_table(), **settings(cost_share=s, recipe=recipe)) for s in (0.2, 0.9))
  assert low.gated.cost < 0.2 * pair_costs(ARCH).relative[-1] < high.gated.cost


def test_a_budget_is_the_limit():
  recipe = RECIPE._replace(price_weights=(0.01, 1.0))  # the second always stops at once
  low, high = (run_phase2(untrained(), graded_table(), **settings(budget=b, recipe=recipe)) for b in (1.01, 100.0))
  assert (low.gated.price_weight, high.gated.price_weight) == (1.0, 0.01)
  assert low.gated.cost <= 1.01 < high.gated.cost


def test_a_budget_in_milliseconds_counts_milliseconds():
  costs_ms = np.array([10.0, 20, 30, 40, 50])
  done = run_phase2(untrained(), graded_table(), **settings(budget=40.0, costs_ms=costs_ms))
  assert [c.cost for c in done.static] == costs_ms.tolist()
  assert 10 <= done.gated.cost <= 50
  assert done.model.calibration.relative_costs == pair_costs(ARCH).relative.tolist()


def test_a_static_exit_is_chosen_where_it_is_better():
  table = planted_table([(0, 0)] * 40, [[(0, 0)] * 5] * 40)
  done = run_phase2(untrained(), table, **settings(budget=100.0))
  # All depths are right, so that depth without gates is the cheapest.
  assert (done.chosen.policy, done.gated.policy) == ("xcorr1", "hard")
  assert done.model.threshold == done.gated.threshold  # the model is gated all the same


def test_the_model_has_the_gates_and_the_threshold_of_the_choice(graded):
  table = graded_table()
  features = table_features(untrained(), table, arch=ARCH)
  found = exits_at(confidences_of(graded.model.params["gates"], features), graded.model.threshold)
  easy = is_easy()
  assert (found[easy] == 0).mean() > 0.95 and (found[~easy] == 4).mean() > 0.95
  assert set(graded.model.params) == {"head", "gates"}


def test_the_calibration_is_of_the_chosen_lambda_at_every_threshold():
  recipe = RECIPE._replace(price_weights=(0.0, 0.01, 1.0))
  done = run_phase2(untrained(), graded_table(), **settings(recipe=recipe))
  assert done.model.calibration.thresholds == [0.2, 0.5, 0.8]
  at = done.model.calibration.thresholds.index(done.gated.threshold)
  assert done.model.calibration.exits[at] == done.gated.entry["exits"]
  assert len(done.fitted.gates) == len(done.fitted.curves) == 3
