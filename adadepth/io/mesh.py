"""The devices of all processes as one mesh, and arrays dealt over it; on a single device nothing is copied."""

import contextlib
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from adadepth.errors import InputError
from adadepth.io.processes import alone


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


def deal_rows(tree: PyTree, mesh: Mesh) -> PyTree:
  """Arrays of n rows that every process has whole, a part on each device; a row's number stays what it is.

  Rows of 0 are added behind the others where n is no multiple of the devices.
  """
  if mesh.size == 1:
    return tree

  def place(leaf: np.ndarray) -> jax.Array:
    padded = np.pad(leaf, [(0, -len(leaf) % mesh.size)] + [(0, 0)] * (leaf.ndim - 1))
    return jax.make_array_from_callback(padded.shape, _dealt(mesh), lambda index: padded[index])

  return jax.tree.map(place, tree)


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
