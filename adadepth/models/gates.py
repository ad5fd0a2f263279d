"""The four gates: phi_i, linear in the standardised features v_i of response map i."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adadepth.maths.features import FEATURES
from adadepth.models.architecture import DEPTHS

GATES = DEPTHS - 1


class Gate(nn.Module):
  """One linear phi_i; starts undecided (phi = 0, so that it passes half of what reaches it)."""

  @nn.compact
  def __call__(self, v: Float[Array, "*b f"]) -> Float[Array, "*b"]:
    return nn.Dense(1, kernel_init=nn.initializers.zeros_init())(v)[..., 0]


def init_gates(key: jax.Array, features: int = FEATURES) -> dict:
  """{"gate1": ..., "gate4": ...}: linear weights plus the fixed `mean` and `std` that standardise v_i."""
  probe = jnp.zeros((1, features))
  return {
    f"gate{i + 1}": {
      "linear": Gate().init(jax.random.fold_in(key, i), probe)["params"],
      "mean": jnp.zeros(features),
      "std": jnp.ones(features),
    }
    for i in range(GATES)
  }


def standardise_gates(gates: dict, features: Float[np.ndarray | Array, "n 4 f"]) -> dict:
  """The gates with `mean` and `std` measured on training features; a constant feature becomes 0."""
  v = np.asarray(features, np.float64)
  mean, std = v.mean(axis=0), v.std(axis=0)
  std = np.where(std > 1e-5 * np.abs(v).max(axis=0), std, 1)  # a constant's may be its last digit
  measured = [{"mean": jnp.float32(m), "std": jnp.float32(s)} for m, s in zip(mean, std, strict=True)]
  return {f"gate{i + 1}": {**gates[f"gate{i + 1}"], **measured[i]} for i in range(GATES)}


def apply_gate(gates: dict, features: Float[Array, "*b f"], *, depth: int) -> Float[Array, "*b"]:
  """phi_i(v_i) of the gate at `depth` (0..3), unbounded."""
  gate = gates[f"gate{depth + 1}"]
  shape = (1,) * (features.ndim - 1) + gate["mean"].shape
  v = (features - gate["mean"].reshape(shape)) / gate["std"].reshape(shape)
  return Gate().apply({"params": gate["linear"]}, v)


def gate_logits(gates: dict, features: Float[Array, "b k f"]) -> Float[Array, "b 4"]:
  """phi_1..phi_4, as Eq. 4 takes them; v_5, which no gate reads, may be there or not."""
  return jnp.stack([apply_gate(gates, features[:, i], depth=i) for i in range(GATES)], axis=-1)
