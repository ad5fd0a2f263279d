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

from adadepth.maths.cascade import exit_confidences
from adadepth.maths.features import all_gate_features
from adadepth.maths.fusion import Belief, weighed
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import DEPTH_NAMES, DEPTHS, Architecture
from adadepth.models.fusion_weights import belief_at
from adadepth.models.gates import gate_logits
from adadepth.models.network import (
  CLOSER_DEPTHS,
  block_outputs,
  correlation_map,
  fine_map,
  logit_scales,
  respond,
  respond_all,
)
from adadepth.models.vgg import apply_block
from adadepth.tracking.looking import Seen, look, nothing_seen

FIXED = DEPTH_NAMES  # a policy each
POLICIES = (*FIXED, "soft", "hard")


class Decision(NamedTuple):
  """What a policy makes of one search frame, or of n, with a leading axis.

  Attributes:
    response: the map to read the displacement from, or, where there is a belief, the sum of all as it weighs them,
      [*n, r, r].
    confidences: c_1..c_5 of Eq. 4; hard gating gives what it never computed as 0, fixed is one-hot, [*n, 5].
    depth: the deepest block computed, 0..4, [*n].
    fine_maps: of the first block and, where gated policies read a posterior, of the second (0 where it was not
      computed), for a closer look; None for a network without one.
    belief: how the posterior is made that gated policies read (`maths.posterior`); None: the peak is read.
  """

  response: Float[Array, "*n r r"]
  confidences: Float[Array, "*n 5"]
  depth: Int[Array, "*n"]
  fine_maps: tuple[Float[Array, "*n _ _ _"] | None, Float[Array, "*n _ _ _"] | None] = (None, None)
  belief: Belief | None = None


Policy = Callable[[dict, tuple, Array, Array], Decision]
Threshold = float | Float[Array, ""]


def fixed_policy(
  params: dict, templates: tuple, search: Array, _: Threshold, *, arch: Architecture, depth: int
) -> Decision:
  """xcorr1..xcorr5: always the map of one depth; nothing deeper is in the program."""
  outputs = block_outputs(params, search[None], arch=arch, depths=depth + 1)
  response = respond(templates[depth], correlation_map(outputs[depth], depth=depth, arch=arch), arch=arch)[0]
  fine = _only(fine_map(outputs[0], depth=0, arch=arch))
  return Decision(response, jax.nn.one_hot(depth, DEPTHS), jnp.int32(depth), (fine, None))


def soft_policy(
  params: dict, templates: tuple, search: Array, _: Threshold, *, arch: Architecture, readout: Readout
) -> Decision:
  """The c_i-weighted average of the five maps, or of the five depths' beliefs in them; all five are computed."""
  outputs = block_outputs(params, search[None], arch=arch, depths=DEPTHS)
  responses = respond_all(templates, outputs, arch=arch)[0]
  confidences = gated_confidences(params, responses[None], arch=arch, readout=readout)[0]
  fine = tuple(_only(fine_map(outputs[k], depth=k, arch=arch)) for k in range(CLOSER_DEPTHS))
  if readout.combine == "exit":
    return Decision(soft_response(responses, confidences), confidences, jnp.int32(DEPTHS - 1), fine)
  belief = belief_at(params["beliefs"], confidences)
  return Decision(weighed(belief, responses), confidences, jnp.int32(DEPTHS - 1), fine, belief)


def hard_policy(
  params: dict, templates: tuple, search: Array, threshold: Threshold, *, arch: Architecture, readout: Readout
) -> Decision:
  """The shallowest depth whose c_i exceeds the threshold (the last if none); nothing deeper is computed."""
  reads_second = readout.combine == "posterior" and arch.finer_px > 0

  def from_depth(depth: int, x: Array, seen: Seen, second: Array | None) -> tuple[Seen, Array | None, Array]:
    response = respond(templates[depth], correlation_map(x, depth=depth, arch=arch), arch=arch)[0]
    seen = look(params, seen, response, depth=depth, arch=arch, readout=readout)
    if depth == 1 and reads_second:
      second = fine_map(x, depth=1, arch=arch)[0]
    if depth == DEPTHS - 1:
      return seen, second, jnp.int32(depth)

    def deeper() -> tuple[Seen, Array | None, Array]:
      return from_depth(depth + 1, apply_block(params["backbone"], x, depth=depth + 1, arch=arch), seen, second)

    return lax.cond(seen.confidences[depth] > threshold, lambda: (seen, second, jnp.int32(depth)), deeper)

  (first,) = block_outputs(params, search[None], arch=arch, depths=1)
  seen, second, depth = from_depth(0, first, nothing_seen(arch), no_second_map(arch) if reads_second else None)
  response, belief = exit_reading(params, seen.responses, depth, readout=readout)
  return Decision(response, seen.confidences, depth, (_only(fine_map(first, depth=0, arch=arch)), second), belief)


def no_second_map(arch: Architecture) -> Float[Array, "f f c"]:
  """What stands for the second block's fine map where that block was not computed."""
  cells = arch.search_px // arch.closer_stride_px(1)
  return jnp.zeros((cells, cells, arch.channels[1]))


def exit_reading(
  params: dict, responses: Float[Array, "5 r r"], depth: Int[Array, ""], *, readout: Readout
) -> tuple[Float[Array, "r r"], Belief | None]:
  """What hard gating reads if it stops at a depth, see `Decision`; deeper responses are not looked at."""
  if readout.combine == "exit":
    return responses[depth], None
  belief = belief_at(params["beliefs"], jax.nn.one_hot(depth, DEPTHS))
  return weighed(belief, responses), belief


def _only(batch: Array | None) -> Array | None:
  """The one member of a batch, if there is a batch."""
  return None if batch is None else batch[0]


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
