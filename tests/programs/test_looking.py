"""One look at a time adds up to what all responses say, and hard gating decides by it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cascade import exit_depth
from adadepth.maths.features import FEATURES, all_gate_features
from adadepth.maths.readout import PAPER, Readout
from adadepth.params.quality import apply_quality, quality_weight
from adadepth.programs.batch import policy_each_named
from adadepth.programs.looking import look_at_all
from adadepth.programs.network import logit_scales, search_responses, template_maps
from adadepth.programs.policies import gated_confidences, policy_named

QUALITY = Readout("subcell", 0.3, "quality", "readout")
READOUTS = {"paper": PAPER, "quality": QUALITY}


@pytest.fixture(scope="module")
def judged(params) -> dict:
  """The parameters with a quality that leans on every feature a little."""
  weight = 0.01 * np.random.default_rng(2).standard_normal((5, FEATURES)).astype(np.float32)
  return {**params, "quality": {"weight": jnp.asarray(weight), "bias": jnp.full(5, 0.5)}}


@pytest.fixture(scope="module")
def pairs(params, arch, plant) -> tuple[tuple, np.ndarray, jax.Array]:
  """One template's maps, four search crops, and their responses [4, 5, r, r]."""
  template, searches = plant(arch.template_px, [(8, -16), (0, 0), (-24, 8), (16, 16)])
  templates = jax.jit(functools.partial(template_maps, arch=arch))(params, template)
  return templates, searches, jax.jit(functools.partial(search_responses, arch=arch))(params, templates, searches)


@pytest.fixture(scope="module")
def looked(judged, arch, pairs) -> dict:
  """(maps, confidences) of every pair, by readout."""
  grid = {"logit_scale": logit_scales(judged), "template_cells": arch.template_cells}

  def all_pairs(readout):
    features = all_gate_features(pairs[2], **grid, readout=readout)
    return jax.vmap(lambda r, v: look_at_all(judged, r, v, arch=arch, readout=readout))(pairs[2], features)

  return {name: jax.jit(functools.partial(all_pairs, readout))() for name, readout in READOUTS.items()}


@pytest.mark.parametrize("readout", READOUTS)
def test_looking_at_all_gives_the_cascades_confidences(looked, judged, arch, pairs, readout):
  expected = gated_confidences(judged, pairs[2], arch=arch, readout=READOUTS[readout])
  # Products of up to five float32 factors; the cascade adds logarithms instead.
  np.testing.assert_allclose(looked[readout][1], expected, rtol=1e-4, atol=1e-6)


def test_the_papers_readout_is_the_exits_own_map(looked, pairs):
  np.testing.assert_array_equal(looked["paper"][0], pairs[2])


def test_maps_are_averaged_by_their_quality(looked, judged, arch, pairs):
  scales = logit_scales(judged)
  v = all_gate_features(pairs[2], logit_scale=scales, template_cells=arch.template_cells, readout=QUALITY)
  for b in range(len(v)):
    predicted = np.array([apply_quality(judged["quality"], v[b, k], depth=k) for k in range(5)])
    assert np.ptp(predicted) > 0.01
    weights = np.asarray(quality_weight(jnp.asarray(predicted)), np.float64)
    for k in range(5):
      expected = np.average(np.asarray(pairs[2][b, : k + 1]), axis=0, weights=weights[: k + 1])
      np.testing.assert_allclose(looked["quality"][0][b, k], expected, atol=1e-5)  # a running mean in float32


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.99])
def test_hard_gating_decides_as_evaluation_does(looked, judged, arch, pairs, readout, threshold):
  templates, searches, _ = pairs
  maps, confidences = looked[readout]
  exits = exit_depth(confidences, threshold)
  decide = compiled(arch, READOUTS[readout])
  for b, search in enumerate(searches):
    decision = decide(judged, templates, search, jnp.float32(threshold))
    assert decision.depth == exits[b]
    np.testing.assert_allclose(decision.response, maps[b, exits[b]], atol=1e-5)  # maps in [0, 1], two programs


@functools.cache
def compiled(arch, readout):
  return jax.jit(policy_named("hard", arch=arch, readout=readout))


def test_many_targets_decide_as_evaluation_does_each_at_its_own_threshold(looked, judged, arch, pairs):
  templates, searches, _ = pairs
  maps, confidences = looked["quality"]
  thresholds = jnp.array([0.05, 0.99, 0.4, 0.2])
  each = tuple(jnp.broadcast_to(m, (4, *m.shape)) for m in templates)
  decisions = jax.jit(policy_each_named("hard", arch=arch, readout=QUALITY))(judged, each, searches, thresholds)
  for b in range(4):
    depth = int(exit_depth(confidences[b], float(thresholds[b])))
    assert decisions.depth[b] == depth
    np.testing.assert_allclose(decisions.response[b], maps[b, depth], atol=1e-5)  # as above
