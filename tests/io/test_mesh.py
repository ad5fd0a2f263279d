"""Arrays on several devices: rows lie where they should, and come back as they were. Tests have two devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.io.mesh import copy_to_all, deal, deal_rows, here, mesh_for, over, own_rows
from adadepth.maths.xcorr import cross_correlate_spectra

ROWS = {"a": np.arange(12, dtype=np.float32).reshape(4, 3), "b": np.arange(4, dtype=np.int32)}


@pytest.mark.parametrize(("rows", "devices"), [(4, 2), (3, 1), (1, 1), (0, 2)])
def test_one_process_takes_as_many_devices_as_divide_the_rows(rows, devices):
  assert mesh_for(rows).size == devices


def test_rows_are_dealt_in_order():
  mesh = mesh_for(4)
  dealt = deal(ROWS, mesh)
  parts = sorted(dealt["a"].addressable_shards, key=lambda shard: shard.device.id)
  for part, expected in zip(parts, np.split(ROWS["a"], 2), strict=True):
    np.testing.assert_array_equal(part.data, expected)
  jax.tree.map(np.testing.assert_array_equal, dealt, ROWS)
  assert own_rows(mesh, 4) == range(4)


def test_rows_that_cannot_be_dealt_equally_are_filled_up_and_keep_their_numbers():
  dealt = deal_rows({"a": ROWS["a"][:3], "b": ROWS["b"][:3]}, mesh_for())
  np.testing.assert_array_equal(dealt["a"], np.pad(ROWS["a"][:3], ((0, 1), (0, 0))))
  assert [shard.data.shape for shard in dealt["b"].addressable_shards] == [(2,), (2,)]


def test_a_copy_is_on_every_device_and_comes_back_to_none():
  copied = copy_to_all(ROWS, mesh_for())
  assert copied["a"].is_fully_replicated and len(copied["a"].devices()) == 2
  back = here(copied)
  jax.tree.map(np.testing.assert_array_equal, back, ROWS)
  assert not back["a"].committed


def test_on_one_device_nothing_is_copied():
  mesh = mesh_for(1)
  assert deal(ROWS, mesh) is ROWS and deal_rows(ROWS, mesh) is ROWS and copy_to_all(ROWS, mesh) is ROWS


def test_spectra_are_each_devices_own():
  rng = np.random.default_rng(0)
  maps = [rng.standard_normal((4, side, side, 2), dtype=np.float32) for side in (4, 8)]
  expected = jax.jit(cross_correlate_spectra)(*map(jnp.asarray, maps))
  mesh = mesh_for(4)
  with over(mesh):
    program = jax.jit(cross_correlate_spectra).lower(*deal(maps, mesh)).compile()
  np.testing.assert_allclose(program(*deal(maps, mesh)), expected, atol=1e-6)
  assert "all-gather" not in program.as_text()
