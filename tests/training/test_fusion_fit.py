"""Phase 2's first half: beliefs are learnt from pairs, and what is noise is believed less."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.scores import read_ious
from adadepth.models.fusion_weights import belief_at, init_beliefs
from adadepth.training.fusion_fit import as_pairs, as_tracked, fit_beliefs


@pytest.fixture(autouse=True)
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture(scope="module")
def table():
  """Depth 1 peaks where the target is, with a noise that comes and goes; depth 2 somewhere else."""
  rng, n = np.random.default_rng(0), 64
  true, wrong = (rng.integers(-2, 3, (n, 2)) for _ in range(2))
  return planted_table(true, np.stack([true, wrong, true, true, true], axis=1))


@pytest.fixture(scope="module")
def fitted(table):
  with jax.numpy_dtype_promotion("standard"):
    return fit_beliefs(table, np.arange(len(table)), arch=ARCH, drift=0.0, seed=0)


def stops(n: int) -> np.ndarray:
  return np.broadcast_to(np.eye(5, dtype=np.float32), (n, 5, 5))


def test_fitting_raises_the_iou_of_every_depth(table, fitted):
  before, after = (
    read_ious(beliefs, table, as_pairs(len(table)), stops(len(table)), arch=ARCH).mean(0)
    for beliefs in (init_beliefs(), fitted)
  )
  assert np.all(after > before), (before, after)
  assert after[0] > 0.9


def test_a_misleading_map_is_believed_less_than_a_right_one(fitted):
  assert fitted["response"][1, 1] < fitted["response"][1, 0] - 10


def test_no_witness_is_believed_to_say_the_opposite(fitted):
  assert fitted["response"].min() == 0
  assert fitted["coefficient"].min() >= 0


def test_a_depth_never_believes_a_deeper_one():
  beliefs = {**init_beliefs(), "response": jnp.ones((5, 5))}
  for depth in range(5):
    assert belief_at(beliefs, jax.nn.one_hot(depth, 5)).response.tolist() == [1] * (depth + 1) + [0] * (4 - depth)


def test_rows_left_out_teach_nothing(table, fitted):
  rng = np.random.default_rng(1)
  spoilt = dataclasses.replace(table, responses=table.responses.copy())
  spoilt.responses[32:] = rng.random(spoilt.responses[32:].shape)
  first, again = (fit_beliefs(t, np.arange(32), arch=ARCH, drift=0.0, seed=0) for t in (table, spoilt))
  jax.tree.map(np.testing.assert_array_equal, first, again)


def test_all_confidence_in_a_depth_is_its_own_belief(fitted):
  for depth in range(5):
    belief = belief_at(fitted, jax.nn.one_hot(depth, 5))
    for name, leaf in fitted.items():
      np.testing.assert_allclose(getattr(belief, name), leaf[depth], rtol=1e-6)


def test_each_pair_is_read_by_its_own_beliefs(table, fitted):
  which, n = np.arange(len(table)) % 2, len(table)
  by_pair = jax.tree.map(lambda *leaves: jnp.stack(leaves)[which], init_beliefs(), fitted)
  mixed, *alone = (read_ious(b, table, as_pairs(n), stops(n), arch=ARCH) for b in (by_pair, init_beliefs(), fitted))
  np.testing.assert_allclose(mixed, np.where(which[:, None] == 0, *alone), atol=1e-6)
  assert not np.allclose(*alone, atol=0.1)


def test_a_tracker_that_drifts_reads_less_well_than_a_pair():
  table = planted_table([(0, 0)] * 64, [[(0, 0)] * 5] * 64)
  slipped = as_tracked(64, drift=0.125, arch=ARCH, seed=0)
  assert slipped.center.std() == pytest.approx(8, rel=0.2)  # an eighth of 64 px
  unsure = {**init_beliefs(), "response": 5 * jnp.eye(5)}
  as_pair, tracked = (read_ious(unsure, table, was, stops(64), arch=ARCH).mean() for was in (as_pairs(64), slipped))
  assert tracked < as_pair
