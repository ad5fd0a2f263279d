"""Costs as XLA counts them, against theory and against each other."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.evaluation.costs import Costs, frame_costs, gated_exit, pair_costs, xla_gflops
from adadepth.evaluation.forced_exits import FORCED_THRESHOLD, gates_that_exit
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.flops import cascade_flops, fixed_flops, soft_flops
from adadepth.models.network import init_params, make_template
from adadepth.tracking.policies import hard_policy
from adadepth.tracking.reader import Search

BOX = Architecture(reader="box")
compiled_template, compiled_hard = (jax.jit(f, static_argnames="arch") for f in (make_template, hard_policy))


@pytest.fixture(scope="module")
def paper() -> Costs:
  """XLA's counts of the paper's network; nothing is compiled."""
  return pair_costs(Architecture())


@pytest.fixture(scope="module")
def frame(arch) -> Costs:
  """Of a tracked frame of the tiny network."""
  return frame_costs(arch)


def one_target(arch: Architecture) -> tuple:
  """Parameters, a template and its search crop of n = 1, as shapes."""
  params = jax.eval_shape(functools.partial(init_params, arch=arch, logit_scale=1.0), jax.random.key(0))
  key, search = (jax.ShapeDtypeStruct((px, px, 3), "uint8") for px in (arch.template_px, arch.search_px))
  size = jax.ShapeDtypeStruct((2,), "float32")
  of_many = jax.vmap(functools.partial(make_template, arch=arch), (None, 0, 0, 0))
  crops = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), (key, search, size))
  return params, jax.eval_shape(of_many, params, *crops), Search(*crops[1:])


# Invariants.


@pytest.mark.parametrize("kind", ["fixed_gflops", "cascade_gflops"])
def test_a_deeper_stop_costs_more(paper, kind):
  assert np.all(np.diff(getattr(paper, kind)) > 0)


@pytest.mark.parametrize("reader", ["paper", "box"])
def test_gates_cost_a_gated_run_something_over_the_static_exit(reader):
  costs = pair_costs(Architecture(reader=reader))
  assert np.all(costs.cascade_gflops > costs.fixed_gflops)


@pytest.mark.parametrize("reader", ["paper", "box"])
def test_gates_and_the_responses_they_look_at_cost_little_beside_the_blocks(reader):
  costs = frame_costs(Architecture(reader=reader))
  assert np.all(costs.cascade_gflops < 1.01 * costs.fixed_gflops)


def test_a_pair_is_a_frame_and_the_keys_blocks(arch, frame):
  keys = pair_costs(arch).fixed_gflops - frame.fixed_gflops
  # A key has a quarter of the search crop's pixels; its share of padding is larger, and a frame correlates besides.
  assert np.all((keys > 0.15 * frame.fixed_gflops) & (keys < 0.25 * frame.fixed_gflops))


def test_a_tiny_network_costs_less_at_every_stop(paper, arch):
  assert np.all(pair_costs(arch).cascade_gflops < paper.cascade_gflops)


def test_costs_are_relative_to_the_first_static_exit(paper):
  np.testing.assert_allclose(paper.relative, paper.cascade_gflops / paper.fixed_gflops[0])


def test_hard_gatings_program_would_be_counted_as_its_dearest_exit(arch, frame):
  threshold = jax.ShapeDtypeStruct((1,), "float32")
  counted = xla_gflops(functools.partial(hard_policy, arch=arch), *one_target(arch), threshold)
  # The two programs differ in bookkeeping, far below a percent of their convolutions.
  np.testing.assert_allclose(counted, frame.cascade_gflops[-1], rtol=0.01)


@pytest.mark.parametrize(("reader", "depth"), [("paper", 2), ("box", 0), ("box", 2)])
def test_what_is_counted_of_an_exit_reads_what_hard_gating_reads_there(box_params, arch, plant, reader, depth):
  read = dataclasses.replace(arch, reader=reader)
  key, searches = plant(read.template_px, [(8, -16), (0, 0)])
  template = compiled_template(box_params, key, searches[1], jnp.full(2, 32.0), arch=read)
  target = jax.tree.map(lambda leaf: leaf[None], template), Search(searches[:1], jnp.full((1, 2), 30.0))
  told = {**box_params, "gates": gates_that_exit(depth)}
  hard = compiled_hard(told, *target, jnp.full(1, FORCED_THRESHOLD), arch=read)
  _, counted = jax.jit(functools.partial(gated_exit, arch=read, depth=depth))(told, *target)
  # Pixels: means over a thousand places, by two programs.
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=0.01), counted, hard.reading)


# Limits.


@pytest.mark.parametrize("network", [Architecture(), BOX], ids=["paper", "box"])
def test_a_gated_run_to_the_last_depth_costs_what_soft_gating_does(network):
  costs = pair_costs(network)
  # Soft gating averages five maps besides: 2 * 5 FLOPs a cell.
  np.testing.assert_allclose(costs.soft_gflops, costs.cascade_gflops[-1], rtol=1e-3)


# Oracles.


def test_xla_counts_at_most_theory_and_at_least_85_percent_of_it(paper):
  """XLA leaves out the taps that fall in the padding: the more, the deeper."""
  share = np.array([*paper.fixed_gflops, *paper.cascade_gflops, paper.soft_gflops]) * 1e9
  share /= [*fixed_flops(Architecture()), *cascade_flops(Architecture()), soft_flops(Architecture())]
  assert np.all((share > 0.85) & (share < 1)), share
  assert np.all(np.diff(share[:DEPTHS]) < 0), share


def test_xla_counts_of_the_papers_network_are_the_recorded_ones(paper):
  np.testing.assert_allclose(paper.fixed_gflops, [6.31, 15.3, 35.9, 56.0, 61.5], rtol=5e-3)  # three digits recorded


def test_xla_counts_two_flops_per_multiply_add():
  matrices = jax.ShapeDtypeStruct((16, 32), "float32"), jax.ShapeDtypeStruct((32, 8), "float32")
  assert xla_gflops(lambda a, b: a @ b, *matrices) * 1e9 == pytest.approx(2 * 16 * 32 * 8)
