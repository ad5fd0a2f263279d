"""The convolution by pairs of outputs is the plain one."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from adadepth.maths.pair_conv import pair_conv, pair_matrix

HIGHEST = 2e-6  # of the largest value: float32 sums of 27 products


def image_and_kernel(h: int, w: int) -> tuple[np.ndarray, np.ndarray]:
  rng = np.random.default_rng(h * w)
  return rng.standard_normal((2, h, w, 3)).astype(np.float32), rng.standard_normal((3, 3, 3, 5)).astype(np.float32)


# Invariants.


def test_a_quarter_of_the_matrix_is_zero():
  matrix = pair_matrix(jnp.ones((3, 3, 2, 4)))
  assert matrix.shape == (24, 8)
  assert (np.asarray(matrix) == 0).mean() == 0.25


# Oracles.


@pytest.mark.parametrize(("h", "w"), [(8, 8), (1, 1), (2, 5), (7, 4), (1, 6)])
def test_it_is_scipys_sum_of_correlations(h, w):
  x, kernel = image_and_kernel(h, w)
  expected = np.zeros((2, h, w, 5))
  for b, c, d in np.ndindex(2, 3, 5):
    expected[b, ..., d] += scipy.signal.correlate2d(x[b, ..., c].astype(float), kernel[..., c, d], mode="same")
  found = pair_conv(jnp.asarray(x), pair_matrix(jnp.asarray(kernel)))
  np.testing.assert_allclose(found, expected, rtol=0, atol=HIGHEST * np.abs(expected).max())
