"""What is not believed, how long, and where a lost target is looked for."""

import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.tracking.belief import BELIEVED, RATE, TAKEN, next_belief, next_missed, stays
from adadepth.tracking.lost import LOOKED_AT, PATIENCE, is_lost, search_center


def logit(p: float) -> float:
  return float(np.log(p) - np.log1p(-p))


def test_a_belief_is_a_mean_of_the_scores_that_forgets():
  belief, scores = jnp.array([3.0]), [-2.0, 1.0, 5.0]
  for score in scores:
    belief = next_belief(belief, jnp.array([score]), jnp.array([0]))
  left = [(1 - RATE) ** n for n in range(4)]
  expected = 3.0 * left[3] + RATE * sum(score * part for score, part in zip(scores, left[2::-1], strict=True))
  np.testing.assert_allclose(belief, [expected], rtol=1e-6)


def test_a_lost_target_is_believed_at_first_sight():
  beliefs = next_belief(jnp.full(2, -6.0), jnp.full(2, 2.0), jnp.array([PATIENCE - 1, PATIENCE]))
  assert beliefs[0] < logit(BELIEVED) and beliefs[1] == 2.0


def test_a_belief_ends_a_miss_and_doubt_counts_on():
  scores = jnp.array([logit(BELIEVED + 0.01), logit(BELIEVED - 0.01)])
  np.testing.assert_array_equal(next_missed(scores, jnp.array([7, 7])), [0, 8])


@pytest.mark.parametrize("missed", [0, PATIENCE - 1, PATIENCE])
def test_a_target_is_lost_after_so_many_misses(missed):
  assert bool(is_lost(jnp.array([missed]))[0]) == (missed >= PATIENCE)


def test_a_box_stays_where_its_target_surely_is_not_or_while_it_is_lost():
  scores = jnp.array([logit(TAKEN - 0.01), logit(TAKEN + 0.01), logit(0.9)])
  np.testing.assert_array_equal(stays(scores, jnp.array([1, 1, PATIENCE])), [True, False, True])


def test_a_target_that_is_not_lost_is_looked_for_where_it_was():
  center = np.array([[50.0, 60.0], [7.0, 8.0]], np.float32)
  found = search_center(center, np.array([40.0, 20.0]), np.array([0, PATIENCE - 1]))
  np.testing.assert_array_equal(found, center)


def test_a_lost_target_is_looked_for_around_and_every_other_time_in_the_middle():
  missed = PATIENCE + np.arange(2 * len(LOOKED_AT))
  center, side = np.tile(np.float32([100, 100]), (len(missed), 1)), np.full(len(missed), 40.0)
  offsets = (search_center(center, side, missed) - center) / 40
  np.testing.assert_allclose(offsets, np.tile(LOOKED_AT, (2, 1)), atol=1e-6)
  np.testing.assert_array_equal(offsets[::2], 0)
  radius = np.hypot(*offsets[1::2].T)
  assert radius.min() > 0.5 and radius.max() < 1.2
