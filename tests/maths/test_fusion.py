"""The posterior over places and growths: witnesses point where they point, and are believed as told."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.fusion import (
  TAIL,
  Belief,
  LastPlace,
  at_centre,
  expected,
  log_posterior,
  onto_grid,
  place_and_growth,
  places,
  weighed,
)
from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.ncc import LOG_GROWTHS
from adadepth.models.architecture import Architecture

ARCH = Architecture()  # cells of 16 px, places 4 px apart
ZERO = zero_displacement_index(ARCH.template_cells, ARCH.search_cells)
SIDE = 33
BELIEF = Belief(*(jnp.float32(v) for v in (0, 25, 0, 1, 1)))._replace(response=jnp.full(5, 40.0))
FLAT = jnp.zeros((ARCH.search_cells, ARCH.search_cells))


def bell(center_xy: tuple[float, float], width: float, step: float, cells: int, zero: int) -> jax.Array:
  """A Gaussian around a displacement, in pixels, on a map whose cells are `step` px apart."""
  d = (np.arange(cells) - zero) * step
  x, y = (np.exp(-np.square((d - c) / width) / 2) for c in center_xy)
  return jnp.asarray(y[:, None] * x[None, :], jnp.float32)


@functools.partial(jax.jit, static_argnames=("arch",))
def read(belief, witnesses, coefficients=None, was=None, *, arch=ARCH):
  return place_and_growth(belief, witnesses, coefficients, at_centre() if was is None else was, arch=arch)


# Invariants.


@pytest.mark.parametrize("shift", [(0, 0), (24, -8), (-40, 36)])
def test_a_map_lands_on_the_grid_where_it_was(shift):
  found = onto_grid(bell(shift, 24, ARCH.stride_px, ARCH.search_cells, ZERO), ZERO, ARCH.stride_px, ARCH)
  truth = bell(shift, 24, ARCH.fine_stride_px, SIDE, SIDE // 2)
  np.testing.assert_allclose(found, truth, atol=0.03)  # cubic convolution of a bell one and a half cells wide


def test_a_map_of_the_grids_own_stride_stays_as_it_is():
  own = jax.random.normal(jax.random.key(0), (SIDE, SIDE))
  np.testing.assert_allclose(onto_grid(own, SIDE // 2, ARCH.fine_stride_px, ARCH), own, atol=1e-6)


def test_a_peak_is_found_between_two_cells():
  witnesses = 200 * bell((22, -10), 24, ARCH.stride_px, ARCH.search_cells, ZERO)
  displacement, log_growth = read(BELIEF._replace(log_width=jnp.float32(np.log(100))), witnesses)
  np.testing.assert_allclose(displacement, [22, -10], atol=1)
  assert log_growth == 0


def test_a_closer_look_moves_a_coarse_peak_and_tells_the_growth():
  witnesses = 40 * bell((16, 0), 24, ARCH.stride_px, ARCH.search_cells, ZERO)
  here = bell((20, -4), 4, ARCH.fine_stride_px, SIDE, SIDE // 2)
  growths = jnp.array([0, 0, 0.2, 1.0, 0.2])
  alone, _ = read(BELIEF, witnesses)
  displacement, log_growth = read(BELIEF, witnesses, here[None] * growths[:, None, None])
  assert np.abs(np.asarray(alone) - (20, -4)).max() > 2
  np.testing.assert_allclose(displacement, [20, -4], atol=1)
  assert log_growth == pytest.approx(LOG_GROWTHS[3], abs=0.02)


def test_what_is_not_believed_changes_nothing():
  rng = np.random.default_rng(0)
  deaf = BELIEF._replace(response=jnp.zeros(5), coefficient=jnp.float32(0))
  responses = jnp.asarray(rng.random((5, *FLAT.shape), np.float32))
  np.testing.assert_array_equal(weighed(deaf, responses), FLAT)
  coefficients = jnp.asarray(rng.random((5, SIDE, SIDE), np.float32))
  np.testing.assert_allclose(read(deaf, FLAT, coefficients)[0], read(deaf, FLAT)[0], atol=1e-5)


def test_a_target_that_leaves_the_grid_is_found_where_its_response_peaks():
  witnesses = 200 * bell((96, -20), 24, ARCH.stride_px, ARCH.search_cells, ZERO)
  displacement, log_growth = read(BELIEF, witnesses, jnp.ones((5, SIDE, SIDE)) * jnp.arange(5.0)[:, None, None])
  np.testing.assert_allclose(displacement, [96, -20], atol=4)  # a quarter of a cell
  assert log_growth == 0


# Limits.


def test_without_a_witness_the_target_is_where_it_was():
  displacement, log_growth = read(BELIEF, FLAT, jnp.zeros((5, SIDE, SIDE)))
  np.testing.assert_allclose(displacement, 0, atol=1e-3)
  assert log_growth == pytest.approx(0, abs=1e-6)
  moved, _ = read(BELIEF, FLAT, was=LastPlace(jnp.array([8.0, -12.0]), jnp.float32(0)))
  np.testing.assert_allclose(moved, [8, -12], atol=0.5)  # the grid ends 52 px away


def test_the_more_drift_the_less_the_last_place_counts():
  witnesses = 6 * bell((40, 0), 16, ARCH.stride_px, ARCH.search_cells, ZERO)
  found = [float(read(BELIEF, witnesses, was=at_centre(drift))[0][0]) for drift in (0.0, 16.0, 64.0)]
  assert found[0] < found[1] - 2 < found[2] - 4


def test_drift_adds_its_variance_near_the_centre():
  curvature, wide = [], BELIEF._replace(log_width=jnp.log(4.0))
  for drift in (0.0, 20.0):
    log_p = log_posterior(wide, FLAT, None, at_centre(drift), arch=ARCH)[0]
    middle = SIDE // 2
    curvature.append(float(log_p[middle, middle] - log_p[middle, middle + 1]))
  # log(1 + d^2 / width^2) is near d^2 / width^2: TAIL times it is d^2 / (2 variance).
  as_pair = (4 * ARCH.fine_stride_px) ** 2 / (2 * TAIL)
  variance = [as_pair, as_pair + 20.0**2]
  np.testing.assert_allclose(curvature, 4**2 / (2 * np.array(variance)), rtol=0.05)


def test_the_grid_reaches_half_a_template():
  assert places(ARCH) == SIDE
  assert places(Architecture(width=0.25, template_px=64, search_px=128, pools=3)) == SIDE


# Oracles.


def test_the_mean_is_that_of_the_normalised_probabilities():
  rng = np.random.default_rng(1)
  log_p = rng.standard_normal((5, SIDE, SIDE)).astype(np.float32)
  p = np.exp(log_p.astype(np.float64))
  p /= p.sum()
  d = (np.arange(SIDE) - SIDE // 2) * ARCH.fine_stride_px
  displacement, log_growth = expected(jnp.asarray(log_p), BELIEF._replace(gain=jnp.float32(0.5)), arch=ARCH)
  np.testing.assert_allclose(displacement, [p.sum((0, 1)) @ d, p.sum((0, 2)) @ d], atol=1e-3)
  np.testing.assert_allclose(log_growth, 0.5 * p.sum((1, 2)) @ np.array(LOG_GROWTHS), atol=1e-5)
