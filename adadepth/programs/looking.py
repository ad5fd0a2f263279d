"""What gating has seen so far: one look at each depth's response, and what it adds up to.

Hard gating looks until it is confident, a batch of targets looks row by row, evaluation takes in all five at once:
all of them by `take_in`, so that they decide alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.architecture import DEPTHS, Architecture
from adadepth.maths.features import gate_features
from adadepth.maths.readout import Readout
from adadepth.params.gates import apply_gate
from adadepth.params.quality import apply_quality, quality_weight
from adadepth.programs.network import logit_scales


class Seen(NamedTuple):
  """What a gated run knows after some depths.

  Attributes:
    response: the map to read, if it stops here, [r, r].
    weight: the sum of the weights of the maps in it.
    confidences: c_i of Eq. 4 as far as it has looked, else 0, [5].
    left: the confidence that no depth has taken yet, prod_{n<=i} sigmoid(-phi_n).
  """

  response: Float[Array, "r r"]
  weight: Float[Array, ""]
  confidences: Float[Array, "5"]
  left: Float[Array, ""]


def nothing_seen(arch: Architecture) -> Seen:
  """Before the first look."""
  return Seen(
    jnp.zeros((arch.search_cells, arch.search_cells)), jnp.float32(0), jnp.zeros(DEPTHS, jnp.float32), jnp.float32(1)
  )


def look(
  params: dict, seen: Seen, response: Float[Array, "r r"], *, depth: int, arch: Architecture, readout: Readout
) -> Seen:
  """Looks at the response of one more depth; c_i is then `confidences[depth]`, to be held against the threshold.

  Args:
    params: "head", "gates" and, where the readout combines by quality, "quality".
    seen: after all shallower depths.
    depth: 0..4, static; the last takes all confidence that is left.
  """
  scale = logit_scales(params)[depth]
  v = gate_features(response, depth=depth, logit_scale=scale, template_cells=arch.template_cells, readout=readout)
  return take_in(params, seen, response, v, depth=depth, readout=readout)


def take_in(
  params: dict, seen: Seen, response: Float[Array, "r r"], v: Float[Array, "f"], *, depth: int, readout: Readout
) -> Seen:
  """`look` where v, the response's features, are there already; only "gates" and "quality" are needed."""
  stop = jax.nn.sigmoid(apply_gate(params["gates"], v, depth=depth)) if depth < DEPTHS - 1 else jnp.float32(1)
  confidences, left = seen.confidences.at[depth].set(seen.left * stop), seen.left * (1 - stop)
  if readout.combine == "exit":
    return Seen(response, jnp.float32(1), confidences, left)
  weight = quality_weight(apply_quality(params["quality"], v, depth=depth))
  total = seen.weight + weight
  return Seen(seen.response + (response - seen.response) * (weight / total), total, confidences, left)


def look_at_all(
  params: dict, responses: Float[Array, "5 r r"], features: Float[Array, "5 f"], *, arch: Architecture, readout: Readout
) -> tuple[Float[Array, "5 r r"], Float[Array, "5"]]:
  """What hard gating would read if it stopped at each depth, and c_1..c_5; features are v_1..v_5."""
  seen, maps = nothing_seen(arch), []
  for depth in range(DEPTHS):
    seen = take_in(params, seen, responses[depth], features[depth], depth=depth, readout=readout)
    maps.append(seen.response)
  return jnp.stack(maps), seen.confidences
