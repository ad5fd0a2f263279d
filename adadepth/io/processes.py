"""Several processes as one run: how work and arrays are dealt to them, and what the first alone does.

JAX joins them (`jax.distributed`) when the command asks for it. Otherwise there is one process, which is the first, and
nothing here waits. JAX is imported where it is used: programs that have none import this.
"""

import json
import sys
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int

from adadepth.errors import InputError

ROWS = 4096
AUTO = "auto"  # the coordinator that the cluster names
Item = TypeVar("Item")


def join(coordinator: str, *, processes: int, process: int, heartbeat_s: int) -> None:
  """Makes this process one of several that run one job, before JAX is used.

  A process that has not been heard of for so long is taken for dead, and JAX ends the others.

  Args:
    coordinator: "host:port" of process 0; "auto": what SLURM, Kubernetes, MPI or a TPU pod say; "": there is one
      process.
    processes: how many there are; process: which this is, from 0. Both are the cluster's where it is asked.
    heartbeat_s: seconds.
  Raises:
    InputError: there is no such place among the processes, or they have not met.
  """
  if not coordinator:
    return
  named = {} if coordinator == AUTO else _named(coordinator, processes, process)
  import jax

  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  try:
    # Who leaves waits for the others as long as for one that may be dead.
    jax.distributed.initialize(**named, heartbeat_timeout_seconds=heartbeat_s, shutdown_timeout_seconds=heartbeat_s)
  except (RuntimeError, ValueError) as error:
    reason = " ".join(str(error).split())
    raise InputError(
      f"`config.distributed.coordinator` (={coordinator!r}): the processes have not met ({reason})"
    ) from error


def _named(coordinator: str, processes: int, process: int) -> dict[str, Any]:
  if not 0 <= process < processes:
    raise InputError(
      f"`config.distributed.process` (={process}) must be at least 0 and below `config.distributed.processes` "
      f"(={processes})"
    )
  if not coordinator.rpartition(":")[2].isdigit():
    raise InputError(f"`config.distributed.coordinator` (={coordinator!r}) must be host:port of process 0, or 'auto'")
  return {"coordinator_address": coordinator, "num_processes": processes, "process_id": process}


def alone() -> bool:
  """Whether this process is the only one."""
  jax = sys.modules.get("jax")  # who has not imported it has joined nothing
  return jax is None or not jax.distributed.is_initialized() or jax.process_count() == 1


def is_of_others(error: Exception) -> bool:
  """Whether it says that another process of the run has ended, or cannot be reached."""
  return not alone() and isinstance(error, _jax().errors.JaxRuntimeError)


def is_first() -> bool:
  """Whether this process is the one that writes results."""
  return alone() or _jax().process_index() == 0


def share(items: Listing[Item]) -> Listing[Item]:
  """Every n-th item, from this process's place on: what it does of work that n processes share."""
  return items if alone() else items[_jax().process_index() :: _jax().process_count()]


def wait_for_all(what: str) -> None:
  """Returns when every process has come here; `what` is the same in all."""
  if not alone():
    _between().sync_global_devices(what)


def any_process(flag: bool) -> bool:
  """Whether the flag is set in any of them; all ask at the same step."""
  return flag if alone() else bool(np.any(_between().process_allgather(np.bool_(flag))))


def from_first(make: Callable[[], Any]) -> Any:
  """What the first process makes, in all of them: what depends on the clock, or is fetched once.

  Args:
    make: gives what JSON can hold; called in the first process alone.
  """
  if alone():
    return make()
  text = np.frombuffer(json.dumps(make()).encode() if is_first() else b"", np.uint8)
  length = int(_between().broadcast_one_to_all(np.int32(len(text))))
  sent = _between().broadcast_one_to_all(np.resize(text, length) if is_first() else np.zeros(length, np.uint8))
  return json.loads(np.asarray(sent).astype(np.uint8).tobytes())


def gathered(values: np.ndarray, rows: Int[np.ndarray, "m"], n: int) -> np.ndarray:
  """Rows that the processes have apart, together in each of them, `ROWS` of a process at a time.

  Args:
    values: this process's, [m, ...].
    rows: their places among all n.
  Returns:
    [n, ...].
  """
  most = int(np.max(_between().process_allgather(np.int32(len(rows)))))
  together = np.zeros((n + 1, *values.shape[1:]), values.dtype)  # the last row takes what is empty
  for start in range(0, most, ROWS):
    place, sent = np.full(ROWS, n, np.int32), np.zeros((ROWS, *values.shape[1:]), values.dtype)
    part = slice(start, min(start + ROWS, len(rows)))
    place[: len(rows[part])], sent[: len(rows[part])] = rows[part], values[part]
    places, all_sent = _between().process_allgather((place, sent))
    together[places.reshape(-1)] = all_sent.reshape(-1, *values.shape[1:])
  return together[:n]


def _jax():
  import jax

  return jax


def _between():
  from jax.experimental import multihost_utils

  return multihost_utils
