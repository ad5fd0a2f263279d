"""Log-linear fusion: evidence points where it points, and counts as much as its weight."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.fusion import (
  REACH_STEPS,
  TAIL,
  FusionWeights,
  LastPlace,
  at_center,
  fuse,
  log_motion_prior,
  log_posterior,
  onto_grid,
  posterior_mean,
  weighted_response,
)
from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.ncc import LOG_SCALES
from adadepth.models.architecture import Architecture

ARCH = Architecture()  # cells of 16 px, places 4 px apart
GRID = ARCH.grid
ZERO = zero_displacement_index(ARCH.template_cells, ARCH.search_cells)
SIDE = 33
# The first response counts as it is, so that a test gives it in nats.
FIRST = FusionWeights(jnp.zeros(5).at[0].set(1), *(jnp.float32(v) for v in (25, 0, 1, 1)))
FLAT = jnp.zeros((ARCH.search_cells, ARCH.search_cells))
NO_NCC = jnp.zeros((len(LOG_SCALES), SIDE, SIDE))


def bell(center_xy: tuple[float, float], width: float, step: float, cells: int, zero: int) -> jax.Array:
  """A Gaussian around a displacement, in pixels, on a map whose cells are `step` px apart."""
  d = (np.arange(cells) - zero) * step
  x, y = (np.exp(-np.square((d - c) / width) / 2) for c in center_xy)
  return jnp.asarray(y[:, None] * x[None, :], jnp.float32)


def coarse_bell(center_xy: tuple[float, float], width: float = 24) -> jax.Array:
  return bell(center_xy, width, ARCH.stride_px, ARCH.search_cells, ZERO)


@functools.partial(jax.jit, static_argnames=("grid",))
def read(weights, response, ncc=NO_NCC, last=None, *, grid=GRID):
  """`fuse` of one response that counts as it is."""
  return fuse(
    weights, jnp.zeros((5, *response.shape)).at[0].set(response), ncc, at_center(0.0) if last is None else last, grid
  )


# Invariants.


@pytest.mark.parametrize("shift", [(0, 0), (24, -8), (-40, 36)])
def test_a_map_lands_on_the_grid_where_it_was(shift):
  found = onto_grid(coarse_bell(shift), ZERO, ARCH.stride_px, GRID)
  truth = bell(shift, 24, GRID.step_px, SIDE, SIDE // 2)
  np.testing.assert_allclose(found, truth, atol=0.03)  # cubic convolution of a bell one and a half cells wide


def test_a_map_of_the_grids_own_step_stays_as_it_is():
  own = jax.random.normal(jax.random.key(0), (SIDE, SIDE))
  np.testing.assert_allclose(onto_grid(own, SIDE // 2, GRID.step_px, GRID), own, atol=1e-6)


def test_a_peak_is_found_between_two_cells():
  wide = FIRST._replace(log_motion=jnp.float32(np.log(100)))
  displacement, log_scale = read(wide, 200 * coarse_bell((22, -10)))
  np.testing.assert_allclose(displacement, [22, -10], atol=1)
  assert log_scale == pytest.approx(0, abs=1e-6)


def test_ncc_moves_a_coarse_peak():
  response = 40 * coarse_bell((16, 0))
  here = jnp.tile(bell((20, -4), 4, GRID.step_px, SIDE, SIDE // 2), (len(LOG_SCALES), 1, 1))
  alone, _ = read(FIRST, response)
  displacement, _ = read(FIRST, response, here)
  assert np.abs(np.asarray(alone) - (20, -4)).max() > 2
  np.testing.assert_allclose(displacement, [20, -4], atol=1)


@pytest.mark.parametrize("largest", [1, 2, 3])
def test_the_scale_whose_template_fits_best_is_read(largest):
  fit = np.full(len(LOG_SCALES), 0.2, np.float32)
  fit[largest] = 1
  ncc = bell((0, 0), 4, GRID.step_px, SIDE, SIDE // 2)[None] * fit[:, None, None]
  _, log_scale = read(FIRST, 40 * coarse_bell((0, 0)), ncc)
  assert log_scale == pytest.approx(LOG_SCALES[largest], abs=0.02)  # the other scales keep a share of e^-15 or so


def test_ncc_alone_does_not_choose_between_far_places():
  response = 40 * coarse_bell((0, 0), 12) + 39 * coarse_bell((48, 0), 12)
  ncc = jnp.tile(bell((48, 0), 4, GRID.step_px, SIDE, SIDE // 2), (len(LOG_SCALES), 1, 1))
  displacement, _ = read(FIRST._replace(ncc=jnp.float32(8), log_motion=jnp.log(100.0)), response, ncc)
  np.testing.assert_allclose(displacement, [0, 0], atol=4)  # 48 px away count 11.5 nats less: NCC's 8 do not buy them


def test_what_has_no_weight_changes_nothing():
  rng = np.random.default_rng(0)
  ncc = jnp.asarray(rng.random(NO_NCC.shape, np.float32))
  deaf = FIRST._replace(ncc=jnp.float32(0))
  for found, expected in zip(read(deaf, FLAT, ncc), read(deaf, FLAT), strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-5)  # px: sums of a thousand float32 places


def test_adding_a_constant_to_a_response_changes_nothing():
  response = 40 * coarse_bell((16, 0))
  for found, expected in zip(read(FIRST, response + 3), read(FIRST, response), strict=True):
    np.testing.assert_allclose(found, expected, atol=1e-2)  # px: the sum keeps fewer digits of the response


def test_a_target_that_leaves_the_grid_is_the_cell_where_response_and_prior_peak():
  ncc = jnp.ones_like(NO_NCC) * jnp.arange(len(LOG_SCALES), dtype=jnp.float32)[:, None, None]
  displacement, log_scale = read(FIRST, 200 * coarse_bell((96, -16)), ncc)
  np.testing.assert_array_equal(displacement, [96, -16])
  assert log_scale == 0


# Limits.


def test_without_evidence_the_target_is_where_it_was():
  displacement, log_scale = read(FIRST, FLAT)
  np.testing.assert_allclose(displacement, 0, atol=1e-3)
  assert log_scale == pytest.approx(0, abs=1e-6)
  moved, _ = read(FIRST, FLAT, last=LastPlace(jnp.array([8.0, -12.0]), jnp.float32(0)))
  np.testing.assert_allclose(moved, [8, -12], atol=0.5)  # the grid ends 52 px away


def test_the_more_drift_the_less_the_last_place_counts():
  response = 6 * coarse_bell((40, 0), 16)
  found = [float(read(FIRST, response, last=at_center(drift))[0][0]) for drift in (0.0, 16.0, 64.0)]
  assert found[0] < found[1] - 2 < found[2] - 4


def test_drift_adds_its_variance_near_the_center():
  curvature, wide = [], FIRST._replace(log_motion=jnp.log(4.0))
  for drift in (0.0, 20.0):
    log_p = log_motion_prior(wide, at_center(drift), GRID.displacements_px, GRID)
    middle = SIDE // 2
    curvature.append(float(log_p[middle, middle] - log_p[middle, middle + 1]))
  # log(1 + d^2 / width^2) is near d^2 / width^2: TAIL times it is d^2 / (2 variance).
  as_pair = (4 * GRID.step_px) ** 2 / (2 * TAIL)
  variance = [as_pair, as_pair + 20.0**2]
  np.testing.assert_allclose(curvature, 4**2 / (2 * np.array(variance)), rtol=0.05)


@pytest.mark.parametrize("arch", [ARCH, Architecture(width=0.25, template_px=64, search_px=128, pools=3)])
def test_the_grid_reaches_half_a_template(arch):
  assert arch.grid.places == SIDE
  assert arch.grid.reach_px == arch.template_px // 2


# Oracles.


def test_responses_are_summed_by_weight():
  rng = np.random.default_rng(2)
  responses, response_weights = rng.random((5, 4, 4), np.float32), rng.random(5, np.float32)
  expected = sum(w * r for w, r in zip(response_weights, responses, strict=True))
  found = weighted_response(FIRST._replace(response=jnp.asarray(response_weights)), jnp.asarray(responses))
  np.testing.assert_allclose(found, expected, rtol=1e-6)  # five float32 terms


def test_the_posterior_is_the_sum_that_its_docstring_says():
  rng = np.random.default_rng(3)
  response, ncc = 5 * coarse_bell((12, -20)), rng.random(NO_NCC.shape, np.float32)
  weights = FIRST._replace(ncc=jnp.float32(3), log_motion=jnp.float32(0.7), scale_cost=jnp.float32(2))
  found = log_posterior(weights, response, jnp.asarray(ncc), LastPlace(jnp.array([3.0, -2.0]), jnp.float32(5)), GRID)
  d = 4.0 * (np.arange(SIDE) - 16)
  y, x = np.meshgrid(d, d, indexing="ij")
  width2 = (np.exp(0.7) * 4) ** 2 + 2 * TAIL * 5**2
  place = np.asarray(onto_grid(response, ZERO, 16, GRID)) - TAIL * np.log(1 + ((x - 3) ** 2 + (y + 2) ** 2) / width2)
  row, col = np.unravel_index(place.argmax(), place.shape)
  place -= ((x - d[col]) ** 2 + (y - d[row]) ** 2) / (2 * (REACH_STEPS * 4) ** 2)
  for scale, cost in enumerate((8, 2, 0, 2, 8)):  # 2 against one step of scale, four times as much against two
    np.testing.assert_allclose(found[scale], place + 3 * ncc[scale] - cost, atol=1e-4)  # nats, of up to fifty


def test_the_mean_is_that_of_the_normalised_probabilities():
  rng = np.random.default_rng(1)
  log_p = rng.standard_normal(NO_NCC.shape).astype(np.float32)
  p = np.exp(log_p.astype(np.float64))
  p /= p.sum()
  d = (np.arange(SIDE) - SIDE // 2) * GRID.step_px
  displacement, log_scale = posterior_mean(jnp.asarray(log_p), FIRST._replace(scale_gain=jnp.float32(0.5)), GRID)
  np.testing.assert_allclose(displacement, [p.sum((0, 1)) @ d, p.sum((0, 2)) @ d], atol=1e-3)
  np.testing.assert_allclose(log_scale, 0.5 * p.sum((1, 2)) @ np.array(LOG_SCALES), atol=1e-5)


# Gradients.


def test_weights_have_gradients_but_those_of_responses_that_are_zero():
  response = 4 * coarse_bell((10, -6))
  ncc = jnp.asarray(np.random.default_rng(4).random(NO_NCC.shape, np.float32))

  @jax.jit
  @jax.grad
  def slope(weights):
    displacement, log_scale = fuse(weights, jnp.zeros((5, *FLAT.shape)).at[0].set(response), ncc, at_center(0.0), GRID)
    return displacement[0] + log_scale

  found = slope(FIRST)
  assert all(np.isfinite(leaf).all() for leaf in found)
  assert [bool(np.any(np.asarray(leaf) != 0)) for leaf in found] == [True] * len(found)
  np.testing.assert_array_equal(found.response[1:], np.zeros(4))
