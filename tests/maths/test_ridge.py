"""The ridge-regression filter: what it must find, and what it must leave alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.ridge import box_mask, ridge_filter, unmoved_label
from adadepth.maths.xcorr import cross_correlate

CELLS, SEARCH, CHANNELS = 4, 8, 3
ZERO = zero_displacement_index(CELLS, SEARCH)


@pytest.fixture(scope="module")
def key() -> tuple[np.ndarray, np.ndarray]:
  """A search map of noise and the template in its middle."""
  search = np.random.default_rng(0).standard_normal((SEARCH, SEARCH, CHANNELS)).astype(np.float32)
  return search[2:6, 2:6], search


@functools.partial(jax.jit, static_argnames=("penalty", "steps"))
def trained(template, search, weight, *, penalty=0.1, steps=20):
  return ridge_filter(template, search, weight, penalty=penalty, steps=steps)


def ridge(template: np.ndarray, search: np.ndarray, weight: np.ndarray, penalty: float) -> np.ndarray:
  """The same by one dense solve in double precision."""
  padded = np.pad(search.astype(float), ((1, 2), (1, 2), (0, 0)))
  rows = [padded[y : y + CELLS, x : x + CELLS].ravel() for y in range(SEARCH) for x in range(SEARCH)]
  centre = np.eye(SEARCH**2) - 1 / SEARCH**2
  design = centre @ np.array(rows) / np.sqrt(template.size)
  w = np.repeat(weight.ravel(), CHANNELS)
  start = w * template.ravel()
  label = centre @ np.asarray(unmoved_label(SEARCH, CELLS), float).ravel()
  found = design @ start
  fit = found @ label / (found @ found)
  a = design * w
  change = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ (label - fit * found))
  return (fit * start + w * change).reshape(template.shape)


# Invariants.


def test_cells_without_weight_stay_empty(key):
  weight = np.zeros((CELLS, CELLS), np.float32)
  weight[1:3, 1:3] = 1
  found = np.asarray(trained(*key, weight))
  assert not found[weight == 0].any() and found[weight == 1].any()


def test_a_training_brings_the_response_closer_to_its_label(key):
  template, search = key
  label = np.asarray(unmoved_label(SEARCH, CELLS)).ravel()

  def likeness(f) -> float:
    return np.corrcoef(np.asarray(cross_correlate(f, jnp.asarray(search[None]))).ravel(), label)[0, 1]

  assert (
    likeness(trained(template, search, np.ones((CELLS, CELLS), np.float32))) > likeness(jnp.asarray(template)) + 0.1
  )


def test_the_label_peaks_where_the_target_has_not_moved():
  label = np.asarray(unmoved_label(SEARCH, CELLS))
  assert np.unravel_index(label.argmax(), label.shape) == (ZERO, ZERO)
  assert label.max() == 1


# Limits.


def test_a_high_penalty_leaves_the_weighted_template_as_it_was_but_for_its_scale(key):
  weight = np.asarray(box_mask(jnp.array([32.0, 64.0]), CELLS, 16))
  found = np.asarray(trained(*key, weight, penalty=1e6)).ravel()
  start = (key[0] * weight[..., None]).ravel()
  np.testing.assert_allclose(found / np.linalg.norm(found), start / np.linalg.norm(start), atol=1e-4)


# Oracles.


def test_conjugate_gradients_find_what_a_dense_solve_finds(key):
  weight = np.linspace(0.2, 1, CELLS**2, dtype=np.float32).reshape(CELLS, CELLS)
  # Forty steps in 48 dimensions, in float32.
  np.testing.assert_allclose(trained(*key, weight, steps=40), ridge(*key, weight, 0.1), atol=1e-3)


def test_how_much_of_each_cell_a_box_covers_by_hand():
  # Cells of 16 px: a box of 32 x 48 px covers the middle two columns, and a half of each outer row.
  covered = box_mask(jnp.array([32.0, 48.0]), 4, 16)
  np.testing.assert_allclose(covered, np.array([0.5, 1, 1, 0.5])[:, None] * np.array([0, 1, 1, 0])[None, :])
