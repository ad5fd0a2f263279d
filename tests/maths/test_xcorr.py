"""Whitening, correlation and scaling against loops; a planted template comes back where it was planted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths import xcorr
from adadepth.maths.peaks import highest_cell

# (template, search) cells of one parity: only then is there a cell for "unmoved".
SIZES = [(8, 16), (4, 16), (2, 10), (3, 15), (5, 15), (7, 11)]
whiten, min_max_scale = jax.jit(xcorr.whiten), jax.jit(xcorr.min_max_scale)
cross_correlate = jax.jit(xcorr.cross_correlate)


def random_map(seed: int, *shape: int) -> np.ndarray:
  return np.random.default_rng(seed).normal(2, 3, shape).astype(np.float32)


def naive_correlation(template: np.ndarray, search: np.ndarray) -> np.ndarray:
  """SAME padding spelt out: (size - 1) // 2 zeros before and size // 2 after, 3 and 4 for size 8."""
  h, w, c = template.shape
  n, rows, cols, _ = search.shape
  before_after = [((size - 1) // 2, size // 2) for size in (h, w)]
  padded = np.pad(search.astype(np.float64), [(0, 0), *before_after, (0, 0)])
  response = np.zeros((n, rows, cols))
  for i in range(n):
    for y in range(rows):
      for x in range(cols):
        for v in range(h):
          for u in range(w):
            response[i, y, x] += np.dot(template[v, u].astype(np.float64), padded[i, y + v, x + u])
  return response / (h * w * c)


# Invariants


@pytest.mark.parametrize(("template_cells", "search_cells"), SIZES)
def test_a_planted_template_comes_back_at_its_displacement(template_cells, search_cells):
  rng = np.random.default_rng(template_cells)
  search = rng.normal(size=(search_cells, search_cells, 64)).astype(np.float32)
  most = search_cells - template_cells
  corners = [(0, 0), (most, 0), (0, most), (most, most), (most // 2, most // 2), *rng.integers(0, most + 1, (4, 2))]
  for row, col in corners:
    template = search[row : row + template_cells, col : col + template_cells]
    response = cross_correlate(template, search[None])[0]
    found = highest_cell(response, template_cells=template_cells)
    np.testing.assert_array_equal(found, [col - most // 2, row - most // 2])


def test_whitened_maps_have_mean_0_and_deviation_1():
  features = random_map(0, 3, 6, 5, 7) * np.float32([[[[1]]], [[[50]]], [[[0.1]]]])
  white = np.asarray(whiten(jnp.asarray(features)), np.float64)
  np.testing.assert_allclose(white.mean((1, 2, 3)), 0, atol=1e-5)
  # 1e-5 is added to the deviation; the smallest here is 0.3.
  np.testing.assert_allclose(white.std((1, 2, 3)), 1, atol=1e-4)


def test_whitening_is_over_space_and_channels_together():
  """Not per channel: the order of all numbers of a map stays, and channels keep their own means."""
  features = random_map(1, 4, 4, 3)
  white = np.asarray(whiten(jnp.asarray(features)))
  np.testing.assert_array_equal(np.argsort(white.ravel()), np.argsort(features.ravel()))
  np.testing.assert_allclose(white, (features - features.mean()) / features.std(), atol=1e-4)


def test_scaled_maps_span_0_to_1_in_the_same_order():
  response = random_map(2, 4, 5, 6)
  scaled = np.asarray(min_max_scale(jnp.asarray(response)))
  np.testing.assert_array_equal(scaled.min((1, 2)), np.zeros(4))
  np.testing.assert_allclose(scaled.max((1, 2)), 1, atol=1e-6)  # XLA divides by a reciprocal
  low, high = response.min((1, 2), keepdims=True), response.max((1, 2), keepdims=True)
  np.testing.assert_allclose(scaled, (response - low) / (high - low), atol=1e-6)


# Limits


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e6])
def test_a_constant_map_whitens_to_finite_numbers(value):
  white = np.asarray(whiten(jnp.full((4, 4, 2), value, jnp.float32)))
  # The mean of 32 equal numbers is off by some units in the last place (4e-7 at 3.7), divided by 1e-5 at least.
  np.testing.assert_allclose(white, np.zeros((4, 4, 2)), atol=0.5)


@pytest.mark.parametrize("value", [0.0, -3.7])
def test_a_constant_response_scales_to_0(value):
  np.testing.assert_array_equal(min_max_scale(jnp.full((5, 5), value, jnp.float32)), np.zeros((5, 5)))


def test_a_whitened_template_matches_itself_with_a_response_of_1():
  template = whiten(jnp.asarray(random_map(5, 5, 5, 16)))
  response = cross_correlate(template, template[None])[0]
  np.testing.assert_allclose(response[2, 2], 1, atol=1e-4)  # the mean square of a whitened map


# Oracles


@pytest.mark.parametrize(("h", "w"), [(8, 8), (3, 3), (2, 5)])
def test_correlation_equals_a_naive_loop(h, w):
  template, search = random_map(6, h, w, 3), random_map(7, 2, 9, 10, 3)
  response = cross_correlate(jnp.asarray(template), jnp.asarray(search))
  # Sums of up to 192 products of order 10, then divided by their number: float32 keeps about 1e-6 of 10.
  np.testing.assert_allclose(response, naive_correlation(template, search), atol=1e-4)


def test_each_correlation_equals_that_of_one_template():
  templates, searches = random_map(13, 3, 4, 2, 5), random_map(14, 3, 6, 8, 5)
  each = jax.jit(xcorr.cross_correlate_each)(jnp.asarray(templates), jnp.asarray(searches))
  for template, search, response in zip(templates, searches, each, strict=True):
    # Sums of 40 products of order 10, in another order.
    np.testing.assert_allclose(response, cross_correlate(template, search[None])[0], atol=1e-4)


@pytest.mark.parametrize(("template_cells", "search_cells"), SIZES)
def test_correlation_by_spectra_equals_each_correlation(template_cells, search_cells):
  template, search = (jnp.asarray(random_map(15, 3, cells, cells, 5)) for cells in (template_cells, search_cells))
  found, expected = (f(template, search) for f in (xcorr.cross_correlate_spectra, xcorr.cross_correlate_each))
  # Products of order 10 to 100, summed over a map and scaled back: float32 keeps about 1e-6 of them.
  np.testing.assert_allclose(found, expected, atol=1e-4)


# Gradients


def test_the_gradient_by_spectra_equals_that_of_each_correlation():
  template, search, weights = (jnp.asarray(random_map(16, 2, *shape)) for shape in ((4, 4, 5), (8, 8, 5), (8, 8)))
  slopes = [
    jax.jit(jax.grad(lambda t, s, f=f: jnp.sum(f(t, s) * weights), (0, 1)))(template, search)
    for f in (xcorr.cross_correlate_spectra, xcorr.cross_correlate_each)
  ]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), *slopes)  # sums of 64 products of order 10


def test_the_gradient_of_whitening_is_finite_for_a_constant_map():
  weights = random_map(12, 4, 4, 2)
  gradient = jax.jit(jax.grad(lambda x: jnp.sum(whiten(x) * weights)))(jnp.zeros((4, 4, 2)))
  assert np.isfinite(gradient).all()


def test_the_gradient_of_whitening_equals_differences():
  x = random_map(8, 3, 3, 2)
  weights = random_map(9, 3, 3, 2)

  def oracle(values: np.ndarray) -> float:
    return float(((values - values.mean()) / (values.std() + 1e-5) * weights).sum())

  gradient = jax.jit(jax.grad(lambda v: jnp.sum(whiten(v) * weights)))(jnp.asarray(x))
  steps = np.eye(x.size).reshape(x.size, *x.shape) * 1e-5
  differences = [(oracle(x + s) - oracle(x - s)) / 2e-5 for s in steps]
  np.testing.assert_allclose(np.ravel(gradient), differences, atol=1e-4)  # float32 against float64


def test_the_gradient_of_correlation_reaches_template_and_search():
  template, search = random_map(10, 2, 2, 3), random_map(11, 1, 4, 4, 3)
  by_template, by_search = jax.grad(lambda t, s: cross_correlate(t, s)[0, 1, 1], (0, 1))(
    jnp.asarray(template), jnp.asarray(search)
  )
  # Size 2 pads 0 before: output (1, 1) sees cells 1..2, and a product's slope is its other factor.
  np.testing.assert_allclose(by_template, search[0, 1:3, 1:3] / 12, atol=1e-6)
  np.testing.assert_allclose(by_search[0, 1:3, 1:3], template / 12, atol=1e-6)
  assert np.count_nonzero(by_search) == template.size


# Errors


def test_maps_of_different_channels_are_refused():
  with pytest.raises(Exception, match="search"):
    cross_correlate(jnp.zeros((2, 2, 3)), jnp.zeros((1, 4, 4, 5)))
