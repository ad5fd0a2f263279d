"""The highest cell of a response, as the paper reads it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths import peaks

TEMPLATE, CELLS = 8, 16
ZERO = 7  # 8 cells padded 3 before: the unmoved template starts at cell 4, seen by output 4 + 3
highest_cell = jax.jit(peaks.highest_cell, static_argnames="template_cells")


def one_hot(row: int, col: int) -> jax.Array:
  return jnp.zeros((CELLS, CELLS)).at[row, col].set(1)


def random_maps(*shape: int) -> jax.Array:
  return jax.random.normal(jax.random.key(0), (*shape, CELLS, CELLS))


# Invariants.


def test_shift_and_scale_of_a_response_do_not_matter():
  maps = random_maps(8)
  found = highest_cell(maps, template_cells=TEMPLATE)
  np.testing.assert_array_equal(highest_cell(4 * maps - 7, template_cells=TEMPLATE), found)
  assert np.abs(found).max() > 1


def test_any_batch_is_read_map_by_map():
  maps = random_maps(2, 3)
  found = highest_cell(maps, template_cells=TEMPLATE)
  for batch in np.ndindex(2, 3):
    np.testing.assert_array_equal(found[batch], highest_cell(maps[batch], template_cells=TEMPLATE))


# Limits.


@pytest.mark.parametrize(("row", "col"), [(0, 0), (ZERO, ZERO), (15, 3), (2, 15)])
def test_a_lone_peak_is_read_where_it_is(row, col):
  np.testing.assert_array_equal(highest_cell(one_hot(row, col), template_cells=TEMPLATE), [col - ZERO, row - ZERO])


def test_the_first_of_equal_peaks_wins():
  response = one_hot(9, 4).at[9, 12].set(1).at[12, 0].set(1)
  np.testing.assert_array_equal(highest_cell(response, template_cells=TEMPLATE), [4 - ZERO, 9 - ZERO])


# Oracles.


@pytest.mark.parametrize(("cells", "template", "zero"), [(16, 8, 7), (15, 5, 7), (12, 4, 5)])
def test_displacements_equal_a_search_cell_by_cell(cells, template, zero):
  response = np.random.default_rng(1).normal(size=(cells, cells)).astype(np.float32)
  _, row, col = max((response[y, x], y, x) for y in range(cells) for x in range(cells))
  np.testing.assert_array_equal(highest_cell(response, template_cells=template), [col - zero, row - zero])
