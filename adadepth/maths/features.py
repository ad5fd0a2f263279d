"""The hand-made features v_i that a gate reads from its response map."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.losses import position_log_softmax

TOP = 5
FEATURE_NAMES = (
  *("kurtosis", "entropy", "depth"),
  *(f"value_{n + 1}" for n in range(TOP)),
  *(f"distance2_{n + 1}" for n in range(TOP)),
  "score",
)
FEATURES = len(FEATURE_NAMES)


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
  response: Float[Array, "r r"],
  score: Float[Array, ""],
  *,
  depth: int,
  logit_scale: Float[Array, ""],
  template_cells: int,
) -> Float[Array, "f"]:
  """v_i of one response map, in the order of FEATURE_NAMES, [14]. Not standardised: the gate does that.

  Args:
    response: the map of one depth, as the policy sees it, [r, r].
    score: what the reader gives at that depth, a logit; the paper's gives a constant, of which no gate makes anything.
    depth: 0..4.
    logit_scale: what makes the map logits of Eq. 1 (for the entropy).
    template_cells: side of the template's map, which says where the centre is.
  """
  values, distance2 = highest(response, template_cells=template_cells)
  of_map = [kurtosis(response.reshape(-1)), softmax_entropy(response * logit_scale), jnp.float32(depth)]
  return jnp.concatenate([jnp.stack(of_map), values, distance2, score[None]])


def all_gate_features(
  responses: Float[Array, "b k r r"],
  scores: Float[Array, "b k"],
  *,
  logit_scale: Float[Array, "k"],
  template_cells: int,
) -> Float[Array, "b k f"]:
  """`gate_features` of every map."""

  def one(maps: Float[Array, "k r r"], scores: Float[Array, "k"]) -> Float[Array, "k f"]:
    features = [
      gate_features(maps[k], scores[k], depth=k, logit_scale=logit_scale[k], template_cells=template_cells)
      for k in range(maps.shape[0])
    ]
    return jnp.stack(features)

  return jax.vmap(one)(responses, scores)
