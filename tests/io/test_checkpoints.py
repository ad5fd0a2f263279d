"""Checkpoints are written when they are due, and the latest comes back."""

import errno
import json
import resource
import shutil
import signal

import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore

from adadepth.io.checkpoints import Checkpoints
from adadepth.io.interruption import Stopped


def test_a_state_is_written_at_multiples_of_every_and_when_forced(tmp_path):
  kept = {}
  for step in range(1, 6):
    with Checkpoints(tmp_path, every=3) as checkpoints:
      checkpoints.save(step, {"step": jnp.int32(step)}, force=step == 5)
    kept[step] = {path.name for path in tmp_path.iterdir()}
  assert kept == {1: set(), 2: set(), 3: {"3"}, 4: {"3"}, 5: {"3", "5"}}
  with Checkpoints(tmp_path, every=3) as checkpoints:
    np.testing.assert_array_equal(checkpoints.restore({"step": jnp.int32(0)})["step"], 5)


def written(folder, *steps: int) -> None:
  with Checkpoints(folder, every=1) as checkpoints:
    for step in steps:
      checkpoints.save(step, {"step": jnp.int32(step), "weights": jnp.full(1000, step)})


def restored(folder) -> int:
  with Checkpoints(folder, every=1) as checkpoints:
    state = checkpoints.restore({"step": jnp.int32(0), "weights": jnp.zeros(1000, jnp.int32)})
  assert (state["weights"] == state["step"]).all()
  return int(state["step"])


def test_a_write_that_was_cut_off_is_no_checkpoint(tmp_path):
  written(tmp_path, 3)
  shutil.copytree(tmp_path / "3", tmp_path / "4.orbax-checkpoint-tmp-17")
  assert restored(tmp_path) == 3
  assert [path.name for path in tmp_path.iterdir()] == ["3"]


@pytest.mark.parametrize("harm", ["cut off", "gone"])
def test_a_checkpoint_that_cannot_be_read_gives_way_to_the_one_before(tmp_path, capsys, harm):
  written(tmp_path, 3, 4)
  for path in (tmp_path / "4").rglob("*"):
    if path.is_file():
      path.write_bytes(path.read_bytes()[:10]) if harm == "cut off" else path.unlink()
  assert restored(tmp_path) == 3
  (line,) = capsys.readouterr().err.strip().splitlines()
  assert f"{tmp_path / '4'} cannot be read and is put aside as unreadable-4" in line
  written(tmp_path, 4)  # which can be written again
  assert restored(tmp_path) == 4


@pytest.mark.parametrize("claimed", [{"shape": [1 << 40]}, {"chunks": [1 << 29]}])
def test_a_checkpoint_that_claims_more_than_it_holds_takes_no_room_and_gives_way(tmp_path, claimed):
  written(tmp_path, 3, 4)
  arrays = tensorstore.KvStore.open({"driver": "ocdbt", "base": f"file://{tmp_path}/4/default/"}).result()
  header = json.loads(arrays.read("weights/.zarray").result().value)
  arrays.write("weights/.zarray", json.dumps(header | claimed).encode()).result()
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  assert restored(tmp_path) == 3
  assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**17  # KiB


def test_without_one_that_can_be_read_a_run_begins_anew(tmp_path):
  written(tmp_path, 3)
  shutil.rmtree(tmp_path / "3" / "default")
  assert restored(tmp_path) == 0


@pytest.mark.parametrize("cause", [MemoryError, KeyboardInterrupt])
def test_what_is_no_fault_of_a_checkpoint_leaves_it_where_it_is(tmp_path, monkeypatch, cause):
  """Orbax wraps whatever comes while it reads."""
  written(tmp_path, 3)
  with Checkpoints(tmp_path, every=1) as checkpoints:

    def wrapped(*_, **__):
      try:
        raise cause
      except BaseException as error:
        raise Exception("Encountered error while reading") from error

    monkeypatch.setattr(checkpoints._manager, "restore", wrapped)
    with pytest.raises(cause):
      checkpoints.restore({"step": jnp.int32(0)})
  assert restored(tmp_path) == 3


def test_a_signal_waits_until_a_checkpoint_is_read(tmp_path, monkeypatch):
  written(tmp_path, 3)
  with Checkpoints(tmp_path, every=1) as checkpoints:
    read, finished = checkpoints._manager.restore, []

    def signalled(*arguments, **more):
      signal.raise_signal(signal.SIGTERM)
      finished.append(read(*arguments, **more))
      return finished[0]

    monkeypatch.setattr(checkpoints._manager, "restore", signalled)
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
      checkpoints.restore({"step": jnp.int32(0), "weights": jnp.zeros(1000, jnp.int32)})
  assert len(finished) == 1 and restored(tmp_path) == 3


def test_the_last_checkpoint_is_told(tmp_path):
  with Checkpoints(tmp_path, every=1) as checkpoints:
    assert checkpoints.last == "there is no checkpoint yet"
    checkpoints.save(3, {"step": jnp.int32(3)})
    assert checkpoints.last == f"the last good checkpoint is {tmp_path / '3'}"


def test_a_full_disk_is_told_as_one_whatever_tensorstore_calls_it(tmp_path, monkeypatch):
  with Checkpoints(tmp_path, every=1) as checkpoints:

    def full(*_, **__):
      raise ValueError("RESOURCE_EXHAUSTED: Failed writing [OS error 28: ENOSPC No space left on device]")

    monkeypatch.setattr(checkpoints._manager, "save", full)
    with pytest.raises(OSError) as caught:
      checkpoints.save(1, {"step": jnp.int32(1)})
  assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path))
