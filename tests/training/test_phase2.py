"""Phase 2 finds the exit that the features give away, and fits the beliefs before the gates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.maths.features import FEATURES
from adadepth.maths.peaks import Readout
from adadepth.models.fusion_weights import init_beliefs
from adadepth.models.gates import gate_logits, init_gates
from adadepth.training.phase2 import Recipe, depth_losses, fit_reading, seen_pairs, train_gates

PRICES = np.array([1, 2, 4, 8, 16], np.float32)
RECIPE = Recipe("iou", "flops", (0.01,), 2.0, "label", 1.0, 0.05, 0.0, 300, 64, 0)


@pytest.fixture(autouse=True)
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


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


def test_the_iou_loss_is_one_minus_iou():
  table = planted_table([(0, 0)], [[(0, 0)] * 5])
  ious = np.array([[0.2, 0.4, 0.6, 0.8, 1.0]], np.float32)
  losses = depth_losses({}, table, ious, loss="iou", arch=ARCH, map_loss="label", variance_px2=1.0)
  np.testing.assert_allclose(losses, 1 - ious)


@pytest.mark.parametrize("combine", ["exit", "posterior"])
def test_gates_learn_from_what_hard_gating_will_read(combine):
  # Depth 2 is wrong: alone it has nothing, but with depth 1 before it a posterior need not believe it.
  rng, n = np.random.default_rng(0), 40
  true, wrong = (rng.integers(-2, 3, (n, 2)) for _ in range(2))
  table = planted_table(true, np.stack([true, wrong, true, true, true], axis=1))
  readout = Readout(combine=combine, gate_features="readout")
  params = {"head": {"log_scale": jnp.zeros(5)}, "gates": init_gates(jax.random.key(0)), "beliefs": init_beliefs()}
  pairs = seen_pairs(params, table, arch=ARCH, readout=readout)
  reading = fit_reading(params, pairs, np.arange(n), seed=0, arch=ARCH, readout=readout)
  if combine == "exit":
    np.testing.assert_array_equal(reading.tracked_ious, pairs.scores.ious)
    assert reading.beliefs is params["beliefs"]
  else:
    assert pairs.scores.ious[:, 1].mean() < 0.5 < 0.8 < reading.tracked_ious[:, 1].mean()
