"""Responses of key and search pairs: computed once, cached, and then all that gates and scores need."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Sequence as Listing

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped, UInt8

from adadepth.data.ahead import map_ahead
from adadepth.data.pairs import PairGroup, cut_group, cut_key_search, evaluation_keys
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.io.progress import progress
from adadepth.maths.fusion import places
from adadepth.maths.geometry import box_center
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import (
  CLOSER_DEPTHS,
  adapted_templates,
  block_outputs,
  closer_coefficients,
  closer_look_at,
  fine_map,
  grown_crops,
  prepare_params,
  respond_all,
)

CHUNK = 5
LAYOUT = 3  # of cached tables: one more than before, where what their arrays hold has changed


@dataclasses.dataclass(frozen=True)
class PairTable:
  """n key and search pairs with their five responses, in the order of `data.pairs`.

  Attributes:
    responses: [n, 5, r, r].
    coefficients: of closer looks at the first and the second block, for each size and displacement (see
      `maths.closer`), float16, [n, 2, s, i, i]; [n, 0, 1, i, i] for a network without.
    truth_in_search: true box, xywh, pixels of the search crop, [n, 4].
    size_in_crop: the key's box (w, h), crop pixels, [n, 2].
    frames_after_key: [n].
    key: index of the key's frame, [n].
    sequence: the sequence's name, [n].
  """

  responses: Float[np.ndarray | Array, "n 5 r r"]
  coefficients: Float[np.ndarray | Array, "n b s i i"]
  truth_in_search: Float[np.ndarray, "n 4"]
  size_in_crop: Float[np.ndarray, "n 2"]
  frames_after_key: Int[np.ndarray, "n"]
  key: Int[np.ndarray, "n"]
  sequence: Shaped[np.ndarray, "n"]

  def __len__(self) -> int:
    return len(self.responses)

  def displacement_in_search(self, arch: Architecture) -> Float[np.ndarray, "n 2"]:
    """True displacement (x, y) from the search crop's centre, crop pixels."""
    return box_center(self.truth_in_search) - np.float32(arch.search_px / 2)


def on_device(table: PairTable) -> PairTable:
  """The same table with its maps in the device's memory: programs that read them often need not copy them again."""
  return dataclasses.replace(
    table, responses=jnp.asarray(table.responses), coefficients=jnp.asarray(table.coefficients)
  )


def joined(tables: Listing[PairTable]) -> PairTable:
  """The pairs of several tables as one."""
  return PairTable(
    **{f.name: np.concatenate([getattr(table, f.name) for table in tables]) for f in dataclasses.fields(PairTable)}
  )


def load_table(path: pathlib.Path) -> PairTable:
  """A cached table as it is, whatever it was made from."""
  with np.load(path) as file:
    return PairTable(**{f.name: file[f.name] for f in dataclasses.fields(PairTable)})


def pair_table(
  params: dict,
  sequences: Listing[Sequence],
  *,
  arch: Architecture,
  keys: int,
  frames: int,
  threads: int,
  cache: pathlib.Path | None,
  description: str,
) -> PairTable:
  """The responses of every evaluation pair of the sequences.

  Args:
    keys: keys a sequence, 0: all; frames: search frames a key, 0: all 25.
    threads: that cut crops ahead of the network.
    cache: .npz file to read them from if it was made from the same network and pairs, and to write them to. Images
      that change under the same names and boxes are not noticed.
    description: for the progress bar.
  Raises:
    InputError: no pair in any of the sequences.
  """
  wanted = [
    (sequence, key, run)
    for sequence in sequences
    for key, run in evaluation_keys(sequence, arch, keys=keys, frames=frames)
  ]
  if not wanted:
    raise InputError(
      f"{description}: no sequence has two frames in a row with a box, and so no pair; give one that has"
    )
  fingerprint = _fingerprint(params["backbone"], arch, wanted)
  if cache is not None and (table := _read(cache, fingerprint)) is not None:
    return table
  params = prepare_params(params)
  cuts = map_ahead(lambda item: _cut(*item, arch), wanted, threads=threads, buffer=4)
  rows = [_respond(params, *cut, arch) for cut in progress(cuts, description, total=len(wanted))]
  table = PairTable(**{f.name: np.concatenate([r[f.name] for r in rows]) for f in dataclasses.fields(PairTable)})
  if cache is not None:
    _write(cache, fingerprint, table)
  return table


@functools.partial(jax.jit, static_argnames="arch")
def _templates(params, template, key_search, size_in_crop, *, arch):
  closer = closer_look_at(params, grown_crops(template, key_search, arch=arch), size_in_crop, arch=arch)
  return adapted_templates(params, template, key_search, size_in_crop, arch=arch), closer


@functools.partial(jax.jit, static_argnames="arch")
def _searches(params, templates, closer, search, *, arch):
  outputs = block_outputs(params, search, arch=arch, depths=DEPTHS)
  responses = respond_all(templates, outputs, arch=arch)
  if closer is None:
    return responses, jnp.zeros((len(search), 0, 1, places(arch), places(arch)), jnp.float16)

  def looks(depth: int) -> Float[Array, "n s i i"]:
    look = functools.partial(closer_coefficients, closer[depth], depth=depth, arch=arch)
    return jax.vmap(look)(fine_map(outputs[depth], depth=depth, arch=arch))

  return responses, jnp.stack([looks(depth) for depth in range(CLOSER_DEPTHS)], axis=1).astype(jnp.float16)


def _cut(
  sequence: Sequence, key: int, run: Listing[int], arch: Architecture
) -> tuple[PairGroup, UInt8[np.ndarray, "s s 3"]]:
  return cut_group(sequence, key, run, arch), cut_key_search(sequence, key, arch)


def _respond(
  params: dict, group: PairGroup, key_search: UInt8[np.ndarray, "s s 3"], arch: Architecture
) -> dict[str, np.ndarray]:
  """One group's rows; frames go through in chunks of one size, so that there is one program."""
  templates, closer = _templates(params, group.template, key_search, group.size_in_crop, arch=arch)
  short = -len(group) % CHUNK
  padded = np.concatenate([group.search, np.repeat(group.search[-1:], short, axis=0)])
  chunks = padded.reshape((-1, CHUNK, *padded.shape[1:]))
  found = [_searches(params, templates, closer, c, arch=arch) for c in chunks]
  responses, coefficients = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*found, strict=True))
  return {
    "responses": responses[: len(group)],
    "coefficients": coefficients[: len(group)],
    "truth_in_search": group.truth_in_search,
    "size_in_crop": np.repeat(group.size_in_crop[None], len(group), axis=0),
    "frames_after_key": group.frames_after_key,
    "key": np.full(len(group), group.key, np.int32),
    "sequence": np.full(len(group), group.sequence),
  }


def _fingerprint(backbone: dict, arch: Architecture, wanted: list) -> str:
  """Changes with the network, the pairs or their boxes."""
  digest = hashlib.sha256(f"{LAYOUT} {arch}".encode())
  for leaf in jax.tree.leaves(backbone):
    digest.update(np.asarray(leaf).tobytes())
  for sequence, key, run in wanted:
    digest.update(repr((sequence.name, key, run)).encode() + sequence.boxes_xywh.tobytes())
  return digest.hexdigest()


def _read(cache: pathlib.Path, fingerprint: str) -> PairTable | None:
  if not cache.is_file():
    return None
  with np.load(cache) as file:
    if str(file["fingerprint"]) != fingerprint:
      return None
  return load_table(cache)


def _write(cache: pathlib.Path, fingerprint: str, table: PairTable) -> None:
  cache.parent.mkdir(parents=True, exist_ok=True)
  partial = cache.with_suffix(".partial.npz")
  np.savez(partial, fingerprint=fingerprint, **dataclasses.asdict(table))
  partial.replace(cache)
