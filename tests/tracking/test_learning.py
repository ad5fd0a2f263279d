"""Templates that go on learning: what is mixed in, how much, and when nothing is."""

import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cost_volume import MARGIN
from adadepth.tracking.learning import mixed
from adadepth.tracking.reader import Patch

CELLS = 4
RNG = np.random.default_rng(0)
OLD = jnp.asarray(RNG.standard_normal((2, CELLS, CELLS, 3)), jnp.float32)
WINDOW = jnp.asarray(RNG.standard_normal((2, CELLS + 2 * MARGIN, CELLS + 2 * MARGIN, 3)), jnp.float32)
PATCH = Patch(WINDOW, jnp.array([[5, 7], [6, 6]]))


@pytest.mark.parametrize("offset", [(0, 0), (1, -2), (-MARGIN, MARGIN)])
def test_what_lies_at_the_cell_is_mixed_in(offset):
  (found,) = mixed([OLD], [PATCH], PATCH.place + jnp.array([offset]), jnp.array([[0.25], [1.0]]))
  y, x = MARGIN + offset[0], MARGIN + offset[1]
  new = np.asarray(WINDOW)[:, y : y + CELLS, x : x + CELLS]
  # A quarter and a sum: a rounding or two of float32.
  np.testing.assert_allclose(found[0], 0.75 * np.asarray(OLD)[0] + 0.25 * new[0], atol=1e-6)
  np.testing.assert_allclose(found[1], new[1], atol=1e-6)


def test_a_rate_of_0_changes_nothing():
  np.testing.assert_array_equal(mixed([OLD], [PATCH], PATCH.place, jnp.zeros((2, 1)))[0], OLD)


def test_a_place_that_the_patch_does_not_reach_is_not_learnt_from():
  cell = PATCH.place + jnp.array([[0, MARGIN + 1], [0, 0]])
  (found,) = mixed([OLD], [PATCH], cell, jnp.ones((2, 1)))
  np.testing.assert_array_equal(found[0], OLD[0])
  assert not np.array_equal(found[1], OLD[1])
