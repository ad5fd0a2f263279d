"""Responses of pairs: computed once, in chunks that change nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.pairs import cut_group, evaluation_keys
from adadepth.data.render import Difficulty, render_sequence
from adadepth.loops import responses
from adadepth.maths.architecture import Architecture
from adadepth.maths.closer import correlation_coefficients
from adadepth.programs.network import (
  block_outputs,
  closer_look_at,
  fine_map,
  init_params,
  search_responses,
  template_maps,
)

ARCH = Architecture(width=1 / 16, template_px=32, search_px=64, pools=3, scaling="none")


@pytest.fixture(scope="module")
def params():
  return init_params(jax.random.key(0), ARCH, logit_scale=1.0)


@pytest.fixture(scope="module")
def sequences():
  return [render_sequence(seed=s, name=f"s{s}", frames=9, difficulty=Difficulty()) for s in range(2)]


def table(params, sequences, cache=None, arch=ARCH):
  return responses.pair_table(
    params, sequences, arch=arch, keys=0, frames=0, threads=2, cache=cache, description="test"
  )


def test_chunks_and_padding_change_nothing(params, sequences):
  found = table(params, sequences)
  ((key, frames),) = evaluation_keys(sequences[1], ARCH, keys=0, frames=0)
  group = cut_group(sequences[1], key, frames, ARCH)
  expected = search_responses(
    params, template_maps(params, jnp.asarray(group.template), arch=ARCH), jnp.asarray(group.search), arch=ARCH
  )
  own = found.sequence == "s1"
  # Batches of other sizes are summed in another order.
  np.testing.assert_allclose(found.responses[own], expected, atol=1e-5)
  np.testing.assert_array_equal(found.truth_in_search[own], group.truth_in_search)
  np.testing.assert_array_equal(found.frames_after_key[own], group.frames_after_key)


def test_a_closer_look_is_kept_for_every_pair(params, sequences):
  arch = dataclasses.replace(ARCH, finer_px=2.0)
  found = table(params, sequences[:1], arch=arch)
  ((key, frames),) = evaluation_keys(sequences[0], arch, keys=0, frames=0)
  group = cut_group(sequences[0], key, frames, arch)
  closer = closer_look_at(params, jnp.asarray(group.template[None]), jnp.asarray(group.size_in_crop), arch=arch)
  (first,) = block_outputs(params, jnp.asarray(group.search[-1:]), arch=arch, depths=1)
  expected = correlation_coefficients(closer, fine_map(first, arch=arch)[0])[..., 0]
  assert found.coefficients.shape == (len(group), 17, 17)  # 32 fine cells, of which the template has 16
  np.testing.assert_allclose(found.coefficients[-1], expected, atol=1e-4)
  assert table(params, sequences[:1]).coefficients.shape == (len(group), 0, 0)


def test_a_cache_is_read_for_the_same_network_and_pairs(params, sequences, tmp_path, monkeypatch):
  first = table(params, sequences, tmp_path / "cache.npz")
  monkeypatch.setattr(responses, "_respond", lambda *_: pytest.fail("computed again"))
  again = table(params, sequences, tmp_path / "cache.npz")
  for field in dataclasses.fields(first):
    np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))


def test_a_cache_of_another_network_is_not_read(params, sequences, tmp_path):
  first = table(params, sequences, tmp_path / "cache.npz")
  other = table(jax.tree.map(lambda leaf: leaf * 1.5 + 0.1, params), sequences, tmp_path / "cache.npz")
  assert not np.array_equal(first.responses, other.responses)
