"""The policies of `policies` for n targets at once: (params, templates, searches, thresholds) -> Decision,
all with a leading n.

Hard gating of a batch computes each block for the rows that are still in it and for no others. Rows run in chunks
of static sizes, as many chunks as the rows need, so that one program serves any mix of exits.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, PyTree

from adadepth.maths.fusion import weighed
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.fusion_weights import belief_at
from adadepth.models.network import CLOSER_DEPTHS, block_outputs, correlation_map, fine_map, respond_each
from adadepth.models.vgg import apply_block, preprocess
from adadepth.tracking.looking import Seen, look, nothing_seen
from adadepth.tracking.policies import FIXED, Decision, Policy, exit_reading, gated_confidences, soft_response

# Rows of a chunk, largest first. A CPU is busy with few rows, whose maps then stay in its cache; a GPU wants many.
CHUNKS = {"cpu": (4, 2, 1)}
GPU_CHUNKS = (16, 4)


def on_rows(
  f: Callable[[PyTree], PyTree], inputs: PyTree, rows: Int[Array, "n"], count: Int[Array, ""] | int
) -> PyTree:
  """f of some rows of its inputs; nothing is computed for the others, but to fill the last chunk.

  Args:
    f: maps arrays [m, ...] to arrays [m, ...], row by row, for any m.
    inputs: arrays [n, ...].
    rows: an order of all n rows, those to compute first.
    count: how many are computed.
  Returns:
    What f returns, as arrays [n, ...]; the rows that were not asked for mean nothing.
  """
  n = rows.shape[0]
  results = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(f, inputs))
  sizes = [size for size in CHUNKS.get(jax.default_backend(), GPU_CHUNKS) if size <= n] or [n]
  start = 0
  for size in sizes:
    left = count - start
    chunks = -(-left // size) if size == sizes[-1] else left // size

    def run_chunk(i: Array, results: PyTree, *, start=start, size=size) -> PyTree:
      # A last chunk that would reach past the rows begins earlier and does some again.
      chunk = lax.dynamic_slice_in_dim(rows, jnp.minimum(start + i * size, n - size), size)
      computed = f(jax.tree.map(lambda leaf: leaf[chunk], inputs))
      return jax.tree.map(lambda old, new: old.at[chunk].set(new, unique_indices=True), results, computed)

    if not isinstance(chunks, int) or chunks:
      results = lax.fori_loop(0, chunks, run_chunk, results)
    start += chunks * size
  return results


def fixed_policy_each(
  params: dict, templates: tuple, searches: Array, _: Array, *, arch: Architecture, depth: int
) -> Decision:
  """`fixed_policy` of each of n targets.

  Args:
    templates: the targets' whitened maps, one array a depth, [n, cells, cells, channels_k].
    searches: their search crops, RGB 0..255, [n, px, px, 3].
    _: T of each, which hard gating alone reads, [n].
  """

  def respond_at_depth(inputs: tuple) -> tuple[Array, Array | None]:
    template_map, crops = inputs
    outputs = block_outputs(params, crops, arch=arch, depths=depth + 1)
    search_map = correlation_map(outputs[depth], depth=depth, arch=arch)
    return respond_each(template_map, search_map, arch=arch), fine_map(outputs[0], depth=0, arch=arch)

  n = searches.shape[0]
  responses, fine = on_rows(respond_at_depth, (templates[depth], searches), jnp.arange(n), n)
  return Decision(responses, jnp.tile(jax.nn.one_hot(depth, DEPTHS), (n, 1)), jnp.full(n, depth), (fine, None))


def soft_policy_each(
  params: dict, templates: tuple, searches: Array, _: Array, *, arch: Architecture, readout: Readout
) -> Decision:
  """`soft_policy` of each of n targets; arguments as of `fixed_policy_each`."""

  def all_responses(inputs: tuple) -> tuple[Array, tuple]:
    outputs = block_outputs(params, inputs[1], arch=arch, depths=DEPTHS)
    maps = [correlation_map(x, depth=depth, arch=arch) for depth, x in enumerate(outputs)]
    responses = [respond_each(t, m, arch=arch) for t, m in zip(inputs[0], maps, strict=True)]
    fine = tuple(fine_map(outputs[k], depth=k, arch=arch) for k in range(CLOSER_DEPTHS))
    return jnp.stack(responses, axis=1), fine

  n = searches.shape[0]
  responses, fine = on_rows(all_responses, (templates, searches), jnp.arange(n), n)
  confidences = gated_confidences(params, responses, arch=arch, readout=readout)
  depths = jnp.full(n, DEPTHS - 1)
  if readout.combine == "exit":
    return Decision(soft_response(responses, confidences), confidences, depths, fine)
  beliefs = jax.vmap(functools.partial(belief_at, params["beliefs"]))(confidences)
  return Decision(jax.vmap(weighed)(beliefs, responses), confidences, depths, fine, beliefs)


def hard_policy_each(
  params: dict, templates: tuple, searches: Array, thresholds: Array, *, arch: Architecture, readout: Readout
) -> Decision:
  """`hard_policy` of each of n targets: a block is computed for the rows that no shallower depth stopped.

  Arguments as of `fixed_policy_each`.
  """
  n = searches.shape[0]
  x, active = preprocess(searches), jnp.ones(n, bool)
  seen = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (n, *leaf.shape)), nothing_seen(arch))
  responses, confidences, exits, fine = seen.responses, seen.confidences, jnp.zeros(n, int), [None, None]
  fine_depths = CLOSER_DEPTHS if readout.combine == "posterior" else 1
  for depth in range(DEPTHS):

    def next_block(inputs: tuple, *, depth=depth) -> tuple[Array, Seen, Array | None]:
      template_map, x, seen = inputs
      x = apply_block(params["backbone"], x, depth=depth, arch=arch)
      responses = respond_each(template_map, correlation_map(x, depth=depth, arch=arch), arch=arch)
      seen = jax.vmap(functools.partial(look, params, depth=depth, arch=arch, readout=readout))(seen, responses)
      return x, seen, fine_map(x, depth=depth, arch=arch) if depth < fine_depths else None

    x, seen, found = on_rows(next_block, (templates[depth], x, seen), jnp.argsort(~active), jnp.sum(active))
    if depth < fine_depths:
      fine[depth] = found
    responses = jnp.where(active[:, None, None, None], seen.responses, responses)
    confidences = jnp.where(active[:, None], seen.confidences, confidences)
    exits = jnp.where(active, depth, exits)
    active &= ~(seen.confidences[:, depth] > thresholds)
  read = jax.vmap(functools.partial(exit_reading, params, readout=readout))
  response, beliefs = read(responses, exits)
  return Decision(response, confidences, exits, tuple(fine), beliefs)


@functools.cache
def policy_each_named(name: str, *, arch: Architecture, readout: Readout) -> Policy:
  """`policy_named` for n targets at once."""
  if name == "hard":
    return functools.partial(hard_policy_each, arch=arch, readout=readout)
  if name == "soft":
    return functools.partial(soft_policy_each, arch=arch, readout=readout)
  return functools.partial(fixed_policy_each, arch=arch, depth=FIXED.index(name))
