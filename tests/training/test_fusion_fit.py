"""Phase 2's first half: fusion is learnt from pairs, and what is noise counts less."""

import dataclasses

import jax
import numpy as np
import pytest
from planted_pairs import FUSION, planted_table

from adadepth.evaluation.scores import exit_ious
from adadepth.models.fusion_weights import init_fusion
from adadepth.training.fusion_fit import fit_fusion


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture(scope="module")
def table():
  """Depths 1, 3, 4 and 5 peak where the target is, depth 2 somewhere else."""
  rng, n = np.random.default_rng(0), 64
  true, wrong = (rng.integers(-2, 3, (n, 2)) for _ in range(2))
  return planted_table(true, np.stack([true, wrong, true, true, true], axis=1))


@pytest.fixture(scope="module")
def fitted(table):
  return fit_fusion(table, np.arange(len(table)), arch=FUSION, seed=0)


def test_fitting_raises_the_iou_of_every_depth(table, fitted):
  before, after = (exit_ious(fusion, table, arch=FUSION).mean(0) for fusion in (init_fusion(), fitted))
  assert np.all(after > before), (before, after)
  assert after[0] > 0.85


def test_a_misleading_map_counts_less_than_a_right_one(fitted):
  assert fitted["response"][1, 1] < fitted["response"][1, 0] - 10


def test_no_evidence_counts_against_itself(fitted):
  assert fitted["response"].min() == 0
  assert fitted["ncc"].min() >= 0


def test_fusion_keeps_its_names_and_shapes(fitted):
  shapes = [jax.tree.map(np.shape, tree) for tree in (fitted, init_fusion())]
  assert shapes[0] == shapes[1]


def test_rows_left_out_teach_nothing(table):
  rng = np.random.default_rng(1)
  spoilt = dataclasses.replace(table, responses=table.responses.copy())
  spoilt.responses[32:] = rng.random(spoilt.responses[32:].shape)
  first, again = (fit_fusion(t, np.arange(32), arch=FUSION, seed=0) for t in (table, spoilt))
  jax.tree.map(np.testing.assert_array_equal, first, again)


def test_fitting_is_deterministic_in_its_seed(table, fitted):
  again, other = (fit_fusion(table, np.arange(len(table)), arch=FUSION, seed=seed) for seed in (0, 1))
  jax.tree.map(np.testing.assert_array_equal, again, fitted)
  assert (other["response"] != fitted["response"]).any()
