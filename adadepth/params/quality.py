"""How good a response map looks: its IoU, predicted from the features v_i that the gates read.

Least squares, one line for each depth. A gate says whether it pays to look deeper; the quality says which of the maps
that are there deserves to be read.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adadepth.maths.architecture import DEPTHS
from adadepth.maths.features import FEATURES

# By cross-fitting on the train and dev sequences, where 10, 20 and 40 differ by 0.001 to 0.002.
SHARPNESS = 20.0
RIDGE = 1e-2  # on standardised features


def init_quality() -> dict:
  """{"weight": [5, f], "bias": [5]}: all maps look alike."""
  return {"weight": jnp.zeros((DEPTHS, FEATURES)), "bias": jnp.zeros(DEPTHS)}


def fit_quality(features: Float[np.ndarray, "n 5 f"], ious: Float[np.ndarray, "n 5"]) -> dict:
  """The quality of each depth by ridge regression.

  Args:
    features: v_1..v_5 of each pair.
    ious: what reading each depth's map alone gets.
  """
  v = features.astype(np.float64)
  mean, std = v.mean(axis=0), v.std(axis=0)
  std = np.where(std > 1e-5 * np.abs(v).max(axis=0), std, np.inf)  # a constant feature counts for nothing
  z = (v - mean) / std
  gram = np.einsum("nkf,nkg->kfg", z, z) / len(z) + RIDGE * np.eye(v.shape[-1])
  slope = np.linalg.solve(gram, np.einsum("nkf,nk->kf", z, ious - ious.mean(axis=0))[..., None] / len(z))[..., 0] / std
  bias = ious.mean(axis=0) - np.sum(slope * mean, axis=-1)
  return {"weight": jnp.asarray(slope, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}


def apply_quality(quality: dict, features: Float[Array, "f"], *, depth: int) -> Float[Array, ""]:
  """Predicted IoU, in [0, 1], of the map at `depth` (0..4)."""
  return jnp.clip(jnp.sum(quality["weight"][depth] * features) + quality["bias"][depth], 0, 1)


def quality_weight(predicted_iou: Float[Array, "*b"]) -> Float[Array, "*b"]:
  """The weight of a map in the average: exp(20 IoU'), so that 0.05 more of predicted IoU is 2.7 times the weight."""
  return jnp.exp(SHARPNESS * predicted_iou)
