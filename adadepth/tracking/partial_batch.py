"""Work for some rows of a batch: what the others do not need is not computed for them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, PyTree

# Rows of a chunk, largest first. A CPU is busy with few rows, whose maps then stay in its cache; a GPU wants many.
CHUNKS = {"cpu": (4, 2, 1)}
GPU_CHUNKS = (16, 4)
WASTE = 4  # at most one in so many rows is computed to fill a chunk, but for the smallest size


def on_rows(f: Callable[[PyTree], PyTree], inputs: PyTree, wanted: Bool[Array, "n"] | None = None) -> PyTree:
  """f of the wanted rows of its inputs; nothing is computed for the others, but to fill the last chunk.

  One row is a `lax.cond`; of more, those wanted run in chunks of one static size, by how many they are, so that one
  program serves any mix, and a row is the same bits whatever its place among the others.
  Not `vmap`: there a `lax.cond` becomes a select that runs both sides for every row.

  Args:
    f: maps arrays [m, ...] to arrays [m, ...], row by row, for any m.
    inputs: arrays [n, ...].
    wanted: which rows; None: all.
  Returns:
    What f returns, as arrays [n, ...]; rows that were not wanted mean nothing.
  """
  n = jax.tree.leaves(inputs)[0].shape[0]
  if n == 1 and wanted is None:
    return f(inputs)
  blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(f, inputs))
  if n == 1:
    return lax.cond(wanted[0], f, lambda _: blank, inputs)
  count = n if wanted is None else jnp.sum(wanted)
  order = jnp.arange(n) if wanted is None else jnp.argsort(~wanted)
  sizes = [size for size in CHUNKS.get(jax.default_backend(), GPU_CHUNKS) if size <= n] or [n]
  results, chosen = blank, np.False_
  for size in sizes:
    # One size for all rows: sums of a chunk of another have another order, and then that of the targets would count.
    fits = np.True_ if size == sizes[-1] else -count % size * WASTE <= count
    here, chosen = fits & ~chosen, chosen | fits
    chunks = -(-count // size)
    chunks = jnp.where(here, chunks, 0) if wanted is not None else chunks * int(here)

    def run_chunk(i: Array, results: PyTree, *, size=size) -> PyTree:
      # A last chunk that would reach past the rows begins earlier and does some again.
      chunk = lax.dynamic_slice_in_dim(order, jnp.minimum(i * size, n - size), size)
      computed = f(jax.tree.map(lambda leaf: leaf[chunk], inputs))
      return jax.tree.map(lambda old, new: old.at[chunk].set(new, unique_indices=True), results, computed)

    if not isinstance(chunks, int) or chunks:
      results = lax.fori_loop(0, chunks, run_chunk, results)
  return results
