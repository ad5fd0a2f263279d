"""Responses of key and search pairs: computed once, cached, and then all that gates and scores need."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from collections.abc import Sequence as Listing

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped, UInt8

from adadepth.data.ahead import map_ahead
from adadepth.data.pairs import PairGroup, cut_group, cut_key_search, evaluation_keys
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.cache import awaited, digest_of, file_of, keep, kept, key_of
from adadepth.io.processes import alone, gathered, share
from adadepth.io.progress import progress
from adadepth.maths.geometry import box_center
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import (
  Template,
  correlation_maps,
  filter_of,
  make_template,
  prepare_params,
  respond,
)
from adadepth.tracking.reader import agreed, read_paper, read_peak

CHUNK = 5
ROWS = 4096  # pairs whose responses are on a device at a time
# (rng, n, arch) -> how far n boxes are off, as `drifted_pairs.drift` has it.
Errors = Callable[[np.random.Generator, int, Architecture], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class PairTable:
  """n key and search pairs with their five responses, in the order of `data.pairs`.

  Attributes:
    responses: [n, 5, r, r].
    center, size, score: what is read at each depth (`box_head.Reading`), [n, 5, 2], [n, 5, 2] and [n, 5].
    truth_in_search: true box, xywh, pixels of the search crop, [n, 4].
    size_in_crop: the key's box (w, h), crop pixels, [n, 2].
    last_size: see `PairGroup`, [n, 2].
    frames_after_key: [n].
    key: index of the key's frame, [n].
    sequence: the sequence's name, [n].
    here: the pairs, ascending, whose responses this process has, [m]: of several processes each has those of its own
      videos, and `responses` is [m, 5, r, r]. None: all, in one process.
  """

  responses: Float[np.ndarray | Array, "m 5 r r"]
  center: Float[np.ndarray, "n 5 2"]
  size: Float[np.ndarray, "n 5 2"]
  score: Float[np.ndarray, "n 5"]
  truth_in_search: Float[np.ndarray, "n 4"]
  size_in_crop: Float[np.ndarray, "n 2"]
  last_size: Float[np.ndarray, "n 2"]
  frames_after_key: Int[np.ndarray, "n"]
  key: Int[np.ndarray, "n"]
  sequence: Shaped[np.ndarray, "n"]
  here: Int[np.ndarray, "m"] | None = None

  def __len__(self) -> int:
    return len(self.sequence)

  def displacement_in_search(self, arch: Architecture) -> Float[np.ndarray, "n 2"]:
    """True displacement (x, y) from the search crop's centre, crop pixels."""
    return box_center(self.truth_in_search) - np.float32(arch.search_px / 2)


COLUMNS = tuple(field.name for field in dataclasses.fields(PairTable) if field.name != "here")


def joined(tables: Listing[PairTable]) -> PairTable:
  """The pairs of several tables as one."""
  return PairTable(**{name: np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS})


def in_chunks(function: Callable[..., Array], *columns: np.ndarray) -> np.ndarray:
  """A function of n rows, `ROWS` at a time, so that a device never has all of them.

  Args:
    function: compiled, from arrays with a leading n to one of n rows, each by itself.
  """
  n = len(columns[0])
  if n <= ROWS:
    return np.asarray(function(*columns))
  starts = [min(start, n - ROWS) for start in range(0, n, ROWS)]  # the last chunk overlaps: there is one program
  parts = [np.asarray(function(*(column[start : start + ROWS] for column in columns))) for start in starts]
  return np.concatenate([*parts[:-1], parts[-1][starts[-2] + ROWS - starts[-1] :]])


def of_responses(function: Callable[..., Array], table: PairTable, *columns: np.ndarray) -> np.ndarray:
  """What `in_chunks` makes of the responses and other columns of every pair, each in the process that has it.

  Args:
    columns: of all pairs, [n, ...].
  Returns:
    In all processes, [n, ...].
  """
  if table.here is None:
    return in_chunks(function, table.responses, *columns)
  return gathered(in_chunks(function, table.responses, *(c[table.here] for c in columns)), table.here, len(table))


def pair_table(
  params: dict,
  sequences: Listing[Sequence],
  *,
  arch: Architecture,
  keys: int,
  frames: int,
  threads: int,
  folder: pathlib.Path | None,
  description: str,
  errors: Errors | None = None,
) -> PairTable:
  """The responses of every evaluation pair of the sequences.

  Args:
    keys: keys a sequence, 0: all; frames: search frames a key, 0: all 25.
    threads: that cut crops ahead of the network.
    folder: where each sequence's are kept, and taken from if nothing that they depend on has changed (`cache`). Several
      processes share the sequences, and the folder; without one each makes all.
    description: for the progress bar.
    errors: how far the boxes are off that search crops are cut around, `drift` as a tracker's are; None: not at all.
  Raises:
    InputError: no pair in any of the sequences.
  """
  wanted = {s.name: evaluation_keys(s, arch, keys=keys, frames=frames) for s in sequences}
  with_pairs = [sequence for sequence in sequences if wanted[sequence.name]]
  if not with_pairs:
    raise InputError(
      f"{description}: no sequence has two frames in a row with a box, and so no pair; give one that has"
    )
  prepared = prepare_params(params, arch)

  weights = digest_of([params.get(name) for name in ("backbone", "head", "box")])

  def place(sequence: Sequence) -> tuple[pathlib.Path, str]:
    return file_of(folder, sequence), key_of(sequence, weights, arch, wanted[sequence.name], errors is not None)

  def own(sequence: Sequence) -> PairTable:
    if folder and (arrays := kept(*place(sequence))) is not None:
      return PairTable(**arrays)
    arrays = sequence_pairs(prepared, sequence, wanted[sequence.name], arch=arch, threads=threads, errors=errors)
    if folder:
      keep(*place(sequence), arrays)
    return PairTable(**arrays)

  def others(sequence: Sequence) -> PairTable:
    none = np.zeros((0, DEPTHS, arch.search_cells, arch.search_cells), np.float32)
    return PairTable(responses=none, **awaited(*place(sequence), COLUMNS[1:]))

  shared = folder is not None and not alone()
  ours = share(with_pairs) if shared else with_pairs
  made = {sequence.name: own(sequence) for sequence in progress(ours, description)}
  table = joined([made[s.name] if s.name in made else others(s) for s in with_pairs])
  here = np.flatnonzero(np.isin(table.sequence, list(made))) if shared else None
  return dataclasses.replace(table, here=here)


def sequence_pairs(
  params: dict,
  sequence: Sequence,
  wanted: Listing[tuple[int, list[int]]],
  *,
  arch: Architecture,
  threads: int,
  errors: Errors | None = None,
) -> dict[str, np.ndarray]:
  """The columns of a PairTable for the keys and search frames of one sequence."""
  cuts = map_ahead(lambda item: _cut(sequence, *item, arch, errors), wanted, threads=threads, buffer=4)
  rows = [_respond(params, *cut, arch) for cut in cuts]
  return {name: np.concatenate([row[name] for row in rows]) for name in COLUMNS}


_template = jax.jit(make_template, static_argnames="arch")


@functools.partial(jax.jit, static_argnames="arch")
def _searches(params, template: Template, search, last_size, *, arch):
  each = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], len(search), axis=0), template)
  responses, readings = [], []
  for depth, searched in enumerate(correlation_maps(params, search, arch=arch)):
    response = respond(filter_of(template, depth), searched, arch=arch)
    if arch.reader == "paper":
      reading = read_paper(response, each.size, arch=arch)
    else:
      own, _ = read_peak(params, each, searched, response, last_size, depth=depth, arch=arch)
      reading = agreed(readings[-1] if readings else None, own, arch=arch)
    responses.append(response)
    readings.append(reading)
  readings = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *readings)
  return (jnp.stack(responses, axis=1), *readings)


def _cut(
  sequence: Sequence, key: int, run: Listing[int], arch: Architecture, errors: Errors | None
) -> tuple[PairGroup, UInt8[np.ndarray, "s s 3"]]:
  rng = named_generator(0, f"drift of {sequence.name}", key)
  off = () if errors is None else errors(rng, len(run), arch)
  return cut_group(sequence, key, run, arch, *off), cut_key_search(sequence, key, arch)


def _respond(
  params: dict, group: PairGroup, key_search: UInt8[np.ndarray, "s s 3"], arch: Architecture
) -> dict[str, np.ndarray]:
  """One group's rows; frames go through in chunks of one size, so that there is one program."""
  template = _template(params, group.template, key_search, group.size_in_crop, arch=arch)
  short = -len(group) % CHUNK
  padded = np.concatenate([group.search, np.repeat(group.search[-1:], short, axis=0)])
  sizes = np.concatenate([group.last_size, np.repeat(group.last_size[-1:], short, axis=0)])
  chunks = [array.reshape((-1, CHUNK, *array.shape[1:])) for array in (padded, sizes)]
  found = [_searches(params, template, *chunk, arch=arch) for chunk in zip(*chunks, strict=True)]
  columns = (np.concatenate([np.asarray(part) for part in parts])[: len(group)] for parts in zip(*found, strict=True))
  return {
    **dict(zip(("responses", "center", "size", "score"), columns, strict=True)),
    "truth_in_search": group.truth_in_search,
    "size_in_crop": np.repeat(group.size_in_crop[None], len(group), axis=0),
    "last_size": group.last_size,
    "frames_after_key": group.frames_after_key,
    "key": np.full(len(group), group.key, np.int32),
    "sequence": np.full(len(group), group.sequence),
  }
