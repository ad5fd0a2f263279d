"""Orbax checkpoints of a training state; resuming continues as if never interrupted."""

import pathlib

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from adadepth.io.mesh import copy_to_all, mesh_for
from adadepth.io.processes import alone


class Checkpoints:
  """The last few states of one training phase, under one folder.

  Use as a context manager: leaving it waits for writes that are under way.
  """

  def __init__(self, folder: str | pathlib.Path, *, every: int, keep: int = 2):
    options = ocp.CheckpointManagerOptions(max_to_keep=keep)
    self._every = every
    self._manager = ocp.CheckpointManager(pathlib.Path(folder).resolve(), options=options)

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *_) -> None:
    self._manager.wait_until_finished()
    self._manager.close()

  def restore(self, state):
    """The latest state written here, in the shape of `state`; `state` itself if there is none."""
    step = self._manager.latest_step()
    if step is None:
      return state
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, _shared(state))
    restored = self._manager.restore(step, args=ocp.args.StandardRestore(abstract))
    # Orbax commits arrays to their device. A fresh state's are not, and jit would compile each program for both kinds.
    return jax.tree.map(jnp.asarray, jax.device_get(restored))

  def save(self, step: int, state, *, force: bool = False) -> None:
    """Writes `state` if `step` is a multiple of `every`, or if forced (the last step)."""
    if (force or step % self._every == 0) and step != self._manager.latest_step():
      self._manager.save(step, args=ocp.args.StandardSave(_shared(state)))


def _shared(state):
  """A state that every process has, as one of them all: several write it together, and any number reads it."""
  return state if alone() else copy_to_all(state, mesh_for(0))
