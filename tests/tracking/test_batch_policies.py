"""Many targets at once: each is decided as it is alone, and what none of them needs is not computed."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from adadepth.tracking.batch_policies import on_rows, policy_each_named

from adadepth.evaluation.forced_exits import FORCED_THRESHOLD, gates_that_exit_where_told, templates_that_exit
from adadepth.maths.peaks import PAPER
from adadepth.models.architecture import VGG19_CONVS, Architecture
from adadepth.models.network import template_maps
from adadepth.tracking import batch_policies as batch
from adadepth.tracking.policies import Decision, policy_named

EXITS = (2, 0, 4, 1, 0, 3, 4)
THRESHOLDS = np.full(len(EXITS), FORCED_THRESHOLD, np.float32)


@pytest.fixture(autouse=True)
def chunks(monkeypatch) -> None:
  """Seven rows are then a chunk of 4, one of 2 and one of 2 that does a row again: other numbers than the default's."""
  monkeypatch.setitem(batch.CHUNKS, "cpu", (4, 2))


@pytest.fixture(scope="module")
def finer_arch(arch) -> Architecture:
  """With a closer look, so that the first block's maps are compared too."""
  return dataclasses.replace(arch, finer_px=2.0)


@pytest.fixture(scope="module")
def told(params) -> dict:
  """The parameters with gates that `templates_that_exit` tells where to stop."""
  return {**params, "gates": gates_that_exit_where_told()}


@pytest.fixture(scope="module")
def targets(params, finer_arch, plant) -> tuple[tuple, np.ndarray]:
  """Templates' maps and search crops of seven targets, each displaced and textured in its own way."""
  pairs = [plant(finer_arch.template_px, [(8 * i - 24, 16 - 8 * i)], seed=i) for i in range(len(EXITS))]
  of_each = jax.jit(jax.vmap(functools.partial(template_maps, arch=finer_arch), (None, 0)))
  return of_each(params, np.stack([template for template, _ in pairs])), np.concatenate([s for _, s in pairs])


@pytest.fixture(scope="module")
def hard(finer_arch) -> tuple:
  """Hard gating of many targets and of one, traced at most once for all tests."""
  chex.clear_trace_counter()
  settings = {"arch": finer_arch, "readout": PAPER}
  many, one = (named("hard", **settings) for named in (policy_each_named, policy_named))
  traced_once = jax.jit(chex.assert_max_traces(many.func, n=1), static_argnames=tuple(settings))
  return functools.partial(traced_once, **settings), jax.jit(one)


def assert_same_as_alone(together: Decision, one, params: dict, targets: tuple) -> None:
  """Each row is what the policy of one target decides."""
  templates, searches = targets
  for i, search in enumerate(searches):
    alone = one(params, tuple(m[i] for m in templates), search, FORCED_THRESHOLD)
    assert together.depth[i] == alone.depth
    # Maps and confidences are of order 1; two programs add up in another order.
    np.testing.assert_allclose(together.response[i], alone.response, atol=1e-5)
    np.testing.assert_allclose(together.confidences[i], alone.confidences, atol=1e-5)
    for fine, own in zip(together.fine_maps, alone.fine_maps, strict=True):
      assert (fine is None) == (own is None)
      if fine is not None:
        np.testing.assert_allclose(fine[i], own, atol=1e-5)
    if alone.belief is not None:
      jax.tree.map(
        lambda row, own, i=i: np.testing.assert_allclose(row[i], own, rtol=1e-4), together.belief, alone.belief
      )


# Oracles: one target at a time.


@pytest.mark.parametrize("exits", [EXITS, (4,) * len(EXITS), (1,) * len(EXITS)])
def test_hard_gating_of_any_mix_of_exits_is_that_of_each_alone(hard, told, targets, exits):
  many, one = hard
  told_targets = templates_that_exit(targets[0], exits), targets[1]
  together = many(told, *told_targets, THRESHOLDS)
  np.testing.assert_array_equal(together.depth, exits)
  assert_same_as_alone(together, one, told, told_targets)


def test_gates_of_many_targets_are_those_of_each_alone(hard, params, targets):
  many, one = hard
  gates = {name: {**gate, "mean": gate["mean"] + 0.2} for name, gate in params["gates"].items()}
  tilted = {**params, "gates": gates}
  assert_same_as_alone(many(tilted, *targets, THRESHOLDS), one, tilted, targets)


@pytest.mark.parametrize("policy", ["xcorr2", "soft"])
def test_a_policy_of_many_is_that_of_each_alone(params, finer_arch, targets, policy):
  many, one = (jax.jit(named(policy, arch=finer_arch, readout=PAPER)) for named in (policy_each_named, policy_named))
  assert_same_as_alone(many(params, *targets, THRESHOLDS), one, params, targets)


# One program.


def test_rows_that_are_not_asked_for_are_not_computed():
  computed = []

  def doubled(x: jax.Array) -> jax.Array:
    jax.debug.callback(lambda rows: computed.extend(np.asarray(rows).tolist()), x, ordered=True)
    return 2 * x

  rows, inputs = jnp.array([6, 1, 4, 0, 2, 3, 5]), jnp.arange(7.0)
  doubles = jax.jit(lambda count: on_rows(doubled, inputs, rows, count))(5)
  jax.effects_barrier()
  np.testing.assert_array_equal(doubles[rows[:5]], [12, 2, 8, 0, 4])
  assert computed == [6, 1, 4, 0, 2, 3]  # five, and one that fills the last chunk


def test_hard_gating_of_many_has_each_block_once_for_each_size_of_chunk(params, finer_arch, targets):
  policy = policy_each_named("hard", arch=finer_arch, readout=PAPER)
  text = jax.jit(policy).lower(params, *targets, THRESHOLDS).as_text()
  assert text.count("stablehlo.convolution") == 2 * sum(VGG19_CONVS)
  assert "callback" not in text
