"""Fixed, soft and hard gating behind one signature: (params, template, search, threshold) -> Decision.

All of them take n targets, each with a template and a search crop of its own; one target is n = 1. The threshold T
is an array, so that it may change from frame to frame (see `budget`); only hard gating reads it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from adadepth.maths.cascade import exit_confidences
from adadepth.maths.features import all_gate_features, gate_features
from adadepth.models.architecture import DEPTH_NAMES, DEPTHS, Architecture
from adadepth.models.gates import apply_gate, gate_logits
from adadepth.models.network import (
  Template,
  block_outputs,
  correlation_map,
  filter_of,
  logit_scales,
  ncc_on_grid,
  respond_each,
)
from adadepth.models.vgg import apply_block, preprocess
from adadepth.tracking.partial_batch import on_rows
from adadepth.tracking.reader import Patch, Reading, Search, average, read_maps, read_peak

FIXED = DEPTH_NAMES  # a policy each


class Decision(NamedTuple):
  """What a policy makes of n search crops.

  Attributes:
    reading: what is read of each.
    confidences: c_1..c_5 of Eq. 4; hard gating gives what it never computed as 0, fixed is one-hot, [n, 5].
    depth: the deepest block computed, 0..4, [n].
    patches: what each depth saw where it read, which templates learn from; None where it read nothing.
    computed: at which depths there is one of it, [n, 5].
  """

  reading: Reading
  confidences: Float[Array, "n 5"]
  depth: Int[Array, "n"]
  patches: tuple[Patch | None, ...]
  computed: Bool[Array, "n 5"]


Policy = Callable[[dict, Template, Search, Array], Decision]


class AtDepth(NamedTuple):
  """What one depth adds; of n targets.

  Attributes:
    response: [n, r, r].
    reading, patch: the box head's, and what it saw; None for other readers.
    ncc: see `network.ncc_on_grid`, of the first depth for the reader "fusion"; else None.
  """

  response: Float[Array, "n r r"]
  reading: Reading | None
  patch: Patch | None
  ncc: Float[Array, "n s i i"] | None


def look_at(
  params: dict, template: Template, x: Float[Array, "n h w c"], last_size: Array, *, depth: int, arch: Architecture
) -> AtDepth:
  """Correlates the block's output with the template of its depth, and reads what can be read there."""
  searched = correlation_map(x, depth=depth, arch=arch)
  response, reading, patch, ncc = respond_each(filter_of(template, depth), searched, arch=arch), None, None, None
  if arch.reader == "box":
    reading, patch = read_peak(params, template, searched, response, last_size, depth=depth, arch=arch)
  elif arch.reader == "fusion" and depth == 0:
    ncc = jax.vmap(functools.partial(ncc_on_grid, arch=arch))(template.ncc, x)
  return AtDepth(response, reading, patch, ncc)


def fixed_policy(
  params: dict, template: Template, search: Search, _: Array, *, arch: Architecture, depth: int
) -> Decision:
  """xcorr1..xcorr5: always stops at one depth, a static exit; nothing deeper is in the program."""

  def stop_there(inputs: tuple[Template, Search]) -> Decision:
    template, search = inputs
    outputs, n = block_outputs(params, search.crops, arch=arch, depths=depth + 1), len(search.crops)
    needed = range(depth + 1) if arch.reader == "fusion" else (depth,)
    found = {k: look_at(params, template, outputs[k], search.last_size, depth=k, arch=arch) for k in needed}
    confidences = jnp.tile(jax.nn.one_hot(depth, DEPTHS), (n, 1))
    if arch.reader == "box":
      reading = found[depth].reading
    else:
      responses = jnp.zeros((n, DEPTHS, arch.search_cells, arch.search_cells))
      for k, at in found.items():
        responses = responses.at[:, k].set(at.response)
      reading = read_maps(params, template, responses, confidences, found[needed[0]].ncc, arch=arch)
    patches = tuple(found[k].patch if k in found else None for k in range(DEPTHS))
    computed = jnp.ones((n, DEPTHS), bool)
    return Decision(reading, confidences, jnp.full(n, depth, jnp.int32), patches, computed)

  return on_rows(stop_there, (template, search))


def soft_policy(params: dict, template: Template, search: Search, _: Array, *, arch: Architecture) -> Decision:
  """The five depths by their c_i: the average of their maps (paper), weights or boxes; all are computed."""

  def weigh_all(inputs: tuple[Template, Search]) -> Decision:
    template, search = inputs
    outputs = block_outputs(params, search.crops, arch=arch, depths=DEPTHS)
    found = [look_at(params, template, x, search.last_size, depth=k, arch=arch) for k, x in enumerate(outputs)]
    responses = jnp.stack([at.response for at in found], axis=1)
    readings = stacked_readings(found, arch=arch)
    confidences = gated_confidences(params, responses, readings.score, arch=arch)
    if arch.reader == "box":
      reading = average(readings, confidences)
    else:
      reading = read_maps(params, template, responses, confidences, found[0].ncc, arch=arch)
    n, patches = len(search.crops), tuple(at.patch for at in found)
    return Decision(reading, confidences, jnp.full(n, DEPTHS - 1, jnp.int32), patches, jnp.ones((n, DEPTHS), bool))

  return on_rows(weigh_all, (template, search))


def stop_share(params: dict, at: AtDepth, *, depth: int, arch: Architecture) -> Float[Array, "n"]:
  """sigmoid(phi_i): how much of the confidence that is left a depth takes; the last takes all."""
  if depth == DEPTHS - 1:
    return jnp.ones(len(at.response))
  scores = jnp.zeros(len(at.response)) if at.reading is None else at.reading.score
  see = functools.partial(gate_features, depth=depth, template_cells=arch.template_cells)
  features = jax.vmap(functools.partial(see, logit_scale=logit_scales(params)[depth]))(at.response, scores)
  return jax.nn.sigmoid(apply_gate(params["gates"], features, depth=depth))


def hard_policy(
  params: dict,
  template: Template,
  search: Search,
  threshold: Array,
  *,
  arch: Architecture,
  share: Callable[..., Array] = stop_share,
) -> Decision:
  """The shallowest depth whose c_i exceeds T (the last if none); nothing deeper is computed for that target.

  Args:
    share: what a depth takes of the confidence that is left, as `stop_share`; of a policy of one's own, another.
  """
  n = len(search.crops)
  x, active, left = preprocess(search.crops), jnp.ones(n, bool), jnp.ones(n)
  responses = jnp.zeros((n, DEPTHS, arch.search_cells, arch.search_cells))
  confidences, exits, reading, ncc = jnp.zeros((n, DEPTHS)), jnp.zeros(n, jnp.int32), None, None
  patches, computed = [], []
  for depth in range(DEPTHS):

    def next_block(inputs: tuple[Template, Array, Array], *, depth=depth) -> tuple[Array, AtDepth, Array]:
      template, x, last_size = inputs
      x = apply_block(params["backbone"], x, depth=depth, arch=arch)
      at = look_at(params, template, x, last_size, depth=depth, arch=arch)
      return x, at, share(params, at, depth=depth, arch=arch)

    x, at, stop = on_rows(next_block, (template, x, search.last_size), active if depth else None)
    ncc = ncc if depth else at.ncc
    patches.append(at.patch)
    computed.append(active)
    responses = responses.at[:, depth].set(jnp.where(active[:, None, None], at.response, 0))
    reading = jax.tree.map(functools.partial(_where, active), at.reading, reading) if depth else at.reading
    confidences = confidences.at[:, depth].set(jnp.where(active, left * stop, 0))
    exits = jnp.where(active, depth, exits)
    left *= 1 - stop
    active &= ~(confidences[:, depth] > threshold)
  if reading is None:
    reading = read_maps(params, template, responses, jax.nn.one_hot(exits, DEPTHS), ncc, arch=arch)
  return Decision(reading, confidences, exits, tuple(patches), jnp.stack(computed, axis=1))


def _where(rows: Array, new: Array, old: Array) -> Array:
  return jnp.where(rows.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)


def stacked_readings(found: Sequence[AtDepth], *, arch: Architecture) -> Reading:
  """The readings of all depths, [n, 5]; zeros for readers that do not read at each."""
  if arch.reader == "box":
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *(at.reading for at in found))
  none = jnp.zeros((len(found[0].response), DEPTHS))
  return Reading(jnp.zeros((*none.shape, 2)), jnp.zeros((*none.shape, 2)), none)


def gated_confidences(
  params: dict, responses: Float[Array, "n 5 r r"], scores: Float[Array, "n 5"], *, arch: Architecture
) -> Float[Array, "n 5"]:
  """c of Eq. 4 from responses and scores that are already there."""
  scale = logit_scales(params)
  features = all_gate_features(responses, scores, logit_scale=scale, template_cells=arch.template_cells)
  return exit_confidences(gate_logits(params["gates"], features))


# By name; a policy of one's own is an entry more.
POLICIES: dict[str, Callable[..., Decision]] = {
  **{name: functools.partial(fixed_policy, depth=depth) for depth, name in enumerate(FIXED)},
  "soft": soft_policy,
  "hard": hard_policy,
}


@functools.cache
def policy_named(name: str, *, arch: Architecture) -> Policy:
  """One of `POLICIES` with everything bound but (params, template, search, threshold).

  Equal arguments give the same object, so that jit does not trace it twice.
  """
  return functools.partial(POLICIES[name], arch=arch)
