"""What gating has seen so far: one look at each depth's response, and what it adds up to.

Hard gating looks until it is confident, a batch of targets looks row by row: both by `look`, so that they decide alike.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.features import gate_features
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.gates import apply_gate
from adadepth.models.network import logit_scales


class Seen(NamedTuple):
  """What a gated run knows after some depths.

  Attributes:
    responses: as far as it has looked, else 0, [5, r, r].
    confidences: c_i of Eq. 4 as far as it has looked, else 0, [5].
    left: the confidence that no depth has taken yet, prod_{n<=i} sigmoid(-phi_n).
  """

  responses: Float[Array, "5 r r"]
  confidences: Float[Array, "5"]
  left: Float[Array, ""]


def nothing_seen(arch: Architecture) -> Seen:
  """Before the first look."""
  responses = jnp.zeros((DEPTHS, arch.search_cells, arch.search_cells))
  return Seen(responses, jnp.zeros(DEPTHS, jnp.float32), jnp.float32(1))


def look(
  params: dict, seen: Seen, response: Float[Array, "r r"], *, depth: int, arch: Architecture, readout: Readout
) -> Seen:
  """Looks at the response of one more depth; c_i is then `confidences[depth]`, to be held against the threshold.

  Args:
    params: "head" and "gates".
    seen: after all shallower depths.
    depth: 0..4, static; the last takes all confidence that is left.
  """
  stop = jnp.float32(1)
  if depth < DEPTHS - 1:
    view = {"logit_scale": logit_scales(params)[depth], "template_cells": arch.template_cells, "readout": readout}
    stop = jax.nn.sigmoid(apply_gate(params["gates"], gate_features(response, depth=depth, **view), depth=depth))
  confidences = seen.confidences.at[depth].set(seen.left * stop)
  return Seen(seen.responses.at[depth].set(response), confidences, seen.left * (1 - stop))
