"""The gating cascade (Eq. 4) and the exit it implies."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def exit_confidences(gate_logits: Float[Array, "*b gates"]) -> Float[Array, "*b gates+1"]:
  """Splits one unit of confidence over the k depths (Eq. 4).

  c_i = (1 - sum_{n<i} c_n) * sigmoid(phi_i) for all but the last depth, which takes the rest; what is left
  before depth i is therefore prod_{n<i} sigmoid(-phi_n), and c sums to 1.

  Args:
    gate_logits: phi_i(v_i), unbounded, shallow to deep, [*b, k - 1].
  Returns:
    c in [0, 1], [*b, k], same dtype.
  """
  log_left = jnp.cumsum(jax.nn.log_sigmoid(-gate_logits), axis=-1)
  left = jnp.concatenate([jnp.ones_like(gate_logits[..., :1]), jnp.exp(log_left)], axis=-1)
  stop = jnp.concatenate([jax.nn.sigmoid(gate_logits), jnp.ones_like(gate_logits[..., :1])], axis=-1)
  return left * stop


def exit_depth(confidences: Float[Array, "*b k"], threshold: float | Float[Array, ""]) -> Int[Array, "*b"]:
  """The shallowest depth (0..k-1) whose confidence exceeds the threshold; the last if none does."""
  stops = confidences[..., :-1] > threshold
  return jnp.where(jnp.any(stops, axis=-1), jnp.argmax(stops, axis=-1), confidences.shape[-1] - 1)
