"""The matrix product is the SAME convolution, forwards and backwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from adadepth.maths.strided_conv import strided_conv


def lax_conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
  return lax.conv_general_dilated(x, kernel, (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def drawn(h: int, w: int) -> tuple[jax.Array, jax.Array]:
  rng = np.random.default_rng(h)
  return tuple(jnp.asarray(rng.standard_normal(shape), "float32") for shape in ((2, h, w, 3), (3, 3, 3, 5)))


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (9, 8), (2, 1)], ids=str)
def test_it_is_laxs_convolution_for_odd_and_even_sizes(size, stride):
  x, kernel = drawn(*size)
  found, expected = strided_conv(x, kernel, stride), lax_conv(x, kernel, stride)
  assert found.shape == expected.shape
  np.testing.assert_allclose(found, expected, atol=1e-5)  # sums of 27 products of order 1, in another order


@pytest.mark.parametrize("size", [(8, 12), (7, 9)], ids=str)
def test_its_gradient_is_laxs(size):
  x, kernel = drawn(*size)
  slopes = [
    jax.grad(lambda x, k, conv=conv: jnp.square(conv(x, k, 2)).sum(), (0, 1))(x, kernel)
    for conv in (strided_conv, lax_conv)
  ]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *slopes)  # products of those sums
