"""Responses of pairs: computed once a video, in chunks that change nothing, and taken up where a run stopped."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from planted_pairs import ARCH

from adadepth.data.drifted_pairs import drift
from adadepth.data.pairs import cut_group, cut_key_search, evaluation_keys
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.evaluation import responses
from adadepth.maths.peaks import highest_cell
from adadepth.models.box_head import init_box_heads
from adadepth.models.network import correlation_maps, group_maps, make_template, pair_responses, respond
from adadepth.tracking.reader import OWN, SURE

BOX = dataclasses.replace(ARCH, reader="box")
RIDGE = dataclasses.replace(ARCH, template="ridge")


@pytest.fixture(scope="module")
def sequences():
  return [render_sequence(seed=s, name=f"s{s}", frames=9, difficulty=Difficulty()) for s in range(2)]


def table(params, sequences, folder=None, arch=ARCH, errors=None):
  return responses.pair_table(
    *(params, sequences), arch=arch, keys=0, frames=0, threads=2, folder=folder, description="test", errors=errors
  )


@pytest.fixture(scope="module")
def headed(params) -> dict:
  """The parameters with new box heads: they read the last size at a cell's centre."""
  return {**params, "box": init_box_heads(jax.random.key(0), BOX)}


def only_group(sequence, arch):
  """The sequence's one key with its frames."""
  ((key, frames),) = evaluation_keys(sequence, arch, keys=0, frames=0)
  return cut_group(sequence, key, frames, arch)


def test_chunks_and_padding_change_nothing(params, sequences):
  found, group = table(params, sequences), only_group(sequences[1], ARCH)
  assert len(group) % responses.CHUNK  # so that there is padding
  crops = jnp.asarray(group.template[None]), jnp.asarray(group.search[None])
  expected = jax.jit(lambda *crops: pair_responses(group_maps(params, *crops, arch=ARCH), arch=ARCH))(*crops)
  own = found.sequence == "s1"
  # Batches of other sizes are summed in another order; maps that are not scaled reach a few units.
  np.testing.assert_allclose(found.responses[own], expected, atol=1e-4)
  np.testing.assert_array_equal(found.truth_in_search[own], group.truth_in_search)
  np.testing.assert_array_equal(found.frames_after_key[own], group.frames_after_key)
  np.testing.assert_array_equal(found.size_in_crop[own], np.tile(group.size_in_crop, (len(group), 1)))
  np.testing.assert_array_equal(found.last_size[own], group.last_size)


def test_the_number_of_threads_changes_no_bit(headed, sequences):
  settings = {"arch": BOX, "keys": 0, "frames": 0, "folder": None, "description": "test", "errors": drift}
  one, two = (responses.pair_table(headed, sequences, threads=threads, **settings) for threads in (1, 2))
  for field in dataclasses.fields(one):
    np.testing.assert_array_equal(getattr(one, field.name), getattr(two, field.name), err_msg=field.name)


def test_the_papers_reader_reads_the_highest_cell_and_the_keys_size(params, sequences):
  found = table(params, sequences[:1])
  cell = highest_cell(jnp.asarray(found.responses), template_cells=ARCH.template_cells)
  np.testing.assert_array_equal(found.center, 8 * cell)
  np.testing.assert_array_equal(found.size, np.repeat(found.size_in_crop[:, None], 5, axis=1))
  np.testing.assert_array_equal(found.score, np.full((8, 5), SURE))


def test_ridge_filters_are_what_is_correlated(params, sequences):
  found, group = table(params, sequences[:1], arch=RIDGE), only_group(sequences[0], RIDGE)
  key_search = jnp.asarray(cut_key_search(sequences[0], group.key, RIDGE))
  template = jax.jit(make_template, static_argnames="arch")(
    params, jnp.asarray(group.template), key_search, jnp.asarray(group.size_in_crop), arch=RIDGE
  )
  maps = jax.jit(correlation_maps, static_argnames="arch")(params, jnp.asarray(group.search[-1:]), arch=RIDGE)
  for depth, searched in enumerate(maps):
    expected = respond(template.filters[depth], searched, arch=RIDGE)[0]
    np.testing.assert_allclose(found.responses[-1, depth], expected, atol=1e-3)


def test_box_heads_read_every_pair_at_every_depth(headed, sequences):
  surer = {**headed, "head": {"log_scale": jnp.full(5, np.log(100.0))}}  # than the prior of motion
  found, group = table(surer, sequences[:1], arch=BOX), only_group(sequences[0], BOX)
  np.testing.assert_array_equal(found.last_size, group.last_size)
  np.testing.assert_array_equal(found.size, np.repeat(group.last_size[:, None], 5, axis=1))
  before, center = found.center[:, :-1], found.center[:, 1:]
  together = np.abs(center - before).max(axis=-1, keepdims=True) <= 8 * OWN
  own = np.concatenate([found.center[:, :1], np.where(together, before + (center - before) / OWN, center)], axis=1)
  np.testing.assert_allclose(own, 8 * np.rint(own / 8), atol=1e-4)
  assert together.any()
  np.testing.assert_array_equal(found.score, np.zeros((8, 5)))
  assert found.center.any()


def test_drifted_pairs_are_off_and_the_same_again(headed, sequences):
  true, found, again = (table(headed, sequences[:1], arch=BOX, errors=e) for e in (None, drift, drift))
  for field in dataclasses.fields(found):
    np.testing.assert_array_equal(getattr(found, field.name), getattr(again, field.name))
  off = found.displacement_in_search(BOX) - true.displacement_in_search(BOX)
  assert 2 < off.std() < 12  # 0.09 of 64 px, and 16 numbers
  grown = np.log(true.truth_in_search[:, 2:] / found.truth_in_search[:, 2:])  # a larger last size is a smaller scale
  assert 0.03 < grown.std() < 0.3


def test_sequences_without_a_pair_are_refused_by_name(params, sequences):
  boxes = sequences[0].boxes_xywh.copy()
  boxes[1::2] = np.nan
  with pytest.raises(InputError, match=r"^test: no sequence has two frames in a row with a box"):
    table(params, [dataclasses.replace(sequences[0], boxes_xywh=boxes)])


def test_a_sequence_without_a_pair_is_left_out_beside_others(params, sequences):
  boxes = np.full_like(sequences[0].boxes_xywh, np.nan)
  found = table(params, [dataclasses.replace(sequences[0], boxes_xywh=boxes), sequences[1]])
  assert set(found.sequence) == {"s1"}


def test_a_long_name_is_kept_whole(params, sequences):
  named = [dataclasses.replace(s, name="s" * 70 + s.name) for s in sequences]
  assert set(table(params, named).sequence) == {s.name for s in named}


# What is kept.


@pytest.fixture
def computed(monkeypatch):
  """The names of the sequences that were computed, as they are."""
  names, sequence_pairs = [], responses.sequence_pairs

  def counted(params, sequence, wanted, **settings):
    names.append(sequence.name)
    return sequence_pairs(params, sequence, wanted, **settings)

  monkeypatch.setattr(responses, "sequence_pairs", counted)
  return names


@pytest.mark.parametrize("n", [3, 4, 5, 8, 10])
def test_rows_are_on_a_device_a_chunk_at_a_time(n, monkeypatch):
  monkeypatch.setattr(responses, "ROWS", 4)
  seen = []

  def double(rows, more):
    seen.append(len(rows))
    return jnp.asarray(2 * rows + more)

  rows = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
  np.testing.assert_array_equal(responses.in_chunks(double, rows, rows), 3 * rows)
  assert set(seen) == {min(n, 4)} and len(seen) == -(-n // 4)  # so that there is one program


def test_a_second_call_computes_nothing_and_says_the_same(params, sequences, tmp_path, computed):
  first = table(params, sequences, tmp_path)
  again = table(params, sequences, tmp_path)
  assert computed == ["s0", "s1"]
  for name in responses.COLUMNS:
    kept, fresh = getattr(again, name), getattr(first, name)
    np.testing.assert_array_equal(kept, fresh)
    assert kept.dtype == fresh.dtype


def test_an_interrupted_run_goes_on_with_the_sequence_that_it_stopped_at(
  params, sequences, tmp_path, computed, monkeypatch
):
  counted = responses.sequence_pairs

  def killed(params, sequence, wanted, **settings):
    if sequence.name == "s1":
      raise KeyboardInterrupt
    return counted(params, sequence, wanted, **settings)

  with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
    patch.setattr(responses, "sequence_pairs", killed)
    table(params, sequences, tmp_path)
  whole = table(params, sequences, tmp_path)
  assert computed == ["s0", "s1"]
  np.testing.assert_array_equal(whole.responses, table(params, sequences).responses)


def test_another_network_is_computed_anew(params, sequences, tmp_path, computed):
  other = {**params, "backbone": jax.tree.map(lambda leaf: leaf * 1.5 + 0.1, params["backbone"])}
  first, second = table(params, sequences[:1], tmp_path), table(other, sequences[:1], tmp_path)
  assert computed == ["s0", "s0"]
  assert not np.array_equal(first.responses, second.responses)


def test_other_heads_and_other_crops_are_computed_anew(headed, sequences, tmp_path, computed):
  other = {**headed, "box": jax.tree.map(lambda leaf: leaf + 0.1, headed["box"])}
  first, second = (table(p, sequences[:1], tmp_path, BOX) for p in (headed, other))
  table(headed, sequences[:1], tmp_path, BOX, errors=drift)
  table({**headed, "head": jax.tree.map(lambda leaf: leaf + 1, headed["head"])}, sequences[:1], tmp_path, BOX)
  assert computed == ["s0"] * 4
  assert np.all(first.score != second.score)


def test_other_gates_read_the_same_responses(params, sequences, tmp_path, computed):
  table(params, sequences[:1], tmp_path)
  table({**params, "gates": jax.tree.map(lambda leaf: leaf + 1, params["gates"])}, sequences[:1], tmp_path)
  assert computed == ["s0"]


def test_other_pairs_are_computed_anew(params, sequences, tmp_path, computed):
  table(params, sequences[:1], tmp_path)
  settings = {"arch": ARCH, "keys": 0, "threads": 1, "folder": tmp_path, "description": "test"}
  assert len(responses.pair_table(params, sequences[:1], frames=3, **settings)) == 3
  assert computed == ["s0", "s0"]
