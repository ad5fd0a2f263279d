"""The gates: linear in standardised features, one for each depth but the last."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from adadepth.maths.features import FEATURES
from adadepth.models.gates import GATES, apply_gate, gate_logits, init_gates, standardise_gates


@pytest.fixture
def gates() -> dict:
  """Gates with weights drawn at random, standardised by mean 0 and standard deviation 1."""
  rng = np.random.default_rng(0)
  return jax.tree_util.tree_map_with_path(
    lambda path, leaf: leaf if path[-1].key in ("mean", "std") else jnp.float32(rng.standard_normal(leaf.shape)),
    init_gates(jax.random.key(0)),
  )


@pytest.fixture
def features() -> jax.Array:
  """Features of 50 pairs, each of its own location and scale."""
  rng = np.random.default_rng(1)
  scale = 10.0 ** rng.uniform(-2, 2, (GATES, FEATURES))
  return jnp.float32(scale * (rng.standard_normal((50, GATES, FEATURES)) + rng.uniform(-3, 3, (GATES, FEATURES))))


# Invariants.


def test_a_new_gate_is_undecided(features):
  np.testing.assert_array_equal(gate_logits(init_gates(jax.random.key(0)), features), np.zeros((50, GATES)))


def test_phi_is_linear_in_the_features(gates, features):
  u, v = features[0, 2], features[1, 2]
  phi_u, phi_v = (apply_gate(gates, x, depth=2) for x in (u, v))
  # Sums of 14 float32 terms of up to a few hundred.
  np.testing.assert_allclose(
    apply_gate(gates, 0.25 * u + 0.75 * v, depth=2), 0.25 * phi_u + 0.75 * phi_v, rtol=1e-5, atol=1e-3
  )


def test_each_gate_reads_its_own_depth(gates, features):
  moved = gate_logits(gates, features.at[:, 1].add(1.0)) != gate_logits(gates, features)
  np.testing.assert_array_equal(moved.all(axis=0), [False, True, False, False])
  np.testing.assert_array_equal(moved.any(axis=0), [False, True, False, False])


def test_standardising_leaves_the_weights_alone(gates, features):
  after = standardise_gates(gates, features)
  assert list(after) == ["gate1", "gate2", "gate3", "gate4"]
  for name, gate in gates.items():
    jax.tree.map(np.testing.assert_array_equal, gate["linear"], after[name]["linear"])


# Limits.


@pytest.mark.parametrize("constant", [0.0, 3.0, 100.3])
def test_a_constant_feature_contributes_nothing(gates, features, constant):
  features = features.at[:, :, 4].set(constant)
  without = jax.tree_util.tree_map_with_path(
    lambda path, leaf: leaf.at[4].set(0) if path[-1].key == "kernel" else leaf, gates
  )
  given, expected = (gate_logits(standardise_gates(g, features), features) for g in (gates, without))
  # A float32 mean of 50 equal numbers may be off in its last digits: 100.3 * 6e-7 at weights up to 3 is 2e-4.
  np.testing.assert_allclose(given, expected, rtol=0, atol=2e-4)


# Oracles.


def test_features_are_standardised_as_scipy_does(features):
  gates = standardise_gates(init_gates(jax.random.key(0)), features)
  for depth in range(GATES):
    gate = gates[f"gate{depth + 1}"]
    ours = (features[:, depth] - gate["mean"][None]) / gate["std"][None]
    # float32 against float64, where the mean is up to three times the standard deviation.
    np.testing.assert_allclose(ours, scipy.stats.zscore(np.asarray(features[:, depth], np.float64)), atol=2e-5)


def test_phi_is_a_weighted_sum_and_a_bias(gates, features):
  gates = standardise_gates(gates, features)
  gate = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), gates["gate3"])
  v = np.asarray(features[7, 2], np.float64)
  expected = gate["linear"]["Dense_0"]["bias"][0]
  for i in range(FEATURES):
    expected += gate["linear"]["Dense_0"]["kernel"][i, 0] * (v[i] - gate["mean"][i]) / gate["std"][i]
  np.testing.assert_allclose(apply_gate(gates, features[7, 2], depth=2), expected, rtol=1e-4)  # float32, 14 terms


def test_gate_logits_are_each_gates_own(gates, features):
  together = gate_logits(standardise_gates(gates, features), features)
  for depth in range(GATES):
    alone = [apply_gate(standardise_gates(gates, features), row, depth=depth) for row in features[:3, depth]]
    np.testing.assert_allclose(together[:3, depth], jnp.stack(alone), rtol=1e-5, atol=1e-5)  # another order of sums
