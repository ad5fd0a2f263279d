"""Fixed, soft and hard gating behind one signature: (params, template, search, threshold) -> Decision.

All of them take n targets, each with a template and a search crop of its own; one target is n = 1. The threshold T
is an array, so that it may change from frame to frame (see `budget`); only hard gating reads it.
"""

import functools
from collections.abc import Callable
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
  respond_each,
)
from adadepth.models.vgg import apply_block, preprocess
from adadepth.tracking.partial_batch import on_rows
from adadepth.tracking.reader import (
  Patch,
  Reading,
  Search,
  agreed,
  average,
  read_paper,
  read_peak,
  share_boxes,
  weighted_sum,
)

FIXED = DEPTH_NAMES  # a policy each


class Decision(NamedTuple):
  """What a policy makes of n search crops.

  Attributes:
    reading: what is read of each.
    confidences: c_1..c_5 of Eq. 4; hard gating gives what it never computed as 0, fixed is one-hot, [n, 5].
    depth: the deepest block computed, 0..4, [n].
    patches: what each depth saw where it read, which templates learn from; None where nobody looks at it.
    computed: whether each depth was computed, [n, 5].
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
    reading: of this depth, with those before it that agree (`reader.agreed`).
    patch: what the box head saw; None for the paper's reader.
  """

  response: Float[Array, "n r r"]
  reading: Reading
  patch: Patch | None


def look_at(
  params: dict,
  template: Template,
  x: Float[Array, "n h w c"],
  last_size: Array,
  before: Reading | None,
  *,
  depth: int,
  arch: Architecture,
) -> AtDepth:
  """Correlates the block's output with the template of its depth, and reads the box there.

  Args:
    before: what was read up to the depth before, which the paper's reader makes nothing of; None at the first.
  """
  searched = correlation_map(x, depth=depth, arch=arch)
  response = respond_each(filter_of(template, depth), searched, arch=arch)
  if arch.reader == "paper":
    return AtDepth(response, read_paper(response, template.size, arch=arch), None)
  reading, patch = read_peak(params, template, searched, response, last_size, depth=depth, arch=arch)
  return AtDepth(response, agreed(before, reading, arch=arch), patch)


def look_through(params: dict, template: Template, search: Search, *, depths: int, arch: Architecture) -> list[AtDepth]:
  """The first `depths` depths, one after the other."""
  found: list[AtDepth] = []
  for depth, x in enumerate(block_outputs(params, search.crops, arch=arch, depths=depths)):
    before = found[-1].reading if found else None
    found.append(look_at(params, template, x, search.last_size, before, depth=depth, arch=arch))
  return found


def fixed_policy(
  params: dict, template: Template, search: Search, _: Array, *, arch: Architecture, depth: int
) -> Decision:
  """xcorr1..xcorr5: always stops at one depth, a static exit; nothing deeper is in the program."""

  def stop_there(inputs: tuple[Template, Search]) -> Decision:
    n = len(inputs[1].crops)
    found = look_through(params, *inputs, depths=depth + 1, arch=arch)
    confidences = jnp.tile(jax.nn.one_hot(depth, DEPTHS), (n, 1))
    # Where boxes are not shared the depths before go unread, and XLA leaves out what nothing reads.
    patches = tuple(at.patch if share_boxes(arch) or k == depth else None for k, at in enumerate(found))
    patches += (None,) * (DEPTHS - 1 - depth)
    exits, computed = jnp.full(n, depth, jnp.int32), jnp.tile(jnp.arange(DEPTHS) <= depth, (n, 1))
    return Decision(found[-1].reading, confidences, exits, patches, computed)

  return on_rows(stop_there, (template, search))


def soft_policy(params: dict, template: Template, search: Search, _: Array, *, arch: Architecture) -> Decision:
  """The five depths by their c_i: the average of their maps (paper) or of their boxes; all are computed."""

  def weigh_all(inputs: tuple[Template, Search]) -> Decision:
    template, search = inputs
    found = look_through(params, template, search, depths=DEPTHS, arch=arch)
    responses = jnp.stack([at.response for at in found], axis=1)
    readings = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *(at.reading for at in found))
    confidences = gated_confidences(params, responses, readings.score, arch=arch)
    if arch.reader == "paper":
      reading = read_paper(weighted_sum(confidences, responses), template.size, arch=arch)
    else:
      reading = average(readings, confidences)
    n, patches = len(search.crops), tuple(at.patch for at in found)
    return Decision(reading, confidences, jnp.full(n, DEPTHS - 1, jnp.int32), patches, jnp.ones((n, DEPTHS), bool))

  return on_rows(weigh_all, (template, search))


def stop_share(params: dict, at: AtDepth, *, depth: int, arch: Architecture) -> Float[Array, "n"]:
  """sigmoid(phi_i): how much of the confidence that is left a depth takes; the last takes all."""
  if depth == DEPTHS - 1:
    return jnp.ones(len(at.response))
  see = functools.partial(gate_features, depth=depth, template_cells=arch.template_cells)
  features = jax.vmap(functools.partial(see, logit_scale=logit_scales(params)[depth]))(at.response, at.reading.score)
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
  confidences, exits = jnp.zeros((n, DEPTHS)), jnp.zeros(n, jnp.int32)
  reading, patches, computed = None, [], []
  for depth in range(DEPTHS):

    def next_block(
      inputs: tuple[Template, Array, Array, Reading | None], *, depth=depth
    ) -> tuple[Array, AtDepth, Array]:
      template, x, last_size, before = inputs
      x = apply_block(params["backbone"], x, depth=depth, arch=arch)
      at = look_at(params, template, x, last_size, before, depth=depth, arch=arch)
      return x, at, share(params, at, depth=depth, arch=arch)

    x, at, stop = on_rows(next_block, (template, x, search.last_size, reading), active if depth else None)
    patches.append(at.patch)
    computed.append(active)
    reading = jax.tree.map(functools.partial(_where, active), at.reading, reading) if depth else at.reading
    confidences = confidences.at[:, depth].set(jnp.where(active, left * stop, 0))
    exits = jnp.where(active, depth, exits)
    left *= 1 - stop
    active &= ~(confidences[:, depth] > threshold)
  return Decision(reading, confidences, exits, tuple(patches), jnp.stack(computed, axis=1))


def _where(rows: Array, new: Array, old: Array) -> Array:
  return jnp.where(rows.reshape((-1,) + (1,) * (new.ndim - 1)), new, old)


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
