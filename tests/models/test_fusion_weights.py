"""The weights of fusion: one set a depth, averaged by confidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.fusion import FusionWeights
from adadepth.models.architecture import DEPTHS
from adadepth.models.fusion_weights import NONNEGATIVE, init_fusion, weights_at


@pytest.fixture
def fusion() -> dict:
  """Weights drawn at random, also where a response is deeper than the exit."""
  rng = np.random.default_rng(0)
  return jax.tree.map(lambda leaf: jnp.asarray(rng.random(leaf.shape), jnp.float32), init_fusion())


def test_all_confidence_in_one_depth_gives_its_weights(fusion):
  for depth in range(DEPTHS):
    found = weights_at(fusion, jax.nn.one_hot(depth, DEPTHS))
    np.testing.assert_array_equal(found.response[: depth + 1], fusion["response"][depth, : depth + 1])
    for name in set(FusionWeights._fields) - {"response"}:
      assert getattr(found, name) == fusion[name][depth]


def test_a_depth_gives_no_weight_to_a_deeper_response(fusion):
  for depth in range(DEPTHS):
    assert not weights_at(fusion, jax.nn.one_hot(depth, DEPTHS)).response[depth + 1 :].any()


def test_confidences_average_the_depths(fusion):
  c = jnp.array([0.1, 0.2, 0.3, 0.15, 0.25])
  each = [weights_at(fusion, jax.nn.one_hot(depth, DEPTHS)) for depth in range(DEPTHS)]
  expected = jax.tree.map(lambda *rows: sum(share * row for share, row in zip(c, rows, strict=True)), *each)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), weights_at(fusion, c), expected)


def test_training_starts_with_what_is_computed_counting_alike():
  start = init_fusion()
  for depth, row in enumerate(np.asarray(start["response"])):
    np.testing.assert_allclose(row, [30 / (depth + 1)] * (depth + 1) + [0] * (DEPTHS - 1 - depth), rtol=1e-6)
  assert all((start[name] >= 0).all() for name in NONNEGATIVE)
