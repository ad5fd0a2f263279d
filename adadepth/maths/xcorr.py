"""Whitening, cross-correlation and the scaling of responses."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

WHITEN_EPSILON = 1e-5


def whiten(feature_map: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
  """Subtracts the mean over (h, w, c) and divides by the standard deviation + 1e-5.

  A constant map becomes as good as 0: rounding of its mean, over 1e-5.
  """
  axes = (-3, -2, -1)
  centred = feature_map - jnp.mean(feature_map, axes, keepdims=True)
  variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
  # sqrt(0) has an infinite slope, which would make the gradient of a constant map NaN.
  deviation = jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0)
  return centred / (deviation + WHITEN_EPSILON)


def cross_correlate(template: Float[Array, "h w c"], search: Float[Array, "n r s c"]) -> Float[Array, "n r s"]:
  """Slides one template over its search maps (footnote 1: the key's map is the filter).

  R(y, x) = sum_{v,u,c} template(v, u, c) search(y + v - (h-1)//2, x + u - (w-1)//2, c) / (h w c),
  with zeros outside the map, so that whitened maps give values near [-1, 1].

  Args:
    template: feature map of the template, [h, w, c].
    search: feature maps of its n search crops, [n, r, s, c].
  Returns:
    One response per search map, [n, r, s]; `geometry.zero_displacement_index` says where "unmoved" is.
  """
  response = lax.conv_general_dilated(
    search, template[..., None], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
  )
  return response[..., 0] / template.size


def min_max_scale(response: Float[Array, "*b r s"]) -> Float[Array, "*b r s"]:
  """Scales each map to [0, 1]; a constant map becomes 0."""
  low = jnp.min(response, (-2, -1), keepdims=True)
  span = jnp.max(response, (-2, -1), keepdims=True) - low
  return (response - low) / jnp.where(span > 0, span, 1)
