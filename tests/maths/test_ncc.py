"""Normalised cross-correlation: a target planted at a displacement and a scale fits best there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from adadepth.maths.ncc import LOG_SCALES, NccTemplate, correlation_coefficients, ncc_template

CELLS, SEARCH, CHANNELS = 16, 32, 3
MASK = jnp.asarray(np.pad(np.ones((12, 12), np.float32), 2))
coefficients = jax.jit(correlation_coefficients)


def scene(scale: float, cells: int, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
  """A smooth texture seen `scale` times as large, its centre displaced by `shift` cells (x, y)."""
  texture = np.random.default_rng(0).standard_normal((96, 96, CHANNELS))
  texture = scipy.ndimage.gaussian_filter(texture, (2, 2, 0))
  offset = np.arange(cells) - (cells - 1) / 2
  y, x = np.meshgrid((offset - shift[1]) / scale + 47.5, (offset - shift[0]) / scale + 47.5, indexing="ij")
  return np.stack([scipy.ndimage.map_coordinates(texture[..., c], (y, x), order=1) for c in range(CHANNELS)], -1)


def templates(log_scales: tuple[float, ...]) -> NccTemplate:
  maps = np.stack([scene(np.exp(g), CELLS) for g in log_scales]).astype(np.float32)
  return ncc_template(jnp.asarray(maps), MASK, SEARCH)


# Invariants.


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-8, 8)])
def test_a_displaced_target_fits_best_where_it_is(shift):
  found = coefficients(templates((0.0,)), jnp.asarray(scene(1.0, SEARCH, shift), jnp.float32))[0]
  middle = (SEARCH - CELLS) // 2
  row, col = np.unravel_index(np.argmax(found), found.shape)
  assert (col - middle, row - middle) == shift


@pytest.mark.parametrize("which", range(len(LOG_SCALES)))
def test_the_template_of_a_targets_own_scale_fits_it_best(which):
  fine_map = jnp.asarray(scene(np.exp(LOG_SCALES[which]), SEARCH), jnp.float32)
  middle = (SEARCH - CELLS) // 2
  found = coefficients(templates(LOG_SCALES), fine_map)[:, middle, middle]
  assert int(jnp.argmax(found)) == which, found


def test_brightness_and_contrast_of_the_search_map_do_not_matter():
  fine_map = jnp.asarray(scene(1.0, SEARCH), jnp.float32)
  found, moved = (coefficients(templates((0.0,)), m) for m in (fine_map, 3 * fine_map - 2))
  np.testing.assert_allclose(moved, found, atol=1e-4)  # the variance is a small difference of float32 sums


def test_what_the_mask_leaves_out_does_not_matter():
  fine_map = jnp.asarray(scene(1.0, SEARCH), jnp.float32)
  key = jnp.asarray(scene(1.0, CELLS), jnp.float32)
  noisy = jnp.where(MASK[..., None] > 0, key, jax.random.normal(jax.random.key(0), key.shape))
  found, expected = (coefficients(ncc_template(m[None], MASK, SEARCH), fine_map) for m in (noisy, key))
  np.testing.assert_allclose(found, expected, atol=1e-5)


# Limits.


def test_a_flat_search_map_has_no_correlation():
  np.testing.assert_allclose(coefficients(templates((0.0,)), jnp.full((SEARCH, SEARCH, CHANNELS), 3.0)), 0, atol=1e-2)


def test_a_flat_key_has_no_correlation():
  template = ncc_template(jnp.full((1, CELLS, CELLS, CHANNELS), 3.0), MASK, SEARCH)
  assert np.isfinite(template.spectrum).all()
  found = coefficients(template, jnp.asarray(scene(1.0, SEARCH), jnp.float32))
  assert np.isfinite(found).all()


# Oracles.


def pearson(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> float:
  """Pearson's correlation coefficient of two maps [n, n, c] whose cells have a weight [n, n]."""
  weights = np.broadcast_to(weight[..., None], a.shape).ravel()
  (aa, ab), (_, bb) = np.cov(a.ravel(), b.ravel(), aweights=weights)
  return ab / np.sqrt(aa * bb)


@pytest.mark.parametrize("edge", [0.0, 0.3, 1.0])  # how much of the cells around the inner twelve the box covers
def test_coefficients_are_pearsons_under_the_mask(edge):
  rng = np.random.default_rng(1)
  key, fine_map = (rng.standard_normal((n, n, CHANNELS)).astype(np.float32) for n in (CELLS, SEARCH))
  mask = np.pad(np.ones((12, 12), np.float32), 1, constant_values=edge)
  mask = np.pad(mask, 1)
  template = ncc_template(jnp.asarray(key)[None], jnp.asarray(mask), SEARCH)
  found = coefficients(template, jnp.asarray(fine_map))
  assert found.shape == (1, SEARCH - CELLS + 1, SEARCH - CELLS + 1)
  for row, col in ((0, 0), (1, 0), (7, 16)):
    seen = fine_map[row : row + CELLS, col : col + CELLS]
    np.testing.assert_allclose(found[0, row, col], pearson(seen, key, mask), atol=1e-4)  # sums of 432 floats


def test_a_narrow_box_agrees_with_itself_by_one():
  fine_map = jnp.asarray(np.random.default_rng(1).standard_normal((CELLS, CELLS, CHANNELS)), jnp.float32)
  mask = jnp.zeros((CELLS, CELLS)).at[2:-2, 7].set(0.2)
  found = coefficients(ncc_template(fine_map[None], mask, CELLS), fine_map)
  np.testing.assert_allclose(found, 1, atol=1e-4)
