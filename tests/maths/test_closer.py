"""A closer look: a target planted at a displacement and a growth comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from adadepth.maths.closer import LOG_GROWTHS, closer_template, correlation_coefficients, look_closer

CELLS, SEARCH, CHANNELS, STRIDE = 16, 32, 3, 4
WEIGHT = jnp.asarray(np.pad(np.ones((12, 12), np.float32), 2))


def scene(growth: float, cells: int, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
  """A smooth texture seen `growth` times as large, its centre displaced by `shift` cells (x, y)."""
  texture = np.random.default_rng(0).standard_normal((96, 96, CHANNELS))
  texture = scipy.ndimage.gaussian_filter(texture, (2, 2, 0))
  offset = np.arange(cells) - (cells - 1) / 2
  y, x = np.meshgrid((offset - shift[1]) / growth + 47.5, (offset - shift[0]) / growth + 47.5, indexing="ij")
  return np.stack([scipy.ndimage.map_coordinates(texture[..., c], (y, x), order=1) for c in range(CHANNELS)], -1)


@pytest.fixture(scope="module")
def template():
  maps = np.stack([scene(np.exp(g), CELLS) for g in LOG_GROWTHS]).astype(np.float32)
  return closer_template(jnp.asarray(maps), WEIGHT)


@pytest.fixture(scope="module")
def look(template):
  compiled = jax.jit(look_closer, static_argnames="stride_px")

  def call(growth: float, shift: tuple[float, float], coarse_px: tuple[float, float]):
    fine_map = jnp.asarray(scene(growth, SEARCH, shift), jnp.float32)
    return compiled(template, fine_map, jnp.array(coarse_px, jnp.float32), stride_px=STRIDE)

  return call


# Invariants.


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 4)])
def test_a_displaced_target_is_found_around_a_coarse_peak(look, shift):
  found, _ = look(1.0, shift, (0.0, 0.0))
  np.testing.assert_allclose(found, np.array(shift) * STRIDE, atol=1)  # px: a quarter of a cell


def test_a_coarse_peak_far_from_the_middle_is_looked_around(look):
  found, _ = look(1.0, (9, -7), (32.0, -30.0))
  np.testing.assert_allclose(found, (36, -28), atol=1)


def test_what_has_grown_looks_larger_and_what_has_shrunk_smaller(look):
  grown, same, shrunk = (float(look(g, (0, 0), (0.0, 0.0))[1]) for g in (1.2, 1.0, 1 / 1.2))
  assert shrunk < -0.05 < same < 0.05 < grown


def test_a_peak_on_the_border_of_the_search_crop_has_its_window(look):
  assert np.isfinite(np.asarray(look(1.0, (0, 0), (64.0, -64.0))[0])).all()


# Oracles.


def test_coefficients_are_pearsons_under_the_weight(template):
  window = np.random.default_rng(1).standard_normal((CELLS + 1, CELLS + 1, CHANNELS)).astype(np.float32)
  found = correlation_coefficients(template, jnp.asarray(window))
  inside = np.asarray(WEIGHT, bool)
  for row, col in ((0, 0), (1, 0)):
    seen = window[row : row + CELLS, col : col + CELLS][inside].ravel()
    key = np.asarray(template.filters)[1][inside].ravel()
    np.testing.assert_allclose(found[row, col, 1], np.corrcoef(seen, key)[0, 1], atol=1e-4)  # sums of 432 floats
