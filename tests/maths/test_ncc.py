"""A closer look: a target planted at a displacement and a growth comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from adadepth.maths.ncc import (
  LOG_GROWTHS,
  closer_template,
  correlation_coefficients,
  expected_place,
  of_same_size,
)

CELLS, SEARCH, CHANNELS, STRIDE, ERROR = 16, 32, 3, 4, 8.0
WEIGHT = jnp.asarray(np.pad(np.ones((12, 12), np.float32), 2))


def scene(growth: float, cells: int, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
  """A smooth texture seen `growth` times as large, its centre displaced by `shift` cells (x, y)."""
  texture = np.random.default_rng(0).standard_normal((96, 96, CHANNELS))
  texture = scipy.ndimage.gaussian_filter(texture, (2, 2, 0))
  offset = np.arange(cells) - (cells - 1) / 2
  y, x = np.meshgrid((offset - shift[1]) / growth + 47.5, (offset - shift[0]) / growth + 47.5, indexing="ij")
  return np.stack([scipy.ndimage.map_coordinates(texture[..., c], (y, x), order=1) for c in range(CHANNELS)], -1)


def templates(log_growths: tuple[float, ...]):
  maps = np.stack([scene(np.exp(g), CELLS) for g in log_growths]).astype(np.float32)
  return closer_template(jnp.asarray(maps), WEIGHT, SEARCH)


@pytest.fixture(scope="module")
def look():
  @jax.jit
  def compiled(fine_map, coarse_px):
    coefficients = correlation_coefficients(templates((0.0,)), fine_map)[0]
    return expected_place(coefficients, coarse_px, stride_px=STRIDE, error_px=ERROR)

  def call(shift: tuple[float, float], coarse_px: tuple[float, float]):
    return compiled(jnp.asarray(scene(1.0, SEARCH, shift), jnp.float32), jnp.array(coarse_px, jnp.float32))

  return call


# Invariants.


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 4)])
def test_a_displaced_target_is_found_around_a_coarse_peak(look, shift):
  found = look(shift, (shift[0] * STRIDE + 5.0, shift[1] * STRIDE - 4.0))
  np.testing.assert_allclose(found, np.array(shift) * STRIDE, atol=1)  # px: a quarter of a cell


@pytest.mark.parametrize("size", range(len(LOG_GROWTHS)))
def test_the_template_of_a_targets_own_size_fits_it_best(size):
  fine_map = jnp.asarray(scene(np.exp(LOG_GROWTHS[size]), SEARCH), jnp.float32)
  middle = (SEARCH - CELLS) // 2
  found = correlation_coefficients(templates(LOG_GROWTHS), fine_map)[:, middle, middle]
  assert int(jnp.argmax(found)) == size, found


def test_the_template_of_the_same_size_can_be_had_alone():
  alone, own = of_same_size(templates(LOG_GROWTHS)), templates((0.0,))
  assert alone.spectrum.shape == own.spectrum.shape
  np.testing.assert_allclose(alone.spectrum, own.spectrum, atol=1e-5)


def test_a_coarse_peak_out_of_reach_stays(look):
  found = look((0, 0), (36.0, -64.0))  # the template fits up to 32 px from the middle
  np.testing.assert_array_equal(found, [36, -64])


def test_without_a_difference_between_places_the_coarse_peak_stands():
  found = expected_place(jnp.zeros((17, 17)), jnp.array([8.0, -4.0]), stride_px=STRIDE, error_px=ERROR)
  np.testing.assert_allclose(found, [8, -4], atol=0.1)  # what of the bell lies beyond the last place


# Oracles.


def pearson(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
  """Pearson's correlation coefficient of two maps [n, n, c] whose cells have a weight [n, n]."""
  weights = np.broadcast_to(weight[..., None], a.shape).ravel()
  (aa, ab), (_, bb) = np.cov(a.ravel(), b.ravel(), aweights=weights)
  return ab / np.sqrt(aa * bb)


@pytest.mark.parametrize("edge", [0.0, 0.3, 1.0])  # how much of the cells around the inner twelve the box covers
def test_coefficients_are_pearsons_under_the_weight(edge):
  rng = np.random.default_rng(1)
  key, fine_map = (rng.standard_normal((n, n, CHANNELS)).astype(np.float32) for n in (CELLS, SEARCH))
  weight = np.pad(np.ones((12, 12), np.float32), 1, constant_values=edge)
  weight = np.pad(weight, 1)
  template = closer_template(jnp.asarray(key)[None], jnp.asarray(weight), SEARCH)
  found = correlation_coefficients(template, jnp.asarray(fine_map))
  assert found.shape == (1, SEARCH - CELLS + 1, SEARCH - CELLS + 1)
  for row, col in ((0, 0), (1, 0), (7, 16)):
    seen = fine_map[row : row + CELLS, col : col + CELLS]
    np.testing.assert_allclose(found[0, row, col], pearson(seen, key, weight), atol=1e-4)  # sums of 432 floats


def test_a_narrow_box_agrees_with_itself_by_one():
  fine_map = jnp.asarray(np.random.default_rng(1).standard_normal((CELLS, CELLS, CHANNELS)), jnp.float32)
  weight = jnp.zeros((CELLS, CELLS)).at[2:-2, 7].set(0.2)
  found = correlation_coefficients(closer_template(fine_map[None], weight, CELLS), fine_map)
  np.testing.assert_allclose(found, 1, atol=1e-4)
