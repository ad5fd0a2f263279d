"""The hand-made features v_i that a gate reads from its response map."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.losses import position_log_softmax
from adadepth.maths.peaks import Readout, searched_map

TOP = 5
VALUES = tuple(f"value_{n + 1}" for n in range(TOP))
FEATURE_NAMES = {
  "paper": ("kurtosis", "entropy", "depth", *VALUES, *(f"distance2_{n + 1}" for n in range(TOP))),
  "readout": ("kurtosis", "entropy", "peak", *VALUES, *(f"log_distance2_{n + 1}" for n in range(TOP))),
}
FEATURES = len(FEATURE_NAMES["paper"])  # as many of each kind


def kurtosis(values: Float[Array, "n"]) -> Float[Array, ""]:
  """E[(x - m)^4] / s^4 (3 for a Gaussian); 0 for a constant map."""
  span = jnp.max(values) - jnp.min(values)
  # In units of the span no power underflows, and the rounding of a constant's mean is not taken for variance.
  centred = jnp.where(span > 0, values - jnp.mean(values), 0) / jnp.where(span > 0, span, 1)
  variance = jnp.mean(jnp.square(centred))
  return jnp.mean(centred**4) / jnp.where(span > 0, jnp.square(variance), 1)


def softmax_entropy(logits: Float[Array, "r r"]) -> Float[Array, ""]:
  """-sum C' log C', nats, of the softmax over positions (Eq. 1); in [0, log r^2]."""
  log_p = position_log_softmax(logits)
  return -jnp.sum(jnp.exp(log_p) * log_p)


def highest(response: Float[Array, "r r"], *, template_cells: int) -> tuple[Float[Array, "t"], Float[Array, "t"]]:
  """The five highest values, descending, and the squared distance of their cells from "unmoved", in cells^2."""
  values, index = lax.top_k(response.reshape(-1), TOP)
  zero = zero_displacement_index(template_cells, response.shape[-1])
  row, col = jnp.divmod(index, response.shape[-1])
  return values, (jnp.square(row - zero) + jnp.square(col - zero)).astype(jnp.float32)


def gate_features(
  response: Float[Array, "r r"], *, depth: int, logit_scale: Float[Array, ""], template_cells: int, readout: Readout
) -> Float[Array, "f"]:
  """v_i of one response map.

  Args:
    response: the map of one depth, as the policy sees it, [r, r].
    depth: 0..4.
    logit_scale: what makes the map logits of Eq. 1 (for the entropy).
    template_cells: side of the template's map, which says where the centre is.
    readout: whose `gate_features` says which.
  Returns:
    In the order of FEATURE_NAMES[readout.gate_features], [13]. Not standardised: the gate does that.
    "paper": kurtosis; entropy; depth; the five highest values, descending; the squared distance of those five cells
    from "unmoved", in cells^2.
    "readout": kurtosis; entropy; the highest value; the five highest values of the map as the readout searches it, with
    its window; log(1 + squared distance) of those five.
  """
  spread = [kurtosis(response.reshape(-1)), softmax_entropy(response * logit_scale)]
  if readout.gate_features == "paper":
    values, distance2 = highest(response, template_cells=template_cells)
    return jnp.concatenate([jnp.stack([*spread, jnp.float32(depth)]), values, distance2])
  searched = searched_map(response, readout, template_cells=template_cells)
  values, distance2 = highest(searched, template_cells=template_cells)
  return jnp.concatenate([jnp.stack([*spread, jnp.max(response)]), values, jnp.log1p(distance2)])


def all_gate_features(
  responses: Float[Array, "b k r r"], *, logit_scale: Float[Array, "k"], template_cells: int, readout: Readout
) -> Float[Array, "b k f"]:
  """`gate_features` of every map."""

  def one(maps: Float[Array, "k r r"]) -> Float[Array, "k f"]:
    shared = {"template_cells": template_cells, "readout": readout}
    features = [gate_features(maps[k], depth=k, logit_scale=logit_scale[k], **shared) for k in range(maps.shape[0])]
    return jnp.stack(features)

  return jax.vmap(one)(responses)
