"""Costs as XLA counts them, against theory and against each other."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from adadepth.evaluation.costs import PairCosts, pair_costs, xla_gflops
from adadepth.maths.peaks import PAPER, Readout
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.flops import cascade_flops, fixed_flops, soft_flops
from adadepth.models.network import init_params, template_maps
from adadepth.tracking.policies import hard_policy


@pytest.fixture(scope="module")
def paper() -> PairCosts:
  """XLA's counts of the paper's network; nothing is compiled."""
  return pair_costs(Architecture(), PAPER)


# Invariants.


@pytest.mark.parametrize("kind", ["fixed_gflops", "cascade_gflops"])
def test_a_deeper_stop_costs_more(paper, kind):
  assert np.all(np.diff(getattr(paper, kind)) > 0)


def test_a_gated_run_costs_no_less_than_the_fixed_depth_it_stops_at(paper):
  assert np.all(paper.cascade_gflops >= paper.fixed_gflops)


def test_a_tiny_network_costs_less_at_every_stop(paper, arch):
  assert np.all(pair_costs(arch, PAPER).cascade_gflops < paper.cascade_gflops)


def test_a_closer_look_costs_every_policy_the_same_and_little(paper):
  finer = pair_costs(Architecture(finer_px=4.0), PAPER)
  more = finer.soft_gflops - paper.soft_gflops
  assert 0 < more < 0.05 * paper.fixed_gflops[0]
  np.testing.assert_allclose(finer.fixed_gflops - paper.fixed_gflops, more, rtol=1e-9)
  np.testing.assert_allclose(finer.cascade_gflops - paper.cascade_gflops, more, rtol=1e-9)


def test_a_posterior_looks_closer_at_the_second_block_once_that_is_there():
  arch, read = Architecture(finer_px=4.0), Readout(combine="posterior")
  peaks, posterior, grows = (
    pair_costs(a, r).cascade_gflops
    for a, r in ((arch, PAPER), (arch, read), (dataclasses.replace(arch, growth=True), read))
  )
  assert posterior[0] == peaks[0]
  assert np.all(posterior[1:] > peaks[1:])
  assert np.all(grows > posterior)
  assert np.all(grows < 1.1 * peaks)


def test_hard_gatings_program_would_be_counted_as_its_dearest_exit(arch):
  def hard_pair(params, template, search):
    templates = template_maps(params, template, arch=arch)
    return hard_policy(params, templates, search, 0.5, arch=arch, readout=PAPER)

  params = jax.eval_shape(functools.partial(init_params, arch=arch, logit_scale=1.0), jax.random.key(0))
  crops = [jax.ShapeDtypeStruct((px, px, 3), "uint8") for px in (arch.template_px, arch.search_px)]
  # The two programs differ in bookkeeping, far below a percent of their convolutions.
  np.testing.assert_allclose(
    xla_gflops(hard_pair, params, *crops), pair_costs(arch, PAPER).cascade_gflops[-1], rtol=0.01
  )


# Limits.


@pytest.mark.parametrize("network", ["tiny", "paper"])
def test_a_gated_run_to_the_last_depth_costs_what_soft_gating_does(network, paper, arch):
  counted = paper if network == "paper" else pair_costs(arch, PAPER)
  # Soft gating averages five maps besides: 2 * 5 FLOPs a cell.
  np.testing.assert_allclose(counted.soft_gflops, counted.cascade_gflops[-1], rtol=1e-3)


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
