"""Fixed, soft and hard gating: what each decides and reads, of one target and of many, and what it leaves out."""

import functools
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.evaluation.forced_exits import (
  FORCED_THRESHOLD,
  gates_that_exit,
  gates_that_exit_where_told,
  templates_that_exit,
)
from adadepth.evaluation.responses import _searches
from adadepth.maths.cascade import exit_depth
from adadepth.models.architecture import DEPTHS, VGG19_CONVS, Architecture
from adadepth.models.network import Template, filter_of, make_template
from adadepth.tracking import partial_batch
from adadepth.tracking.policies import FIXED, Decision, gated_confidences, policy_named
from adadepth.tracking.reader import Reading, Search, average, read_paper

EXITS = (2, 0, 4, 1, 3)
N = len(EXITS)
SHIFTS = [(8 * i - 16, 16 - 8 * i) for i in range(N)]  # of the planted targets, crop pixels
TOLD = np.full(N, FORCED_THRESHOLD, np.float32)
SIZE = jnp.full(2, 32.0)
LAST_SIZES = np.float32([(32 + 2 * i, 32 - i) for i in range(N)])
READERS = ("paper", "box")
each_reader = pytest.mark.parametrize("reader", READERS)


@pytest.fixture(scope="module", autouse=True)
def chunks():
  """Five rows are then chunks of one size, the last of which does a row again."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(partial_batch.CHUNKS, "cpu", (2,))
    yield


@pytest.fixture(scope="module")
def archs(arch, boxed) -> dict[str, Architecture]:
  return {"paper": arch, "box": boxed}


@pytest.fixture(scope="module")
def params(box_params) -> dict:
  """Parameters that every reader can read by."""
  return box_params


@pytest.fixture(scope="module")
def seen(params, arch, plant) -> tuple[Template, Search]:
  """Templates and search crops of five targets, each displaced and textured in its own way."""
  found = [plant(arch.template_px, [(0, 0), shift], seed=i) for i, shift in enumerate(SHIFTS)]
  of_one = jax.jit(functools.partial(make_template, arch=arch))
  templates = [of_one(params, key, searches[0], SIZE) for key, searches in found]
  crops = np.stack([searches[1] for _, searches in found])
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *templates), Search(crops, LAST_SIZES)


def targets_for(reader: str, seen: tuple) -> tuple[Template, Search]:
  """The same targets as a reader takes them."""
  template, search = seen
  return template._replace(recent=template.maps if reader == "box" else None), search


def told_to_exit(targets: tuple, exits=EXITS) -> tuple[Template, Search]:
  template, search = targets
  return templates_that_exit(template, exits), search


def row(targets, i: int):
  return jax.tree.map(lambda leaf: leaf[i : i + 1], targets)


@pytest.fixture(scope="module")
def told(params) -> dict:
  """The parameters with gates that `templates_that_exit` tells where to stop."""
  return {**params, "gates": gates_that_exit_where_told()}


@functools.cache
def compiled(policy: str, arch: Architecture):
  return jax.jit(policy_named(policy, arch=arch))


def assert_same(found: Decision, expected: Decision) -> None:
  np.testing.assert_array_equal(found.depth, expected.depth)
  # Products of five float32 factors, by two programs; pixels are means over a thousand places.
  np.testing.assert_allclose(found.confidences, expected.confidences, atol=1e-5)
  assert_same_reading(found.reading, expected.reading, px=0.02)


def assert_same_reading(found: Reading, expected: Reading, *, px: float) -> None:
  np.testing.assert_allclose(found.center, expected.center, atol=px)
  np.testing.assert_allclose(found.size, expected.size, atol=2 * px)
  np.testing.assert_allclose(found.score, expected.score, atol=1e-3)  # logits of order 1


class Evaluated(NamedTuple):
  """Responses [n, 5, r, r] and readings [n, 5] as evaluation computes them."""

  responses: np.ndarray
  readings: Reading


@pytest.fixture(scope="module")
def evaluated(params, archs, seen) -> dict[str, Evaluated]:
  """Of each reader."""
  found = {}
  for reader, arch in archs.items():
    template, search = targets_for(reader, seen)
    rows = [
      _searches(params, jax.tree.map(lambda leaf, i=i: leaf[i], template), *row(search, i), arch=arch) for i in range(N)
    ]
    responses, *readings = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    found[reader] = Evaluated(responses, Reading(*readings))
  return found


@pytest.fixture(scope="module")
def confidences(params, archs, evaluated) -> dict[str, np.ndarray]:
  """c of Eq. 4 of the five targets, by reader."""
  return {
    reader: np.asarray(
      jax.jit(functools.partial(gated_confidences, arch=archs[reader]))(params, seen.responses, seen.readings.score)
    )
    for reader, seen in evaluated.items()
  }


def read_as_evaluation_does(evaluated: Evaluated, confidences, arch: Architecture) -> Reading:
  """What evaluation reads of each target, by so much confidence in each depth."""
  if arch.reader == "paper" and (confidences.max(1) < 1).any():
    maps = np.einsum("nk,nkyx->nyx", confidences, evaluated.responses)
    return read_paper(jnp.asarray(maps), jnp.tile(SIZE, (N, 1)), arch=arch)
  return average(jax.tree.map(jnp.asarray, evaluated.readings), jnp.asarray(confidences))


# Registration.


@each_reader
def test_a_planted_target_comes_back_at_its_true_centre_at_every_depth(told, archs, seen, reader):
  decision = compiled("hard", archs[reader])(told, *told_to_exit(targets_for(reader, seen)), TOLD)
  np.testing.assert_array_equal(np.sort(decision.depth), range(DEPTHS))
  # Random box heads read some tenths of a cell of 8 px.
  np.testing.assert_allclose(decision.reading.center, SHIFTS, atol={"paper": 0, "box": 3.9}[reader])


# Hard gating.


@each_reader
def test_hard_gating_of_any_mix_of_exits_is_that_of_each_alone(told, archs, seen, reader):
  hard, targets = compiled("hard", archs[reader]), told_to_exit(targets_for(reader, seen))
  together = hard(told, *targets, TOLD)
  np.testing.assert_array_equal(together.depth, EXITS)
  for i in range(N):
    assert_same(row(together, i), hard(told, *row(targets, i), TOLD[:1]))


@each_reader
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.99])
def test_hard_gating_stops_where_the_cascade_says(params, archs, seen, confidences, threshold, reader):
  targets = targets_for(reader, seen)
  decision = compiled("hard", archs[reader])(params, *targets, np.full(N, threshold, np.float32))
  expected = np.asarray(exit_depth(jnp.asarray(confidences[reader]), threshold))
  np.testing.assert_array_equal(decision.depth, expected)
  as_far_as_it_looked = np.where(np.arange(DEPTHS) <= expected[:, None], confidences[reader], 0)
  # Products of up to five float32 factors; the cascade adds logarithms instead.
  np.testing.assert_allclose(decision.confidences, as_far_as_it_looked, rtol=1e-3, atol=1e-5)


def test_each_target_has_a_threshold_of_its_own(params, boxed, seen, confidences):
  thresholds = np.array([0.05, 0.99, 0.05, 0.99, 0.3], np.float32)
  decision = compiled("hard", boxed)(params, *targets_for("box", seen), thresholds)
  expected = [int(exit_depth(jnp.asarray(c), float(t))) for c, t in zip(confidences["box"], thresholds, strict=True)]
  np.testing.assert_array_equal(decision.depth, expected)
  assert len(set(expected)) > 1


def test_confidences_of_a_run_to_the_last_depth_sum_to_one(params, boxed, seen):
  decision = compiled("hard", boxed)(params, *targets_for("box", seen), np.ones(N, np.float32))
  np.testing.assert_array_equal(decision.depth, [DEPTHS - 1] * N)
  np.testing.assert_allclose(decision.confidences.sum(1), 1, rtol=1e-6)  # five float32 terms


@each_reader
@pytest.mark.parametrize("threshold", [0.05, 0.99])
def test_hard_gating_reads_what_evaluation_reads(params, archs, seen, evaluated, reader, threshold):
  targets = targets_for(reader, seen)
  decision = compiled("hard", archs[reader])(params, *targets, np.full(N, threshold, np.float32))
  at_exit = np.eye(DEPTHS, dtype=np.float32)[np.asarray(decision.depth)]
  expected = read_as_evaluation_does(evaluated[reader], at_exit, archs[reader])
  assert_same_reading(decision.reading, expected, px=0.02)


# What a target does not need is not computed for it.


def poisoned(params: dict, depth: int) -> dict:
  """The parameters with NaN in every block deeper than `depth`."""
  backbone = {
    name: jax.tree.map(lambda leaf, k=k: jnp.full_like(leaf, jnp.nan) if k > depth else leaf, block)
    for k, (name, block) in enumerate(sorted(params["backbone"].items()))
  }
  return {**params, "backbone": backbone}


@each_reader
@pytest.mark.parametrize("deepest", [0, 2])
def test_deeper_blocks_never_show(told, archs, seen, reader, deepest):
  exits = [min(depth, deepest) for depth in EXITS]
  hard, targets = compiled("hard", archs[reader]), told_to_exit(targets_for(reader, seen), exits)
  found, expected = (hard(p, *targets, TOLD) for p in (poisoned(told, deepest), told))
  np.testing.assert_array_equal(found.depth, exits)
  jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_deeper_blocks_show_in_the_rows_that_need_them_alone(told, boxed, seen):
  hard, targets = compiled("hard", boxed), told_to_exit(targets_for("box", seen))
  found, expected = (hard(p, *targets, TOLD).reading.center for p in (poisoned(told, 2), told))
  np.testing.assert_array_equal((found != expected).any(1), np.array(EXITS) > 2)


def test_of_one_target_every_block_is_in_a_conditional(params, arch, seen):
  hlo = compiled("hard", arch).lower(params, *row(targets_for("paper", seen), 0), TOLD[:1]).compile().as_text()
  entry = hlo[hlo.index("\nENTRY ") :]
  assert len(re.findall(r" conditional\(", entry)) >= DEPTHS - 1
  # The first block is needed always, and XLA may take it out of its conditional.
  assert len(re.findall(r" convolution\(", entry)) in (0, VGG19_CONVS[0])
  assert len(re.findall(r" convolution\(", hlo)) == sum(VGG19_CONVS)


def test_of_many_targets_every_block_is_there_once_for_each_size_of_chunk(params, arch, seen):
  text = compiled("hard", arch).lower(params, *targets_for("paper", seen), TOLD).as_text()
  assert text.count("stablehlo.convolution") == sum(VGG19_CONVS)
  assert text.count("stablehlo.while") >= DEPTHS


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_a_fixed_depth_has_nothing_deeper_in_its_program(params, arch, seen, depth):
  text = compiled(FIXED[depth], arch).lower(params, *row(targets_for("paper", seen), 0), TOLD[:1]).as_text()
  assert text.count("stablehlo.convolution") == sum(VGG19_CONVS[: depth + 1])


@pytest.mark.parametrize("policy", ["xcorr1", "soft", "hard"])
def test_a_policy_never_calls_back_to_the_host(params, boxed, seen, policy):
  assert "callback" not in compiled(policy, boxed).lower(params, *targets_for("box", seen), TOLD).as_text()


def test_a_host_callback_would_be_seen():
  shouting = jax.jit(lambda x: jax.debug.print("{}", x)).lower(1.0).as_text()
  assert "callback" in shouting


# Fixed depths: one reader.


@pytest.mark.parametrize(("reader", "depth"), [("paper", 2), ("box", 0), ("box", 4)])
def test_a_fixed_depth_reads_what_hard_gating_reads_that_exits_there(params, archs, seen, reader, depth):
  targets = targets_for(reader, seen)
  fixed = compiled(FIXED[depth], archs[reader])(params, *targets, TOLD)
  hard = compiled("hard", archs[reader])({**params, "gates": gates_that_exit(depth)}, *targets, TOLD)
  np.testing.assert_array_equal(hard.depth, [depth] * N)
  np.testing.assert_array_equal(fixed.confidences, np.tile(np.eye(DEPTHS)[depth], (N, 1)))
  assert_same(fixed, hard._replace(confidences=fixed.confidences))


# Soft gating.


@each_reader
def test_soft_gating_reads_what_evaluation_reads(params, archs, seen, evaluated, confidences, reader):
  decision = compiled("soft", archs[reader])(params, *targets_for(reader, seen), TOLD)
  np.testing.assert_allclose(decision.confidences, confidences[reader], atol=1e-5)  # two programs
  np.testing.assert_array_equal(decision.depth, [DEPTHS - 1] * N)
  expected = read_as_evaluation_does(evaluated[reader], confidences[reader], archs[reader])
  assert_same_reading(decision.reading, expected, px=0.02)


def test_the_papers_soft_gating_is_the_peak_of_the_average_by_confidence(params, arch, seen, evaluated, confidences):
  decision = compiled("soft", arch)(params, *targets_for("paper", seen), TOLD)
  for i in range(N):
    average = sum(
      c * response for c, response in zip(confidences["paper"][i], evaluated["paper"].responses[i], strict=True)
    )
    row_of_peak, col = np.unravel_index(average.argmax(), average.shape)
    np.testing.assert_array_equal(decision.reading.center[i], [8 * (col - 7), 8 * (row_of_peak - 7)])


@each_reader
def test_with_all_confidence_in_the_first_depth_soft_gating_reads_what_hard_gating_does(params, archs, seen, reader):
  targets, sure = targets_for(reader, seen), {**params, "gates": gates_that_exit(0)}
  soft, hard = (compiled(policy, archs[reader])(sure, *targets, TOLD).reading for policy in ("soft", "hard"))
  assert_same_reading(soft, hard, px=2e-3)  # another program


# One program.


def test_a_policy_is_one_object_however_often_it_is_asked_for(arch, boxed):
  assert policy_named("hard", arch=arch) is policy_named("hard", arch=Architecture(**vars(arch)))
  assert policy_named("hard", arch=arch) is not policy_named("hard", arch=boxed)


# What templates learn from.


def test_the_filter_is_the_key_and_what_the_target_has_looked_like_lately_in_equal_parts(seen):
  template, _ = targets_for("box", seen)
  lately = template._replace(recent=tuple(maps[::-1] for maps in template.maps))
  for depth, maps in enumerate(template.maps):
    np.testing.assert_array_equal(filter_of(template, depth), maps)
    np.testing.assert_allclose(filter_of(lately, depth), (maps + maps[::-1]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(filter_of(template._replace(recent=None), depth), maps)


def test_hard_gating_says_at_which_depths_it_has_looked(told, boxed, seen):
  decision = compiled("hard", boxed)(told, *told_to_exit(targets_for("box", seen)), TOLD)
  np.testing.assert_array_equal(decision.computed, np.arange(DEPTHS)[None] <= np.array(EXITS)[:, None])
  assert [patch.window.shape[-1] for patch in decision.patches] == [4, 8, 16, 32, 32]
