"""Whitening, cross-correlation and the scaling of responses."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec
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


@jax.jit
def cross_correlate_each(template: Float[Array, "n h w c"], search: Float[Array, "n r s c"]) -> Float[Array, "n r s"]:
  """`cross_correlate` of each template with its own search map.

  The dot products of every template cell with every search cell are one batched matrix product; plane (v, u) of
  them, shifted by (v, u), is that cell's share of the sum over v, u. As one grouped convolution (what `vmap` of
  `cross_correlate` becomes) it is many times slower on a CPU.

  Args:
    template: feature maps of n templates, [n, h, w, c].
    search: one search map for each, [n, r, s, c].
  Returns:
    Their responses, [n, r, s].
  """
  (h, w), (r, s) = template.shape[1:3], search.shape[1:3]
  planes = jnp.einsum("nvuc,nyxc->nvuyx", template, search)
  pads = [((size - 1) // 2, size // 2) for size in (h, w)]
  planes = jnp.pad(planes, ((0, 0), (0, 0), (0, 0), *pads))
  shifted = (planes[:, v, u, v : v + r, u : u + s] for v in range(h) for u in range(w))
  return sum(shifted) / template[0].size


def _by_rows(function: Callable) -> Callable:
  """The function of arrays with a leading n, for whose parts XLA has no rule: each device of a mesh does its own rows.

  Without the rule it would send all rows to all devices, as it does for a Fourier transform.
  """

  @functools.wraps(function)
  def run(*arrays: Array) -> Array:
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
      return function(*arrays)
    rows = PartitionSpec(mesh.axis_names)
    return jax.shard_map(function, in_specs=rows, out_specs=rows)(*arrays)

  return run


@_by_rows
def cross_correlate_spectra(
  template: Float[Array, "n h h c"], search: Float[Array, "n r r c"]
) -> Float[Array, "n r r"]:
  """`cross_correlate_each` by the convolution theorem, for training: forwards slower, its gradient much faster."""
  (h, c), r = template.shape[2:], search.shape[1]
  side = r + h  # at least r + h - 1, and even
  spectrum = lambda maps: jnp.fft.rfft2(maps, s=(side, side), axes=(1, 2))  # noqa: E731
  product = jnp.sum(jnp.conj(spectrum(template)) * spectrum(search), axis=-1)
  response = jnp.fft.irfft2(product, s=(side, side))
  return jnp.roll(response, ((h - 1) // 2,) * 2, (1, 2))[:, :r, :r] / (h * h * c)


def min_max_scale(response: Float[Array, "*b r s"]) -> Float[Array, "*b r s"]:
  """Scales each map to [0, 1]; a constant map becomes 0."""
  low = jnp.min(response, (-2, -1), keepdims=True)
  span = jnp.max(response, (-2, -1), keepdims=True) - low
  return (response - low) / jnp.where(span > 0, span, 1)
