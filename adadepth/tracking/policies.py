"""Fixed, soft and hard gating behind one signature: (params, template, search, threshold) -> Decision.

All of them take n targets, each with a template and a search crop of its own; one target is n = 1. The threshold T
is an array, so that it may change from frame to frame (see `budget`); only hard gating reads it.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.cascade import exit_confidences
from adadepth.maths.features import all_gate_features, gate_features
from adadepth.models.architecture import DEPTH_NAMES, DEPTHS, Architecture
from adadepth.models.gates import apply_gate, gate_logits
from adadepth.models.network import (
  Template,
  block_outputs,
  correlation_map,
  logit_scales,
  ncc_on_grid,
  respond_each,
)
from adadepth.models.vgg import apply_block, preprocess
from adadepth.tracking.partial_batch import on_rows
from adadepth.tracking.reader import Move, read

FIXED = DEPTH_NAMES  # a policy each
POLICIES = (*FIXED, "soft", "hard")


class Decision(NamedTuple):
  """What a policy makes of n search crops.

  Attributes:
    move: what is read of each.
    confidences: c_1..c_5 of Eq. 4; hard gating gives what it never computed as 0, fixed is one-hot, [n, 5].
    depth: the deepest block computed, 0..4, [n].
  """

  move: Move
  confidences: Float[Array, "n 5"]
  depth: Int[Array, "n"]


Policy = Callable[[dict, Template, Array, Array], Decision]


def fixed_policy(
  params: dict, template: Template, search: Array, _: Array, *, arch: Architecture, depth: int
) -> Decision:
  """xcorr1..xcorr5: always stops at one depth, a static exit; nothing deeper is in the program."""

  def stop_there(inputs: tuple[Template, Array]) -> Decision:
    template, crops = inputs
    outputs = block_outputs(params, crops, arch=arch, depths=depth + 1)
    responses = jnp.zeros((len(crops), DEPTHS, arch.search_cells, arch.search_cells))
    for k in (depth,) if arch.reader == "paper" else range(depth + 1):
      responses = responses.at[:, k].set(respond_at(template, outputs[k], depth=k, arch=arch))
    confidences = jnp.tile(jax.nn.one_hot(depth, DEPTHS), (len(crops), 1))
    move = read(params, responses, confidences, refine(template, outputs[0], arch=arch), arch=arch)
    return Decision(move, confidences, jnp.full(len(crops), depth, jnp.int32))

  return on_rows(stop_there, (template, search))


def soft_policy(params: dict, template: Template, search: Array, _: Array, *, arch: Architecture) -> Decision:
  """The five depths by their c_i: the average of their maps (paper), or of their fusion weights; all are computed."""

  def weigh_all(inputs: tuple[Template, Array]) -> Decision:
    template, crops = inputs
    outputs = block_outputs(params, crops, arch=arch, depths=DEPTHS)
    responses = jnp.stack([respond_at(template, x, depth=k, arch=arch) for k, x in enumerate(outputs)], axis=1)
    confidences = gated_confidences(params, responses, arch=arch)
    move = read(params, responses, confidences, refine(template, outputs[0], arch=arch), arch=arch)
    return Decision(move, confidences, jnp.full(len(crops), DEPTHS - 1, jnp.int32))

  return on_rows(weigh_all, (template, search))


def hard_policy(params: dict, template: Template, search: Array, threshold: Array, *, arch: Architecture) -> Decision:
  """The shallowest depth whose c_i exceeds T (the last if none); nothing deeper is computed for that target."""
  n = len(search)
  x, active, left = preprocess(search), jnp.ones(n, bool), jnp.ones(n)
  responses = jnp.zeros((n, DEPTHS, arch.search_cells, arch.search_cells))
  confidences, exits, ncc = jnp.zeros((n, DEPTHS)), jnp.zeros(n, jnp.int32), None
  for depth in range(DEPTHS):

    def next_block(inputs: tuple[Template, Array], *, depth=depth) -> tuple:
      template, x = inputs
      x = apply_block(params["backbone"], x, depth=depth, arch=arch)
      response = respond_at(template, x, depth=depth, arch=arch)
      refined = None if depth else refine(template, x, arch=arch)
      return x, response, stop_share(params, response, depth=depth, arch=arch), refined

    x, response, stop, refined = on_rows(next_block, (template, x), active if depth else None)
    ncc = refined if depth == 0 else ncc
    responses = responses.at[:, depth].set(jnp.where(active[:, None, None], response, 0))
    confidences = confidences.at[:, depth].set(jnp.where(active, left * stop, 0))
    exits = jnp.where(active, depth, exits)
    left *= 1 - stop
    active &= ~(confidences[:, depth] > threshold)
  move = read(params, responses, jax.nn.one_hot(exits, DEPTHS), ncc, arch=arch)
  return Decision(move, confidences, exits)


def gated_confidences(params: dict, responses: Float[Array, "n 5 r r"], *, arch: Architecture) -> Float[Array, "n 5"]:
  """c of Eq. 4 from responses that are already there."""
  features = all_gate_features(responses, logit_scale=logit_scales(params), template_cells=arch.template_cells)
  return exit_confidences(gate_logits(params["gates"], features))


def stop_share(params: dict, response: Float[Array, "n r r"], *, depth: int, arch: Architecture) -> Float[Array, "n"]:
  """sigmoid(phi_i): how much of the confidence that is left a depth takes; the last takes all."""
  if depth == DEPTHS - 1:
    return jnp.ones(len(response))
  see = functools.partial(gate_features, depth=depth, template_cells=arch.template_cells)
  features = jax.vmap(functools.partial(see, logit_scale=logit_scales(params)[depth]))(response)
  return jax.nn.sigmoid(apply_gate(params["gates"], features, depth=depth))


def respond_at(template: Template, x: Float[Array, "n h w c"], *, depth: int, arch: Architecture) -> Array:
  """Each target's response at one depth, from the block's output, [n, r, r]."""
  return respond_each(template.maps[depth], correlation_map(x, depth=depth, arch=arch), arch=arch)


def refine(template: Template, first: Float[Array, "n h w c"], *, arch: Architecture) -> Float[Array, "n s i i"] | None:
  """NCC of each target with the first block's output; None for the paper's reader."""
  if arch.reader == "paper":
    return None
  return jax.vmap(functools.partial(ncc_on_grid, arch=arch))(template.ncc, first)


@functools.cache
def policy_named(name: str, *, arch: Architecture) -> Policy:
  """ "xcorr1".."xcorr5", "soft" or "hard" with everything bound but (params, template, search, threshold).

  Equal arguments give the same object, so that jit does not trace it twice.
  """
  if name == "hard":
    return functools.partial(hard_policy, arch=arch)
  if name == "soft":
    return functools.partial(soft_policy, arch=arch)
  return functools.partial(fixed_policy, arch=arch, depth=FIXED.index(name))
