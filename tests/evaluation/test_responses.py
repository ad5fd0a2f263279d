"""Responses of pairs: computed once, in chunks that change nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.pairs import cut_group, cut_key_search, evaluation_keys
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.jobs import responses
from adadepth.models.architecture import Architecture
from adadepth.models.network import (
  block_outputs,
  closer_coefficients,
  closer_look_at,
  fine_map,
  grown_crops,
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
  arch = dataclasses.replace(ARCH, finer_px=2.0, growth=True)
  found = table(params, sequences[:1], arch=arch)
  ((key, frames),) = evaluation_keys(sequences[0], arch, keys=0, frames=0)
  group = cut_group(sequences[0], key, frames, arch)
  key_search = jnp.asarray(cut_key_search(sequences[0], key, arch))
  crops = grown_crops(jnp.asarray(group.template), key_search, arch=arch)
  closer = closer_look_at(params, crops, jnp.asarray(group.size_in_crop), arch=arch)
  assert found.coefficients.shape == (len(group), 2, 5, 17, 17)  # 32 fine cells, of which the template has 16
  for depth, output in enumerate(block_outputs(params, jnp.asarray(group.search[-1:]), arch=arch, depths=2)):
    fine = fine_map(output, depth=depth, arch=arch)[0]
    expected = closer_coefficients(closer[depth], fine, depth=depth, arch=arch)
    np.testing.assert_allclose(found.coefficients[-1, depth], expected, atol=1e-3)  # half precision
  assert table(params, sequences[:1]).coefficients.shape == (len(group), 0, 1, 17, 17)


def test_sequences_without_a_pair_are_refused_by_name(params, sequences):
  boxes = sequences[0].boxes_xywh.copy()
  boxes[1::2] = np.nan
  with pytest.raises(InputError, match=r"^test: no sequence has two frames in a row with a box"):
    table(params, [dataclasses.replace(sequences[0], boxes_xywh=boxes)])


def test_a_long_name_is_kept_whole(params, sequences):
  named = [dataclasses.replace(s, name="s" * 70 + s.name) for s in sequences]
  assert set(table(params, named).sequence) == {s.name for s in named}


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
