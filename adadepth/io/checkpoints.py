"""Orbax checkpoints of a training state; resuming continues as if never interrupted."""

import contextlib
import errno
import os
import pathlib
import sys
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from adadepth.io.interruption import Stopped, stop_when_asked
from adadepth.io.memory import is_out_of_memory
from adadepth.io.mesh import copy_to_all, mesh_for
from adadepth.io.processes import alone, is_first, wait_for_all

AFTER_READING = "stopping once the checkpoint is read (again: at once)"


class Checkpoints:
  """The last few states of one training phase, under one folder.

  Use as a context manager: leaving it waits for writes that are under way.
  """

  def __init__(self, folder: str | pathlib.Path, *, every: int, keep: int = 2):
    # A write that was cut off has another name than a checkpoint; what is left of it goes.
    options = ocp.CheckpointManagerOptions(max_to_keep=keep, cleanup_tmp_directories=True)
    self._every = every
    self._folder = pathlib.Path(folder).resolve()
    self._manager = ocp.CheckpointManager(self._folder, options=options)

  def __enter__(self) -> "Checkpoints":
    return self

  def __exit__(self, *_) -> None:
    with self._told_as_os_error():
      self._manager.wait_until_finished()
      self._manager.close()

  def restore(self, state):
    """The latest state written here that can be read, in the shape of `state`; `state` itself if there is none.

    One that cannot is put aside, and a line says so.

    Raises:
      Stopped: a signal asked for it while it was read: Orbax would take what a signal raises for damage.
    """
    with stop_when_asked(AFTER_READING) as asked:
      state = self._read(state)
    if asked.is_set():
      raise Stopped(asked.number)
    return state

  def _read(self, state):
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, _shared(state))
    while (step := self._manager.latest_step()) is not None:
      try:
        restored = self._manager.restore(step, args=ocp.args.StandardRestore(abstract))
        break
      except Exception as error:  # whatever Orbax and TensorStore make of a file that is cut off or gone
        for cause in causes_of(error):
          if is_out_of_memory(cause) or isinstance(cause, KeyboardInterrupt):
            raise cause from None  # the checkpoint is whole
        self._put_aside(step, error)
    else:
      return state
    # Orbax commits arrays to their device. A fresh state's are not, and jit would compile each program for both kinds.
    return jax.tree.map(jnp.asarray, jax.device_get(restored))

  def save(self, step: int, state, *, force: bool = False) -> None:
    """Writes `state` if `step` is a multiple of `every`, or if forced (the last step)."""
    if (force or step % self._every == 0) and step != self._manager.latest_step():
      with self._told_as_os_error():
        self._manager.save(step, args=ocp.args.StandardSave(_shared(state)))

  @contextlib.contextmanager
  def _told_as_os_error(self) -> Iterator[None]:
    """A full disk as what it is; TensorStore has its own errors for it, and may raise them at a later step."""
    try:
      yield
    except Exception as error:
      if os.strerror(errno.ENOSPC) not in str(error):
        raise
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder)) from error

  @property
  def last(self) -> str:
    """The last checkpoint that is whole, in words."""
    self._manager.wait_until_finished()
    step = self._manager.latest_step()
    return "there is no checkpoint yet" if step is None else f"the last good checkpoint is {self._folder / str(step)}"

  def _put_aside(self, step: int, error: Exception) -> None:
    aside = self._folder / f"unreadable-{step}"
    what = " ".join(str(error).split())[:200]
    print(f"{self._folder / str(step)} cannot be read and is put aside as {aside.name}: {what}", file=sys.stderr)
    if is_first():
      (self._folder / str(step)).rename(aside)
    wait_for_all("checkpoint put aside")
    self._manager.reload()


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
  """An error, and what it was raised from and amid."""
  while error is not None:
    yield error
    error = error.__cause__ or error.__context__


def _shared(state):
  """A state that every process has, as one of them all: several write it together, and any number reads it."""
  return state if alone() else copy_to_all(state, mesh_for())
