"""The local cost volume against loops, and against the correlation that it is the parts of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cost_volume import COSTS, MARGIN, cost_volume, local_window
from adadepth.maths.xcorr import cross_correlate_each

SIZES = pytest.mark.parametrize(("template_cells", "search_cells"), [(4, 8), (3, 7)], ids=["even", "odd"])


def random_maps(template_cells: int, search_cells: int, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
  rng = np.random.default_rng(template_cells)
  shapes = ((n, cells, cells, 5) for cells in (template_cells, search_cells))
  return tuple(rng.standard_normal(shape).astype(np.float32) for shape in shapes)


@jax.jit
def costs_at(template: jax.Array, search: jax.Array, place: jax.Array) -> jax.Array:
  """The cost volume around places of a search map."""
  return cost_volume(template, local_window(search, place, template.shape[1]))


def naive_costs(template: np.ndarray, search: np.ndarray, place: np.ndarray) -> np.ndarray:
  """Of one target: every cell of the template with the cells around its place; 0 where there are none."""
  h, r, c = template.shape[0], search.shape[0], template.shape[-1]
  costs = np.zeros((h, h, 2 * MARGIN + 1, 2 * MARGIN + 1))
  for v, u, i, j in np.ndindex(costs.shape):
    y, x = (p + cell - (h - 1) // 2 + step - MARGIN for p, cell, step in zip(place, (v, u), (i, j), strict=True))
    if 0 <= y < r and 0 <= x < r:
      costs[v, u, i, j] = template[v, u].astype(np.float64) @ search[y, x] / c
  return costs.reshape(h, h, COSTS)


# Invariants.


@SIZES
def test_the_mean_over_the_template_is_the_response_at_each_place_around(template_cells, search_cells):
  template, search = random_maps(template_cells, search_cells)
  responses = cross_correlate_each(jnp.asarray(template), jnp.asarray(search))
  place = np.array([[3, 2], [2, 4], [4, 3]], np.int32)
  means = costs_at(template, search, place).mean((1, 2)).reshape(3, 2 * MARGIN + 1, 2 * MARGIN + 1)
  for response, mean, (y, x) in zip(responses, means, place, strict=True):
    around = response[y - MARGIN : y + MARGIN + 1, x - MARGIN : x + MARGIN + 1]
    np.testing.assert_allclose(mean, around, atol=1e-5)  # sums of 80 products of order 1, in another order


def test_what_lies_farther_off_is_not_looked_at():
  template, search = random_maps(4, 16)
  place = np.full((3, 2), 7, np.int32)  # the template then covers cells 6 to 9, and the margin 4 to 11
  outside = np.ones_like(search, bool)
  outside[:, 4:12, 4:12] = False
  expected = costs_at(template, search, place)
  np.testing.assert_array_equal(costs_at(template, np.where(outside, np.nan, search), place), expected)


# Oracles.


@SIZES
def test_costs_equal_a_loop_at_every_place(template_cells, search_cells):
  template, search = random_maps(template_cells, search_cells, n=search_cells**2)
  place = np.stack(np.divmod(np.arange(search_cells**2), search_cells), axis=-1).astype(np.int32)
  expected = [naive_costs(*one) for one in zip(template, search, place, strict=True)]
  np.testing.assert_allclose(costs_at(template, search, place), expected, atol=1e-5)  # five products of order 1


# Gradients.


def test_the_gradient_reaches_every_cell_of_the_template_and_what_it_is_compared_with():
  template, search = (jnp.asarray(maps[:1]) for maps in random_maps(4, 16))
  place = jnp.full((1, 2), 7)
  total = lambda t, s: costs_at(t, s, place).sum()  # noqa: E731
  by_template, by_search = jax.grad(total, (0, 1))(template, search)
  assert np.all(by_template != 0)
  np.testing.assert_array_equal(np.nonzero((by_search[0] != 0).any((1, 2)))[0], range(4, 12))
