"""Hard gating looks at one response after the other, and then decides and reads as evaluation does of all at once."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from adadepth.tracking.batch_policies import policy_each_named

from adadepth.maths.cascade import exit_depth
from adadepth.maths.fusion import at_centre
from adadepth.maths.peaks import PAPER, Readout
from adadepth.models.architecture import Architecture
from adadepth.models.network import (
  block_outputs,
  closer_coefficients,
  closer_look_at,
  fine_map,
  grown_crops,
  search_responses,
  template_maps,
)
from adadepth.tracking.policies import gated_confidences, policy_named
from adadepth.tracking.step import place_in_search
from adadepth.training.fusion_fit import read_pair

POSTERIOR = Readout("subcell", 0.3, "posterior", "readout")
READOUTS = {"paper": PAPER, "posterior": POSTERIOR}
SIZE = jnp.full(2, 32.0)  # of the target, crop pixels


@pytest.fixture(scope="module")
def grows(arch) -> Architecture:
  return dataclasses.replace(arch, finer_px=2.0, growth=True)


@pytest.fixture(scope="module")
def pairs(params, grows, plant) -> tuple:
  """One template's maps and its closer look, and four search crops."""
  template, searches = plant(grows.template_px, [(8, -16), (0, 0), (-24, 8), (16, 16)])
  crops = grown_crops(jnp.asarray(template), jnp.asarray(searches[1]), arch=grows)
  closer = jax.jit(functools.partial(closer_look_at, arch=grows))(params, crops, SIZE)
  return jax.jit(functools.partial(template_maps, arch=grows))(params, template), closer, searches


@pytest.fixture(scope="module")
def evaluated(params, grows, pairs) -> tuple:
  """Responses [4, 5, r, r] and coefficients [4, 2, s, i, i], as loops.responses has them."""
  templates, closer, searches = pairs

  @jax.jit
  def all_pairs(searches):
    outputs = block_outputs(params, searches, arch=grows, depths=2)

    def looks(depth):
      look = functools.partial(closer_coefficients, closer[depth], depth=depth, arch=grows)
      return jax.vmap(look)(fine_map(outputs[depth], depth=depth, arch=grows))

    return search_responses(params, templates, searches, arch=grows), jnp.stack([looks(0), looks(1)], axis=1)

  return all_pairs(searches)


@functools.cache
def compiled(grows, readout, policy="hard"):
  return jax.jit(policy_named(policy, arch=grows, readout=readout))


@functools.cache
def place(grows):
  return jax.jit(functools.partial(place_in_search, arch=grows, readout=POSTERIOR))


def expected_place(params, evaluated, pair: int, confidences, grows):
  """What evaluation reads of a pair."""
  responses, coefficients = (values[pair] for values in evaluated)
  read = jax.jit(functools.partial(read_pair, arch=grows))
  displacements, growths = read(params["beliefs"], responses, coefficients, at_centre(), confidences[None])
  return displacements[0], growths[0]


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.99])
def test_hard_gating_stops_where_evaluation_says(params, grows, pairs, evaluated, readout, threshold):
  templates, _, searches = pairs
  confidences = gated_confidences(params, evaluated[0], arch=grows, readout=READOUTS[readout])
  for b, search in enumerate(searches):
    decision = compiled(grows, READOUTS[readout])(params, templates, search, jnp.float32(threshold))
    assert decision.depth == exit_depth(confidences[b], threshold)


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.99])
def test_hard_gating_reads_what_evaluation_reads(params, grows, pairs, evaluated, threshold):
  templates, closer, searches = pairs
  for b, search in enumerate(searches):
    decision = compiled(grows, POSTERIOR)(params, templates, search, jnp.float32(threshold))
    displacement, log_growth = place(grows)(closer, decision)
    stop = jax.nn.one_hot(decision.depth, 5)
    expected, expected_growth = expected_place(params, evaluated, b, stop, grows)
    np.testing.assert_allclose(displacement, expected, atol=0.02)  # px: sums of a thousand places
    np.testing.assert_allclose(log_growth, expected_growth, atol=1e-3)


def test_the_second_block_is_looked_at_where_it_was_computed(params, grows, pairs):
  templates, _, searches = pairs
  at_once, to_the_end = (
    compiled(grows, POSTERIOR)(params, templates, searches[0], jnp.float32(t)).fine_maps[1] for t in (0.0, 1.0)
  )
  np.testing.assert_array_equal(at_once, jnp.zeros_like(at_once))
  assert jnp.std(to_the_end) == pytest.approx(1, abs=0.01)  # whitened


def test_soft_gating_reads_what_evaluation_reads(params, grows, pairs, evaluated):
  templates, closer, searches = pairs
  for b, search in enumerate(searches):
    decision = compiled(grows, POSTERIOR, "soft")(params, templates, search, jnp.float32(0))
    expected, expected_growth = expected_place(params, evaluated, b, decision.confidences, grows)
    displacement, log_growth = place(grows)(closer, decision)
    np.testing.assert_allclose(displacement, expected, atol=0.02)  # as above
    np.testing.assert_allclose(log_growth, expected_growth, atol=1e-3)


def test_many_targets_decide_as_one_does_each_at_its_own_threshold(params, grows, pairs):
  templates, closer, searches = pairs
  thresholds = jnp.array([0.05, 0.99, 0.4, 0.2])
  each = tuple(jnp.broadcast_to(m, (4, *m.shape)) for m in templates)
  decisions = jax.jit(policy_each_named("hard", arch=grows, readout=POSTERIOR))(params, each, searches, thresholds)
  for b in range(4):
    alone = compiled(grows, POSTERIOR)(params, templates, searches[b], thresholds[b])
    own = jax.tree.map(lambda leaf, b=b: leaf[b], decisions)
    assert own.depth == alone.depth
    np.testing.assert_allclose(own.response, alone.response, rtol=1e-4, atol=1e-4)
    for found, expected in zip(place(grows)(closer, own), place(grows)(closer, alone), strict=True):
      np.testing.assert_allclose(found, expected, atol=0.02)  # as above
