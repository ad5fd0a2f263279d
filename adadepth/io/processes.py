"""Several processes as one run: how work and arrays are dealt to them, and what the first alone does.

JAX joins them (`jax.distributed`) when the command asks for it. Otherwise there is one process, which is the first, and
nothing here waits or copies.
"""

import contextlib
import json
import math
from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from adadepth.errors import InputError

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
  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  try:
    # Who leaves waits for the others as long as for one that may be dead.
    jax.distributed.initialize(**named, heartbeat_timeout_seconds=heartbeat_s, shutdown_timeout_seconds=heartbeat_s)
  except (RuntimeError, ValueError) as error:
    raise InputError(
      f"`config.distributed.coordinator` (={coordinator!r}): the processes have not met ({' '.join(str(error).split())})"
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
  return not jax.distributed.is_initialized() or jax.process_count() == 1


def is_first() -> bool:
  """Whether this process is the one that writes results."""
  return alone() or jax.process_index() == 0


def share(items: Listing[Item]) -> Listing[Item]:
  """Every n-th item, from this process's place on: what it does of work that n processes share."""
  return items if alone() else items[jax.process_index() :: jax.process_count()]


def wait_for_all(what: str) -> None:
  """Returns when every process has come here; `what` is the same in all."""
  if not alone():
    multihost_utils.sync_global_devices(what)


def from_first(make: Callable[[], Any]) -> Any:
  """What the first process makes, in all of them: what depends on the clock, or is fetched once.

  Args:
    make: gives what JSON can hold; called in the first process alone.
  """
  if alone():
    return make()
  text = np.frombuffer(json.dumps(make()).encode() if is_first() else b"", np.uint8)
  length = int(multihost_utils.broadcast_one_to_all(np.int32(len(text))))
  sent = multihost_utils.broadcast_one_to_all(np.resize(text, length) if is_first() else np.zeros(length, np.uint8))
  return json.loads(np.asarray(sent).astype(np.uint8).tobytes())


def mesh_for(rows: int = 0, *, argument: str = "rows") -> Mesh:
  """The devices of all processes in one axis, "data", those of a process side by side.

  Args:
    rows: of the arrays that will be dealt to them; 0: none will. One process takes as many devices as divide them.
    argument: what `rows` is called in the error.
  Raises:
    InputError: rows that several processes cannot be dealt equally.
  """
  devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
  if alone():
    devices = devices[: math.gcd(rows, len(devices))]
  elif rows % len(devices):
    raise InputError(f"`{argument}` (={rows}) must be a multiple of {len(devices)}, the devices of all processes")
  return Mesh(np.array(devices), ("data",), axis_types=(AxisType.Auto,))


def over(mesh: Mesh) -> contextlib.AbstractContextManager:
  """In which a program is one of all devices of the mesh."""
  return contextlib.nullcontext() if mesh.size == 1 else jax.set_mesh(mesh)


def own_rows(mesh: Mesh, rows: int) -> range:
  """Which rows of an array of so many this process gives to its devices."""
  slices = [index[0] for index in _dealt(mesh).addressable_devices_indices_map((rows,)).values()]
  bounds = [part.indices(rows)[:2] for part in slices]
  return range(min(start for start, _ in bounds), max(stop for _, stop in bounds))


def deal(tree: PyTree, mesh: Mesh) -> PyTree:
  """Arrays of this process's own rows as those of all, a part on each device."""
  return _placed(tree, mesh, _dealt(mesh))


def copy_to_all(tree: PyTree, mesh: Mesh) -> PyTree:
  """Arrays that are the same in every process, on each device."""
  return _placed(tree, mesh, NamedSharding(mesh, PartitionSpec()))


def here(tree: PyTree) -> PyTree:
  """What `copy_to_all` has placed, as arrays of this process alone, which belong to no device yet."""
  return jax.tree.map(lambda leaf: leaf if len(leaf.devices()) == 1 else jnp.asarray(jax.device_get(leaf)), tree)


def _dealt(mesh: Mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec("data"))


def _placed(tree: PyTree, mesh: Mesh, sharding: NamedSharding) -> PyTree:
  if mesh.size == 1:
    return tree

  def place(leaf: np.ndarray | jax.Array) -> jax.Array:
    placed = isinstance(leaf, jax.Array) and leaf.sharding == sharding
    return leaf if placed else jax.make_array_from_process_local_data(sharding, np.asarray(leaf))

  return jax.tree.map(place, tree)
