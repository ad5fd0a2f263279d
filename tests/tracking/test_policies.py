"""Fixed, soft and hard gating: what each decides, and that each is one program that skips what it says it skips."""

import functools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.cascade import exit_depth
from adadepth.maths.peaks import PAPER, Readout
from adadepth.models.architecture import DEPTHS, VGG19_CONVS, Architecture
from adadepth.models.network import search_responses, template_maps
from adadepth.tracking.policies import FIXED, POLICIES, Decision, gated_confidences, policy_named, soft_response

THRESHOLD = 0.4
# Biases of the four gates that make each depth in turn the one to stop at.
EXITS = {0: (6, -6, -6, -6), 1: (-6, 6, -6, -6), 2: (-6, -6, 6, -6), 3: (-6, -6, -6, 6), 4: (-6, -6, -6, -6)}
# A fifth of the confidence for each depth: none exceeds the threshold.
SPREAD_OUT = (-1.4, -1.1, -0.7, 0.0)


@functools.partial(jax.jit, static_argnames=("policy", "arch"))
def decide(params: dict, templates: tuple, search: np.ndarray, *, policy: str, arch: Architecture) -> Decision:
  return policy_named(policy, arch=arch, readout=PAPER)(params, templates, search, THRESHOLD)


def with_biases(params: dict, biases: tuple[float, ...], *, lean: float = 1.0) -> dict:
  """The same gates with these biases, leaning `lean` times as much on their features."""
  gates = {}
  for (name, gate), bias in zip(params["gates"].items(), biases, strict=True):
    kernel = lean * gate["linear"]["Dense_0"]["kernel"]
    gates[name] = {**gate, "linear": {"Dense_0": {"kernel": kernel, "bias": jnp.full(1, bias, jnp.float32)}}}
  return {**params, "gates": gates}


@pytest.fixture(scope="module")
def pair(params, arch, plant) -> tuple[tuple, np.ndarray]:
  """A template's maps and a search crop."""
  template, searches = plant(arch.template_px, [(8, -16)])
  return jax.jit(functools.partial(template_maps, arch=arch))(params, template), searches[0]


@pytest.fixture(scope="module")
def responses(params, arch, pair) -> jax.Array:
  """All five responses of that pair, [5, r, r]."""
  templates, search = pair
  return jax.jit(functools.partial(search_responses, arch=arch))(params, templates, search[None])[0]


@pytest.fixture(scope="module")
def confidences_at(responses, arch):
  """c of Eq. 4 of that pair, as a function of the parameters."""
  compiled = jax.jit(functools.partial(gated_confidences, arch=arch, readout=PAPER))
  return lambda params: compiled(params, responses[None])[0]


# Invariants.


def test_confidences_of_a_pair_sum_to_one(params, confidences_at):
  np.testing.assert_allclose(confidences_at(params).sum(), 1, rtol=1e-6)  # five float32 terms


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_a_fixed_policy_gives_its_own_depths_response(params, arch, pair, responses, depth):
  decision = decide(params, *pair, policy=FIXED[depth], arch=arch)
  np.testing.assert_allclose(decision.response, responses[depth], atol=1e-5)  # maps in [0, 1], two programs
  np.testing.assert_array_equal(decision.confidences, np.eye(DEPTHS)[depth])
  assert decision.depth == depth


@pytest.mark.parametrize("stop", EXITS)
def test_hard_gating_stops_where_the_cascade_says(params, arch, pair, confidences_at, stop):
  driven = with_biases(params, EXITS[stop])
  decision = decide(driven, *pair, policy="hard", arch=arch)
  assert decision.depth == exit_depth(confidences_at(driven), THRESHOLD) == stop


@pytest.mark.parametrize("stop", EXITS)
def test_hard_gating_gives_the_response_it_stopped_at(params, arch, pair, responses, stop):
  decision = decide(with_biases(params, EXITS[stop]), *pair, policy="hard", arch=arch)
  np.testing.assert_allclose(decision.response, responses[stop], atol=1e-5)  # as above


@pytest.mark.parametrize("stop", EXITS)
def test_hard_gatings_confidences_are_the_cascades_as_far_as_it_looked(params, arch, pair, confidences_at, stop):
  driven = with_biases(params, EXITS[stop])
  decision = decide(driven, *pair, policy="hard", arch=arch)
  expected = np.where(np.arange(DEPTHS) <= stop, confidences_at(driven), 0)
  # Products of up to five float32 factors; the cascade adds logarithms instead.
  np.testing.assert_allclose(decision.confidences, expected, rtol=1e-4, atol=1e-6)
  np.testing.assert_array_equal(decision.confidences[stop + 1 :], np.zeros(DEPTHS - 1 - stop))


# Limits.


def test_hard_gating_goes_to_the_last_depth_if_no_confidence_exceeds_the_threshold(params, arch, pair, confidences_at):
  driven = with_biases(params, SPREAD_OUT, lean=0)
  assert confidences_at(driven).max() < THRESHOLD
  decision = decide(driven, *pair, policy="hard", arch=arch)
  assert decision.depth == DEPTHS - 1
  np.testing.assert_allclose(decision.confidences.sum(), 1, rtol=1e-6)  # five float32 terms


def test_soft_gating_with_all_confidence_in_one_depth_is_that_depth(params, arch, pair, responses):
  decision = decide(with_biases(params, (-30, -30, 30, 0)), *pair, policy="soft", arch=arch)
  np.testing.assert_allclose(decision.response, responses[2], atol=1e-5)  # maps in [0, 1], two programs


# Oracles.


def test_soft_gating_is_the_average_weighted_by_confidence(params, arch, pair, responses, confidences_at):
  decision = decide(params, *pair, policy="soft", arch=arch)
  weights, expected = np.asarray(confidences_at(params)), np.zeros(responses.shape[1:])
  for depth in range(DEPTHS):
    expected += weights[depth] * np.asarray(responses[depth])
  np.testing.assert_allclose(decision.response, expected, atol=1e-5)  # maps in [0, 1], two programs
  np.testing.assert_allclose(decision.confidences, weights, atol=1e-5)
  assert decision.depth == DEPTHS - 1


def test_soft_responses_are_averaged_pair_by_pair():
  rng = np.random.default_rng(0)
  maps, weights = rng.random((3, 5, 4, 4), np.float32), rng.random((3, 5), np.float32)
  averaged = soft_response(jnp.asarray(maps), jnp.asarray(weights))
  np.testing.assert_allclose(averaged, np.einsum("bkij,bk->bij", maps, weights), rtol=1e-5)  # five float32 terms


# One program.


def test_a_policy_is_one_object_however_often_it_is_asked_for(arch):
  assert policy_named("hard", arch=arch, readout=Readout()) is policy_named("hard", arch=arch, readout=PAPER)
  assert policy_named("hard", arch=arch, readout=PAPER) is not policy_named(
    "hard", arch=arch, readout=Readout("subcell")
  )


@pytest.mark.parametrize("policy", ["xcorr1", "soft", "hard"])
def test_a_policy_is_traced_once_for_all_frames(params, arch, pair, policy):
  chex.clear_trace_counter()

  @jax.jit
  @chex.assert_max_traces(n=1)
  def traced_once(templates, search):
    return policy_named(policy, arch=arch, readout=PAPER)(params, templates, search, THRESHOLD)

  templates, search = pair
  for frame in (search, search[::-1].copy(), np.zeros_like(search)):
    traced_once(templates, frame)


def lowered_text(policy: str, params: dict, pair: tuple, arch: Architecture) -> str:
  return decide.lower(params, *pair, policy=policy, arch=arch).as_text()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_never_calls_back_to_the_host(params, arch, pair, policy):
  assert "callback" not in lowered_text(policy, params, pair, arch)


def test_a_host_callback_would_be_seen():
  shouting = jax.jit(lambda x: jax.debug.print("{}", x)).lower(1.0).as_text()
  assert "callback" in shouting


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_a_fixed_policy_has_nothing_deeper_in_its_program(params, arch, pair, depth):
  convolutions = lowered_text(FIXED[depth], params, pair, arch).count("stablehlo.convolution")
  assert convolutions == sum(VGG19_CONVS[: depth + 1]) + 1  # and one correlation


def test_hard_gating_runs_only_block_1_outside_its_conditional(params, arch, pair):
  hlo = decide.lower(params, *pair, policy="hard", arch=arch).compile().as_text()
  entry = hlo[hlo.index("\nENTRY ") :]
  assert len(re.findall(r" convolution\(", entry)) == VGG19_CONVS[0] + 1  # and one correlation
  assert len(re.findall(r" conditional\(", entry)) == 1
  assert len(re.findall(r" convolution\(", hlo)) == sum(VGG19_CONVS) + DEPTHS  # the rest is in its branches
