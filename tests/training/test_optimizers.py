"""What an optimizer trains, and what it leaves bitwise as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adadepth.training.optimizers import (
  apply_gradients,
  finetune_optimizer,
  frozen_partition,
  gating_optimizer,
  init_state,
  partition_labels,
)

FINETUNE = {"learning_rate": 1e-2, "steps": 10, "warmup_steps": 0, "clip_norm": 1.0}


@pytest.fixture(autouse=True)
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture
def tree() -> dict:
  """The parts of a network, each of a few numbers."""
  gate = {"linear": {"kernel": jnp.full(3, 0.1)}, "mean": jnp.full(3, 0.3), "std": jnp.full(3, 0.7)}
  return {
    "backbone": {"kernel": jnp.array([0.1, 1e-30, -0.3])},
    "head": {"log_scale": jnp.full(2, 0.2)},
    "box": {"depth1": jnp.full(4, 0.4)},
    "gates": {"gate1": gate},
  }


def after_steps(tree: dict, optimizer, steps: int = 3):
  """The state after some steps, with a gradient of 1 everywhere."""
  state = init_state(tree, optimizer)
  for _ in range(steps):
    state = apply_gradients(state, jax.tree.map(jnp.ones_like, tree), optimizer)
  return state


def moved(before: dict, after: dict) -> set[str]:
  """Names of the leaves that are not bitwise what they were."""
  new = dict(jax.tree_util.tree_leaves_with_path(after))
  old = jax.tree_util.tree_leaves_with_path(before)
  return {jax.tree_util.keystr(p) for p, leaf in old if np.asarray(leaf).tobytes() != np.asarray(new[p]).tobytes()}


def moments(state) -> list[jax.Array]:
  """What the optimizer keeps for each weight."""
  return [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]


def test_phase_1_moves_backbone_head_and_boxes_alone(tree):
  assert moved(tree, after_steps(tree, finetune_optimizer(**FINETUNE)).params) == {
    "['backbone']['kernel']",
    "['head']['log_scale']",
    "['box']['depth1']",
  }


def test_phase_2_moves_the_gates_linear_weights_alone(tree):
  found = moved(tree, after_steps(tree, gating_optimizer(learning_rate=0.1)).params)
  assert found == {"['gates']['gate1']['linear']['kernel']"}


def test_what_is_frozen_is_not_decayed_either(tree):
  decaying = frozen_partition(optax.adamw(0.1, weight_decay=0.5), ("head",))
  assert moved(tree, after_steps(tree, decaying).params) == {"['head']['log_scale']"}


@pytest.mark.parametrize(
  ("optimizer", "sizes"),
  [(finetune_optimizer(**FINETUNE), [2, 2, 3, 3, 4, 4]), (gating_optimizer(learning_rate=0.1), [3, 3])],
)
def test_what_is_frozen_has_no_moments(tree, optimizer, sizes):
  assert sorted(leaf.size for leaf in moments(init_state(tree, optimizer))) == sizes


def test_labels_name_what_is_trained(tree):
  labels = partition_labels(tree, ("gates",))
  assert labels["gates"]["gate1"] == {"linear": {"kernel": "train"}, "mean": "freeze", "std": "freeze"}
  assert set(jax.tree.leaves({k: v for k, v in labels.items() if k != "gates"})) == {"freeze"}


def test_steps_are_counted(tree):
  assert after_steps(tree, gating_optimizer(learning_rate=0.1), steps=4).step == 4


def test_missing_gradients_are_zeros(tree):
  optimizer = finetune_optimizer(**FINETUNE)
  state = apply_gradients(init_state(tree, optimizer), {"head": {"log_scale": jnp.ones(2)}}, optimizer)
  assert moved(tree, state.params) == {"['head']['log_scale']"}


def test_the_first_step_of_a_warm_up_moves_nothing(tree):
  optimizer = finetune_optimizer(**{**FINETUNE, "warmup_steps": 5})
  assert moved(tree, after_steps(tree, optimizer, steps=1).params) == set()


def test_a_step_does_not_change_what_it_was_given(tree):
  before = jax.tree.map(lambda leaf: np.array(leaf), tree)
  after_steps(tree, finetune_optimizer(**FINETUNE))
  assert moved(before, tree) == set()


def test_equal_arguments_give_one_optimizer_so_that_jit_traces_once():
  assert finetune_optimizer(**FINETUNE) is finetune_optimizer(**FINETUNE)
