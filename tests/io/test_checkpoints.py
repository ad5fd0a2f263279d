"""Checkpoints are written when they are due, and the latest comes back."""

import jax.numpy as jnp
import numpy as np

from adadepth.io.checkpoints import Checkpoints


def test_a_state_is_written_at_multiples_of_every_and_when_forced(tmp_path):
  kept = {}
  for step in range(1, 6):
    with Checkpoints(tmp_path, every=3) as checkpoints:
      checkpoints.save(step, {"step": jnp.int32(step)}, force=step == 5)
    kept[step] = {path.name for path in tmp_path.iterdir()}
  assert kept == {1: set(), 2: set(), 3: {"3"}, 4: {"3"}, 5: {"3", "5"}}
  with Checkpoints(tmp_path, every=3) as checkpoints:
    np.testing.assert_array_equal(checkpoints.restore({"step": jnp.int32(0)})["step"], 5)
