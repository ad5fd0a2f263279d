"""The quality of a map: ridge regression of the IoU, depth by depth."""

import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.features import FEATURES
from adadepth.params.quality import RIDGE, apply_quality, fit_quality, init_quality, quality_weight


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
  """Features of 200 pairs, each of its own location and scale and one constant, and IoUs that follow from them."""
  rng = np.random.default_rng(0)
  scale, shift = 10.0 ** rng.uniform(-2, 2, (5, FEATURES)), rng.uniform(-3, 3, (5, FEATURES))
  z = rng.standard_normal((200, 5, FEATURES))
  ious = 0.5 + np.einsum("nkf,kf->nk", z, rng.uniform(-0.03, 0.03, (5, FEATURES)))
  features = scale * (z + shift)
  features[..., 2] = 3.7
  return features.astype(np.float32), ious.astype(np.float32)


def test_every_map_looks_alike_before_a_fit(pairs):
  assert {float(apply_quality(init_quality(), jnp.asarray(pairs[0][0, k]), depth=k)) for k in range(5)} == {0}


def test_a_constant_feature_counts_for_nothing(pairs):
  np.testing.assert_array_equal(fit_quality(*pairs)["weight"][:, 2], np.zeros(5))


def test_a_fit_is_ridge_regression_on_standardised_features(pairs):
  features, ious = pairs
  fitted = fit_quality(features, ious)
  for k in range(5):
    v = np.delete(features[:, k].astype(np.float64), 2, axis=1)
    z = (v - v.mean(0)) / v.std(0)
    # Ridge as least squares with a row of sqrt(n * RIDGE) for each weight.
    rows = np.concatenate([z, np.sqrt(len(z) * RIDGE) * np.eye(z.shape[1])])
    wanted = np.concatenate([ious[:, k] - ious[:, k].mean(), np.zeros(z.shape[1])])
    slope = np.linalg.lstsq(rows, wanted)[0]
    predicted = [float(apply_quality(fitted, jnp.asarray(row), depth=k)) for row in features[:20, k]]
    # float32 weights against features up to hundreds.
    np.testing.assert_allclose(predicted, np.clip(z[:20] @ slope + ious[:, k].mean(), 0, 1), atol=1e-3)


def test_a_predicted_iou_lies_between_0_and_1(pairs):
  far = jnp.asarray(pairs[0][0, 1] * 1000)
  assert 0 <= float(apply_quality(fit_quality(*pairs), far, depth=1)) <= 1


def test_five_hundredths_of_iou_are_a_factor_of_e():
  weights = np.asarray(quality_weight(jnp.array([0.5, 0.55])))
  assert weights[1] / weights[0] == pytest.approx(np.e, rel=1e-5)
