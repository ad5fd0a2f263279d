"""Fixed, soft and hard gating behind one signature: (params, templates, search, threshold) -> Decision.

The threshold T is an array, so that it may change from frame to frame (see `budget`); only hard gating reads it.

Each is for one target and one frame, and compiles to one XLA program. Not batched on purpose: under `vmap`,
`lax.cond` becomes a select that runs every branch. `batch` has the same policies for many targets at once.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from adadepth.maths.architecture import DEPTHS, Architecture
from adadepth.maths.cascade import exit_confidences
from adadepth.maths.features import all_gate_features
from adadepth.maths.readout import Readout
from adadepth.params.gates import gate_logits
from adadepth.params.vgg import apply_block, preprocess
from adadepth.programs.looking import Seen, look, nothing_seen
from adadepth.programs.network import correlation_map, logit_scales, respond, search_maps, search_responses

FIXED = tuple(f"xcorr{k + 1}" for k in range(DEPTHS))
POLICIES = (*FIXED, "soft", "hard")


class Decision(NamedTuple):
  """What a policy makes of one search frame, or of n, with a leading axis.

  Attributes:
    response: the map to read the displacement from, [*n, r, r].
    confidences: c_1..c_5 of Eq. 4; hard gating gives what it never computed as 0, fixed is one-hot, [*n, 5].
    depth: the deepest block computed, 0..4, [*n].
  """

  response: Float[Array, "*n r r"]
  confidences: Float[Array, "*n 5"]
  depth: Int[Array, "*n"]


Policy = Callable[[dict, tuple, Array, Array], Decision]
Threshold = float | Float[Array, ""]


def fixed_policy(
  params: dict, templates: tuple, search: Array, _: Threshold, *, arch: Architecture, depth: int
) -> Decision:
  """xcorr1..xcorr5: always the map of one depth; nothing deeper is in the program."""
  search_map = search_maps(params, search[None], arch=arch, depths=depth + 1)[depth]
  response = respond(templates[depth], search_map, arch=arch)[0]
  return Decision(response, jax.nn.one_hot(depth, DEPTHS), jnp.int32(depth))


def soft_policy(
  params: dict, templates: tuple, search: Array, _: Threshold, *, arch: Architecture, readout: Readout
) -> Decision:
  """The c_i-weighted average of the five maps; all five are computed."""
  responses = search_responses(params, templates, search[None], arch=arch)[0]
  confidences = gated_confidences(params, responses[None], arch=arch, readout=readout)[0]
  return Decision(soft_response(responses, confidences), confidences, jnp.int32(DEPTHS - 1))


def hard_policy(
  params: dict, templates: tuple, search: Array, threshold: Threshold, *, arch: Architecture, readout: Readout
) -> Decision:
  """The shallowest depth whose c_i exceeds the threshold (the last if none); nothing deeper is computed."""

  def from_depth(depth: int, x: Array, seen: Seen) -> Decision:
    x = apply_block(params["backbone"], x, depth=depth, arch=arch)
    search_map = correlation_map(x, depth=depth, arch=arch)
    response = respond(templates[depth], search_map, arch=arch)[0]
    seen = look(params, seen, response, depth=depth, arch=arch, readout=readout)
    decision = Decision(seen.response, seen.confidences, jnp.int32(depth))
    if depth == DEPTHS - 1:
      return decision
    return lax.cond(seen.confidences[depth] > threshold, lambda: decision, lambda: from_depth(depth + 1, x, seen))

  return from_depth(0, preprocess(search[None]), nothing_seen(arch))


def gated_confidences(
  params: dict, responses: Float[Array, "b 5 r r"], *, arch: Architecture, readout: Readout
) -> Float[Array, "b 5"]:
  """c of Eq. 4 from responses that are already there."""
  features = all_gate_features(
    responses, logit_scale=logit_scales(params), template_cells=arch.template_cells, readout=readout
  )
  return exit_confidences(gate_logits(params["gates"], features))


def soft_response(responses: Float[Array, "*b k r r"], confidences: Float[Array, "*b k"]) -> Float[Array, "*b r r"]:
  """sum_i c_i R_i, [*b, r, r]."""
  return jnp.sum(responses * confidences[..., None, None], axis=-3)


@functools.cache
def policy_named(name: str, *, arch: Architecture, readout: Readout) -> Policy:
  """ "xcorr1".."xcorr5", "soft" or "hard" with everything bound but (params, templates, search, threshold).

  Equal arguments give the same object, so that jit does not trace it twice.
  """
  if name == "hard":
    return functools.partial(hard_policy, arch=arch, readout=readout)
  if name == "soft":
    return functools.partial(soft_policy, arch=arch, readout=readout)
  return functools.partial(fixed_policy, arch=arch, depth=FIXED.index(name))
