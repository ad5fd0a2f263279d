"""Eq. 4 as properties, at its limits, against the recursion as printed, and the exit it implies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from adadepth.maths import cascade
from adadepth.maths.cascade import exit_depth

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
logits = hnp.arrays(np.float32, (3, 4), elements=st.floats(-40, 40, width=32))
# Products of at most four float32 sigmoids: a few units of 6e-8.
ATOL = 1e-6
exit_confidences = jax.jit(cascade.exit_confidences)


def stick_breaking(phi: np.ndarray) -> np.ndarray:
  """Eq. 4 as it is printed, one row, in float64."""
  confidences = []
  for phi_i in phi.astype(np.float64):
    confidences.append((1 - sum(confidences)) / (1 + np.exp(-phi_i)))
  return np.array([*confidences, 1 - sum(confidences)])


def first_above(confidences: np.ndarray, threshold: float) -> int:
  for depth, confidence in enumerate(confidences[:-1]):
    if confidence > threshold:
      return depth
  return len(confidences) - 1


# Invariants


@QUICK
@given(logits)
def test_confidences_sum_to_one(phi):
  np.testing.assert_allclose(exit_confidences(jnp.asarray(phi)).sum(-1), 1, atol=ATOL)


@QUICK
@given(logits)
def test_confidences_lie_in_0_to_1(phi):
  confidences = np.asarray(exit_confidences(jnp.asarray(phi)))
  assert confidences.shape == (3, 5)
  assert (confidences >= 0).all() and (confidences <= 1).all()


@QUICK
@given(logits)
def test_a_depth_does_not_depend_on_deeper_gates(phi):
  """Hard gating has only computed the gates so far: what it sees must be what soft gating sees."""
  other = phi.copy()
  other[:, 2:] = -phi[:, 2:] + 1
  np.testing.assert_array_equal(exit_confidences(jnp.asarray(phi))[:, :2], exit_confidences(jnp.asarray(other))[:, :2])


# Limits


@pytest.mark.parametrize("depth", range(4))
def test_an_open_gate_takes_everything(depth):
  phi = jnp.full(4, -100.0).at[depth].set(100)
  np.testing.assert_allclose(exit_confidences(phi), np.eye(5)[depth], atol=ATOL)


def test_closed_gates_leave_everything_to_the_last_depth():
  np.testing.assert_allclose(exit_confidences(jnp.full(4, -100.0)), [0, 0, 0, 0, 1], atol=ATOL)


def test_open_gates_leave_everything_to_the_first_depth():
  np.testing.assert_allclose(exit_confidences(jnp.full(4, 100.0)), [1, 0, 0, 0, 0], atol=ATOL)


def test_undecided_gates_halve_what_is_left():
  np.testing.assert_allclose(exit_confidences(jnp.zeros(4)), [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16], atol=ATOL)


# Oracles


@QUICK
@given(logits)
def test_confidences_equal_the_recursion_as_printed(phi):
  expected = [stick_breaking(row) for row in phi]
  np.testing.assert_allclose(exit_confidences(jnp.asarray(phi)), expected, atol=ATOL)


@QUICK
@given(logits, st.floats(0.01, 0.99))
def test_the_exit_is_the_first_depth_above_the_threshold(phi, threshold):
  confidences = np.asarray(exit_confidences(jnp.asarray(phi)))
  expected = [first_above(row, np.float32(threshold)) for row in confidences]
  np.testing.assert_array_equal(exit_depth(jnp.asarray(confidences), threshold), expected)


def test_the_threshold_itself_is_no_exit():
  confidences = jnp.array([[0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])
  np.testing.assert_array_equal(exit_depth(confidences, 0.25), [1, 2, 0])
  np.testing.assert_array_equal(exit_depth(confidences, 0.75), [2, 2, 2])


# Gradients


def test_the_gradient_equals_differences_of_the_recursion():
  phi = np.array([0.3, -1.2, 2.0, 0.1], np.float32)
  jacobian = jax.jacobian(exit_confidences)(jnp.asarray(phi))
  steps = np.eye(4) * 1e-6
  differences = np.stack([(stick_breaking(phi + s) - stick_breaking(phi - s)) / 2e-6 for s in steps], axis=1)
  np.testing.assert_allclose(jacobian, differences, atol=1e-5)


@pytest.mark.parametrize("value", [-100.0, 0.0, 100.0])
def test_opening_a_gate_raises_its_depth_and_lowers_deeper_ones(value):
  jacobian = np.asarray(jax.jacobian(exit_confidences)(jnp.full(4, value)))
  assert np.isfinite(jacobian).all()
  if value == 0:
    assert (np.diagonal(jacobian) > 0).all()
    assert (np.tril(jacobian, -1)[np.tril_indices(5, -1, 4)] < 0).all()
    np.testing.assert_array_equal(np.triu(jacobian[:4], 1), np.zeros((4, 4)))
