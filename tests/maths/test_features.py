"""What a gate reads: kurtosis and entropy against SciPy, the highest values against a sort."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from adadepth.maths import features
from adadepth.maths.features import FEATURE_NAMES, FEATURES

TEMPLATE, CELLS, ZERO = 8, 16, 7
UNSCORED = np.float32(0)
kurtosis, softmax_entropy = jax.jit(features.kurtosis), jax.jit(features.softmax_entropy)
features_of = jax.jit(features.gate_features, static_argnames=("depth", "template_cells"))
all_gate_features = jax.jit(features.all_gate_features, static_argnames="template_cells")


def response_map(seed: int, *shape: int) -> np.ndarray:
  return np.random.default_rng(seed).gamma(2, 0.2, shape).astype(np.float32)


def named(values: jax.Array) -> dict[str, float]:
  return dict(zip(FEATURE_NAMES, np.asarray(values).tolist(), strict=True))


# Invariants


def test_kurtosis_does_not_depend_on_shift_or_scale():
  values = response_map(0, 256)
  expected = scipy.stats.kurtosis(values.astype(np.float64), fisher=False)
  for scale, shift in ((-3, 0), (100, 1), (1e-12, 0), (1e12, 0)):
    moved = jnp.asarray(values * np.float32(scale) + np.float32(shift))
    np.testing.assert_allclose(kurtosis(moved), expected, rtol=1e-4)  # the shift rounds the values


def test_the_highest_values_come_first_and_ignore_the_rest():
  response = response_map(1, CELLS, CELLS)
  found = named(features_of(response, UNSCORED, depth=1, logit_scale=jnp.float32(1), template_cells=TEMPLATE))
  values = [found[f"value_{n}"] for n in range(1, 6)]
  assert values == sorted(values, reverse=True)
  mirrored = named(features_of(response.T, UNSCORED, depth=1, logit_scale=jnp.float32(1), template_cells=TEMPLATE))
  assert mirrored == pytest.approx(found, rel=1e-4)  # rows and columns are alike; sums in another order


# Limits


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-5, 7.3, -2e6])
def test_a_constant_has_kurtosis_0(value):
  """Also where the mean is rounded, and where the square of a variance would underflow."""
  assert kurtosis(jnp.full(256, value, jnp.float32)) == 0


def test_two_equal_groups_have_the_least_kurtosis():
  np.testing.assert_allclose(kurtosis(jnp.array([-1.0, 1, 1, -1])), 1, rtol=1e-6)


def test_a_flat_map_has_all_entropy_and_a_certain_one_none():
  np.testing.assert_allclose(softmax_entropy(jnp.zeros((16, 16))), np.log(256), rtol=1e-5)  # 256 terms
  np.testing.assert_allclose(softmax_entropy(jnp.zeros((16, 16)).at[3, 4].set(1e4)), 0, atol=1e-6)


def test_an_unmoved_peak_has_no_distance():
  response = jnp.zeros((CELLS, CELLS)).at[ZERO, ZERO].set(1)
  found = named(features_of(response, UNSCORED, depth=0, logit_scale=jnp.float32(1), template_cells=TEMPLATE))
  assert found["distance2_1"] == 0 and found["value_1"] == 1 and found["value_2"] == 0


# Oracles


def test_kurtosis_equals_scipy():
  for seed in range(5):
    values = response_map(seed, 256)
    expected = scipy.stats.kurtosis(values.astype(np.float64), fisher=False)
    np.testing.assert_allclose(kurtosis(jnp.asarray(values)), expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_entropy_equals_scipy(scale):
  logits = response_map(6, 16, 16) * np.float32(scale)
  weights = np.exp(logits.astype(np.float64)).ravel()
  np.testing.assert_allclose(softmax_entropy(jnp.asarray(logits)), scipy.stats.entropy(weights), rtol=1e-5)


@pytest.mark.parametrize(("template", "cells"), [(8, 16), (5, 11)])
def test_the_five_highest_and_their_distances_equal_a_sort(template, cells):
  response = response_map(7, cells, cells)
  found = named(features_of(response, UNSCORED, depth=2, logit_scale=jnp.float32(4), template_cells=template))
  unmoved = (cells - template) // 2 + (template - 1) // 2
  everywhere = [(response[y, x], y, x) for y in range(cells) for x in range(cells)]
  for n, (value, y, x) in enumerate(sorted(everywhere, reverse=True)[:5], start=1):
    assert found[f"value_{n}"] == value
    assert found[f"distance2_{n}"] == (y - unmoved) ** 2 + (x - unmoved) ** 2


def test_every_feature_is_where_its_name_says():
  response = response_map(8, CELLS, CELLS)
  score = np.float32(-1.5)
  found = named(features_of(response, score, depth=3, logit_scale=jnp.float32(4), template_cells=TEMPLATE))
  assert len(FEATURE_NAMES) == FEATURES == 14
  assert (found["depth"], found["score"]) == (3, -1.5)
  assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(response.ravel(), fisher=False), rel=1e-4)
  entropy = scipy.stats.entropy(np.exp(4 * response.astype(np.float64)).ravel())
  assert found["entropy"] == pytest.approx(entropy, rel=1e-5)


def test_all_depths_are_read_each_with_its_own_scale_and_score():
  responses, scores = response_map(9, 2, 5, CELLS, CELLS), response_map(12, 2, 5)
  before = responses.copy()
  scales = jnp.array([1.0, 2, 4, 8, 16])
  found = all_gate_features(jnp.asarray(responses), jnp.asarray(scores), logit_scale=scales, template_cells=TEMPLATE)
  assert found.shape == (2, 5, 14)
  for b, k in np.ndindex(2, 5):
    single = features_of(responses[b, k], scores[b, k], depth=k, logit_scale=scales[k], template_cells=TEMPLATE)
    np.testing.assert_allclose(found[b, k], single, rtol=1e-4)
  np.testing.assert_array_equal(responses, before)


# Gradients


def test_gradients_are_finite_for_any_map():
  slope_of_kurtosis, slope_of_entropy = jax.jit(jax.grad(kurtosis)), jax.jit(jax.grad(softmax_entropy))
  for values in (jnp.full(64, 0.1), jnp.asarray(response_map(10, 64))):
    assert np.isfinite(slope_of_kurtosis(values)).all()
  for scale in (0.0, 1.0, 1e4):
    assert np.isfinite(slope_of_entropy(jnp.asarray(scale * response_map(11, 8, 8), jnp.float32))).all()


def test_raising_the_peak_lowers_the_entropy():
  logits = jnp.zeros((8, 8)).at[2, 5].set(2)
  gradient = np.asarray(jax.jit(jax.grad(softmax_entropy))(logits))
  assert np.unravel_index(gradient.argmin(), gradient.shape) == (2, 5)
  assert gradient[2, 5] < 0 < gradient[0, 0]
