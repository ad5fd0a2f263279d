"""Rows of a batch that are wanted are computed, and the others are not."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.tracking import partial_batch
from adadepth.tracking.partial_batch import on_rows


def computed_rows(n: int, wanted: np.ndarray | None) -> tuple[np.ndarray, list[int]]:
  """Twice the numbers 0 to n - 1, and which of them have been doubled, in order."""
  computed = []

  def doubled(x: jax.Array) -> jax.Array:
    jax.debug.callback(lambda chunk: computed.extend(np.asarray(chunk).tolist()), x, ordered=True)
    return 2 * x

  found = jax.jit(lambda wanted: on_rows(doubled, jnp.arange(n), wanted))(wanted)
  jax.effects_barrier()
  return np.asarray(found), computed


# Invariants.


def test_every_mix_of_rows_is_computed_by_one_program():
  program = jax.jit(lambda wanted: on_rows(lambda x: 3 * x + 1, jnp.arange(5.0), wanted))
  for mix in itertools.product((False, True), repeat=5):
    wanted = np.array(mix)
    np.testing.assert_array_equal(program(wanted)[wanted], (3 * np.arange(5.0) + 1)[wanted])
  assert program._cache_size() == 1


def test_rows_that_are_not_wanted_are_not_computed():
  wanted = np.array([True, False, True, True, True, True, True])
  found, computed = computed_rows(7, wanted)
  np.testing.assert_array_equal(found[wanted], 2 * np.arange(7)[wanted])
  assert computed == [0, 2, 3, 4, 5, 6]  # three chunks of 2: two of 4 would do two more


def test_a_last_chunk_is_filled_with_rows_that_are_there(monkeypatch):
  monkeypatch.setitem(partial_batch.CHUNKS, "cpu", (4, 2))
  wanted = np.array([True, True, False, True, True, False, True])
  found, computed = computed_rows(7, wanted)
  np.testing.assert_array_equal(found[wanted], 2 * np.arange(7)[wanted])
  assert computed == [0, 1, 3, 4, 6, 2]  # five, and one that fills the chunk


def test_a_last_chunk_that_would_reach_past_the_rows_does_some_again(monkeypatch):
  monkeypatch.setitem(partial_batch.CHUNKS, "cpu", (2,))
  found, computed = computed_rows(3, None)
  np.testing.assert_array_equal(found, [0, 2, 4])
  assert computed == [0, 1, 1, 2]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 1), (4, 4), (5, 2), (6, 2), (7, 4), (8, 4)])
@pytest.mark.parametrize("all_wanted", [True, False])
def test_all_rows_run_in_chunks_of_the_largest_size_that_wastes_little(count, size, all_wanted):
  sizes, n = [], count if all_wanted else 9

  def noted(x: jax.Array) -> jax.Array:
    jax.debug.callback(lambda chunk: sizes.append(len(chunk)), x, ordered=True)
    return x

  wanted = None if all_wanted else np.arange(n) >= n - count
  jax.block_until_ready(jax.jit(lambda wanted: on_rows(noted, jnp.arange(n), wanted))(wanted))
  jax.effects_barrier()
  if n > 1:  # a row that stands alone is not a chunk
    assert sizes == [size] * -(-count // size)


def test_trees_go_in_and_come_out():
  inputs = {"a": jnp.arange(6.0).reshape(3, 2), "b": (jnp.arange(3),)}
  found = on_rows(lambda x: (x["a"].sum(1), {"c": x["b"][0] > 0}), inputs, jnp.array([True, True, True]))
  np.testing.assert_array_equal(found[0], [1, 5, 9])
  np.testing.assert_array_equal(found[1]["c"], [False, True, True])


# Limits.


@pytest.mark.parametrize("n", [1, 3])
def test_where_no_row_is_wanted_none_is_computed(n):
  assert computed_rows(n, np.zeros(n, bool))[1] == []


@pytest.mark.parametrize("wanted", [None, np.ones(1, bool)], ids=["all", "one"])
def test_one_row_is_computed_once(wanted):
  found, computed = computed_rows(1, wanted)
  np.testing.assert_array_equal(found, [0])
  assert computed == [0]


def test_one_row_is_a_conditional_without_a_loop():
  text = jax.jit(lambda x, wanted: on_rows(jnp.sin, x, wanted)).lower(jnp.ones(1), jnp.ones(1, bool)).as_text()
  assert "stablehlo.case" in text
  assert "stablehlo.while" not in text


def test_fewer_rows_than_the_smallest_chunk_are_a_chunk(monkeypatch):
  monkeypatch.setitem(partial_batch.CHUNKS, "cpu", (16, 4))
  found, computed = computed_rows(2, np.array([False, True]))
  assert found[1] == 2
  assert computed == [1, 0]
