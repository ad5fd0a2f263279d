"""The peak of a response, to the cell and below it, and the cosine window."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths import readout
from adadepth.maths.peaks import Readout, cosine_window

TEMPLATE, CELLS = 8, 16
ZERO = 7  # 8 cells padded 3 before: the unmoved template starts at cell 4, seen by output 4 + 3
CELL, SUBCELL = Readout("cell"), Readout("subcell")
STATIC = ("readout", "template_cells")
displacement_in_response = jax.jit(readout.displacement_in_response, static_argnames=STATIC)
displacements_in_response = jax.jit(readout.displacements_in_response, static_argnames=STATIC)


def gaussian_maps(displacement_xy: np.ndarray, sigma: float) -> jax.Array:
  """Smooth peaks at any displacement from "unmoved", in cells, [n, 16, 16]."""
  d = np.arange(CELLS) - ZERO
  along_x = np.exp(-((d - displacement_xy[:, :1]) ** 2) / (2 * sigma**2))
  along_y = np.exp(-((d - displacement_xy[:, 1:]) ** 2) / (2 * sigma**2))
  return jnp.asarray(along_y[:, :, None] * along_x[:, None, :], jnp.float32)


def one_hot(row: int, col: int) -> jax.Array:
  return jnp.zeros((CELLS, CELLS)).at[row, col].set(1)


# Invariants


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.0])
def test_refinement_finds_a_smooth_peak_to_an_eighth_of_a_cell(sigma):
  """An eighth of a cell is 2 px of the 256 px crop; a cell alone is up to 8 px off."""
  truth = np.random.default_rng(0).uniform(-5, 5, (64, 2))
  maps = gaussian_maps(truth, sigma)
  fine = displacements_in_response(maps, SUBCELL, template_cells=TEMPLATE)
  coarse = displacements_in_response(maps, CELL, template_cells=TEMPLATE)
  assert np.abs(np.asarray(fine) - truth).max() < 1 / 8
  assert np.abs(np.asarray(coarse) - truth).max() > 3 / 8  # so that the cell alone would fail the line above


def test_refinement_stays_within_half_a_cell_of_the_peak():
  maps = jnp.asarray(np.random.default_rng(1).normal(size=(50, CELLS, CELLS)), jnp.float32)
  coarse = displacements_in_response(maps, CELL, template_cells=TEMPLATE)
  fine = displacements_in_response(maps, SUBCELL, template_cells=TEMPLATE)
  shift = np.abs(np.asarray(fine - coarse))
  assert shift.max() <= 0.5
  assert shift.max() > 0.1


@pytest.mark.parametrize("peak", ["cell", "subcell"])
def test_the_scale_of_a_response_does_not_matter(peak):
  truth = np.random.default_rng(2).uniform(-5, 5, (8, 2))
  maps, windowed = gaussian_maps(truth, 1.5), Readout(peak, 0.3)
  found = displacements_in_response(maps, windowed, template_cells=TEMPLATE)
  scaled = displacements_in_response(4 * maps - 7, windowed, template_cells=TEMPLATE)
  np.testing.assert_allclose(scaled, found, atol=1e-4)  # -7 costs float32 digits of the small differences
  assert np.abs(found).max() > 1


def test_displacements_take_any_batch():
  maps = gaussian_maps(np.random.default_rng(3).uniform(-5, 5, (6, 2)), 1.5)
  batched = displacements_in_response(maps.reshape(2, 3, CELLS, CELLS), SUBCELL, template_cells=TEMPLATE)
  singles = [displacement_in_response(m, SUBCELL, template_cells=TEMPLATE) for m in maps]
  np.testing.assert_allclose(batched, np.reshape(singles, (2, 3, 2)), atol=1e-6)


# Limits


@pytest.mark.parametrize("peak", ["cell", "subcell"])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (ZERO, ZERO), (15, 3), (2, 15)])
def test_a_lone_peak_is_read_where_it_is(peak, row, col):
  """Also on the border, where there is no neighbour to refine with."""
  found = displacement_in_response(one_hot(row, col), Readout(peak), template_cells=TEMPLATE)
  np.testing.assert_array_equal(found, [col - ZERO, row - ZERO])


def test_a_peak_on_the_border_is_not_refined_with_the_cells_beside_it():
  """Falling like a parabola away from the corner, so that the next cell's own vertex is well defined."""
  d = jnp.arange(CELLS, dtype=jnp.float32)
  response = -jnp.square(d + 2)[:, None] - jnp.square(d + 2)[None, :]
  found = displacement_in_response(response, SUBCELL, template_cells=TEMPLATE)
  np.testing.assert_array_equal(found, [-ZERO, -ZERO])


def test_the_first_of_equal_peaks_wins():
  response = one_hot(9, 4).at[9, 12].set(1).at[12, 0].set(1)
  np.testing.assert_array_equal(displacement_in_response(response, CELL, template_cells=TEMPLATE), [4 - ZERO, 9 - ZERO])


def test_a_flat_response_is_not_refined():
  found = displacement_in_response(jnp.ones((CELLS, CELLS)), SUBCELL, template_cells=TEMPLATE)
  np.testing.assert_array_equal(found, [-ZERO, -ZERO])  # the first cell


@pytest.mark.parametrize(("cells", "template", "zero"), [(16, 8, 7), (15, 5, 7)])
def test_the_window_is_1_where_nothing_moved_and_falls_away(cells, template, zero):
  window = np.asarray(cosine_window(cells, template))
  assert np.unravel_index(window.argmax(), window.shape) == (zero, zero)
  np.testing.assert_allclose(window[zero, zero], 1, rtol=1e-6)
  for line in (window[zero], window[:, zero]):
    assert (np.diff(line[: zero + 1]) > 0).all() and (np.diff(line[zero:]) < 0).all()
  assert window.min() >= 0


def test_the_window_settles_a_tie_with_a_look_alike():
  response = one_hot(1, 1).at[ZERO + 1, ZERO].set(1)
  without = displacement_in_response(response, CELL, template_cells=TEMPLATE)
  with_window = displacement_in_response(response, Readout("cell", 0.1), template_cells=TEMPLATE)
  np.testing.assert_array_equal(without, [1 - ZERO, 1 - ZERO])
  np.testing.assert_array_equal(with_window, [0, 1])


# Oracles


def test_a_parabola_is_refined_to_its_vertex():
  """Exact for a parabola: 1 - (x - 1.3)^2 - 2 (y + 0.4)^2 peaks at (1.3, -0.4)."""
  d = jnp.arange(CELLS, dtype=jnp.float32) - ZERO
  response = 1 - jnp.square(d - 1.3)[None, :] - 2 * jnp.square(d + 0.4)[:, None]
  found = displacement_in_response(response, SUBCELL, template_cells=TEMPLATE)
  np.testing.assert_allclose(found, [1.3, -0.4], atol=1e-5)
