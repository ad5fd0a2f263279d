"""Winograd's convolution is the plain one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from adadepth.maths.winograd import transform_kernel, winograd_conv

HIGHEST = 2e-5  # of the largest value: the transforms multiply by up to 8 and divide by up to 24, in float32


def maps_and_kernel(h: int, w: int, *, b: int = 1, c: int = 3, d: int = 5) -> tuple[np.ndarray, np.ndarray]:
  rng = np.random.default_rng(h * w)
  kernel = rng.standard_normal((3, 3, c, d)).astype(np.float32)
  return rng.standard_normal((b, h, w, c)).astype(np.float32), kernel


def slow_conv(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """SciPy's sum of 2-D correlations, in float64."""
  x, kernel = x.astype(np.float64), kernel.astype(np.float64)

  def one(image: np.ndarray, out: int) -> np.ndarray:
    return sum(scipy.signal.correlate2d(image[..., i], kernel[..., i, out], mode="same") for i in range(x.shape[-1]))

  return np.stack([np.stack([one(image, out) for out in range(kernel.shape[-1])], axis=-1) for image in x])


# Invariants.


def test_a_constant_kernel_transforms_to_its_interpolation_points():
  # G's rows are the polynomial's values at 0, 1, -1, 2, -2 and infinity, each with its own factor.
  transformed = np.stack(transform_kernel(jnp.ones((3, 3, 1, 1))))[..., 0, 0]
  points = np.array([6, -12, -4, 7, 3, 24]) / 24
  np.testing.assert_allclose(transformed, np.outer(points, points), rtol=1e-6)


# Limits.


def test_a_kernel_with_a_centre_alone_changes_nothing():
  x, _ = maps_and_kernel(9, 6, c=2)
  kernel = np.zeros((3, 3, 2, 2), np.float32)
  kernel[1, 1] = np.eye(2)
  found = winograd_conv(jnp.asarray(x), transform_kernel(jnp.asarray(kernel)))
  np.testing.assert_allclose(found, x, atol=HIGHEST * np.abs(x).max())


# Oracles.


@pytest.mark.parametrize(("h", "w"), [(8, 8), (4, 12), (1, 1), (2, 5), (7, 9), (10, 3)])
def test_it_is_the_same_convolution_at_any_size(h, w):
  x, kernel = maps_and_kernel(h, w, b=2)
  expected = slow_conv(x, kernel)
  found = winograd_conv(jnp.asarray(x), transform_kernel(jnp.asarray(kernel)))
  np.testing.assert_allclose(found, expected, rtol=0, atol=HIGHEST * np.abs(expected).max())


@pytest.mark.parametrize("c", [16, 17])  # whose columns are parted, or not
@pytest.mark.parametrize(("h", "w"), [(6, 9), (30, 29), (99, 182)])  # row by row, all at once, and in strips
def test_it_is_the_same_convolution_in_each_of_its_ways(h, w, c):
  x, kernel = maps_and_kernel(h, w, c=c, d=2)
  expected = slow_conv(x, kernel)
  found = winograd_conv(jnp.asarray(x), transform_kernel(jnp.asarray(kernel)))
  np.testing.assert_allclose(found, expected, rtol=0, atol=HIGHEST * np.abs(expected).max())


def test_strips_are_cut_where_no_batch_member_begins():
  x, kernel = maps_and_kernel(50, 90, b=4, c=17, d=2)
  found = winograd_conv(jnp.asarray(x), transform_kernel(jnp.asarray(kernel)), pool=2)
  one_by_one = [
    winograd_conv(jnp.asarray(x[i : i + 1]), transform_kernel(jnp.asarray(kernel)), pool=2) for i in range(4)
  ]
  np.testing.assert_allclose(found, np.concatenate(one_by_one), rtol=0, atol=HIGHEST * np.abs(found).max())


@pytest.mark.parametrize(("h", "w"), [(8, 12), (2, 5), (7, 10), (99, 182)])
def test_its_pool_is_the_pool_of_its_result(h, w):
  x, kernel = maps_and_kernel(h, w, b=2)
  y = slow_conv(x, kernel)[:, : h // 2 * 2, : w // 2 * 2]
  expected = y.reshape(2, h // 2, 2, w // 2, 2, -1).max(axis=(2, 4))
  found = winograd_conv(jnp.asarray(x), transform_kernel(jnp.asarray(kernel)), pool=2)
  np.testing.assert_allclose(found, expected, rtol=0, atol=HIGHEST * np.abs(y).max())


# Gradients.


def test_its_gradient_is_the_plain_convolutions():
  x, kernel = (jnp.asarray(a) for a in maps_and_kernel(6, 7))

  def plain(x):
    y = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return jnp.sum(jnp.square(y))

  def winograd(x):
    return jnp.sum(jnp.square(winograd_conv(x, transform_kernel(kernel))))

  found, expected = jax.grad(winograd)(x), jax.grad(plain)(x)
  np.testing.assert_allclose(found, expected, rtol=0, atol=HIGHEST * np.abs(expected).max())
