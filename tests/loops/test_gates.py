"""Phase 2 finds the exit that the features give away, and the choice among gates keeps to its budget."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted import ARCH, planted_table

from adadepth.loops import gates
from adadepth.loops.gates import GateChoice, best_by_loss, choose, depth_losses, train_gates
from adadepth.loops.scores import score_depths
from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.maths.features import FEATURE_NAMES
from adadepth.maths.readout import Readout
from adadepth.params.gates import gate_logits
from adadepth.programs.costs import PairCosts

PRICES = np.array([1, 2, 4, 8, 16], np.float32)


@pytest.fixture(autouse=True)
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


def told_pairs(n: int = 400):
  """Pairs whose first feature, at every depth, says whether depth 1 is good enough or only depth 5 is."""
  rng = np.random.default_rng(0)
  easy = rng.random(n) < 0.5
  features = rng.normal(size=(n, 4, len(FEATURE_NAMES))).astype(np.float32)
  features[:, :, 0] += np.where(easy, 6, -6)[:, None]
  losses = np.where(easy[:, None], 0.1, np.array([0.9, 0.9, 0.9, 0.9, 0.1])).astype(np.float32)
  return easy, features, losses


def exits(trained: dict, features: np.ndarray) -> np.ndarray:
  return np.asarray(exit_depth(exit_confidences(gate_logits(trained, jnp.asarray(features))), 0.5))


def train(features, losses, weights):
  return train_gates(
    jax.random.key(0), features, losses, prices=PRICES, price_weights=weights, learning_rate=0.05, steps=300, batch=64
  )


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


def test_training_is_deterministic_in_its_key():
  _, features, losses = told_pairs(50)
  first, again = train(features, losses, (0.01,))[0][0], train(features, losses, (0.01,))[0][0]
  jax.tree.map(np.testing.assert_array_equal, first, again)


def test_the_iou_loss_is_one_minus_iou():
  table = planted_table([(0, 0)], [[(0, 0)] * 5])
  ious = np.array([[0.2, 0.4, 0.6, 0.8, 1.0]], np.float32)
  losses = depth_losses({}, table, ious, loss="iou", arch=ARCH, map_loss="label", variance_px2=1.0)
  np.testing.assert_allclose(losses, 1 - ious)


def choice(loss: str, iou25: float, cost: float, error: float = 0.0) -> GateChoice:
  dev = {"iou@25": iou25, "relative_cost": cost, "cost_error": error}
  return GateChoice(loss, "flops", 0.1, 0.5, {}, dev)


def test_the_most_accurate_within_the_budget_is_chosen():
  tried = [choice("iou", 0.6, 2.0), choice("iou", 0.7, 3.0), choice("iou", 0.7, 2.9), choice("iou", 0.8, 5.0)]
  assert choose(tried, max_relative_cost=3.0) == tried[2]


def test_a_cost_that_dev_is_unsure_of_counts_as_higher():
  tried = [choice("iou", 0.6, 2.0, 0.1), choice("iou", 0.7, 2.9, 0.2)]
  assert choose(tried, max_relative_cost=3.0) == tried[0]


def test_the_cost_error_is_that_of_the_mean_over_sequences():
  # Sequence "a" always exits at depth 1 and "b" at depth 5, at costs 1 and 17: a deviation of 8 * sqrt(2) over sqrt(2).
  table = planted_table([(0, 0)] * 4, [[(0, 0)] * 5] * 4)
  costs = PairCosts(np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 2, 4, 8, 17]), 17.0)
  scores = score_depths(table, arch=ARCH, readout=Readout(), costs=costs)
  confidences = np.where((table.sequence == "a")[:, None], [0.9, 0, 0, 0, 0.1], [0.1, 0, 0, 0, 0.9]).astype(np.float32)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(gates, "table_confidences", lambda *_: confidences)
    (entry,) = gates.sweep({}, table, scores, arch=ARCH, thresholds=(0.5,))
  assert entry["relative_cost"] == pytest.approx(9)
  assert entry["cost_error"] == pytest.approx(8)


def test_without_any_within_the_budget_the_cheapest_is_chosen():
  tried = [choice("iou", 0.6, 2.0), choice("iou", 0.7, 3.0)]
  assert choose(tried, max_relative_cost=1.0).dev["relative_cost"] == 2.0


def test_each_loss_has_its_own_best():
  tried = [choice("iou", 0.7, 2.0), choice("cross_entropy", 0.5, 2.0), choice("cross_entropy", 0.6, 2.0)]
  assert [(c.loss, c.dev["iou@25"]) for c in best_by_loss(tried, max_relative_cost=3)] == [
    ("iou", 0.7),
    ("cross_entropy", 0.6),
  ]
