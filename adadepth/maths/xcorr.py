"""Whitening, cross-correlation and where the response peaks."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index

WHITEN_EPSILON = 1e-5


def whiten(feature_map: Float[Array, "*b h w c"]) -> Float[Array, "*b h w c"]:
  """Subtracts the mean over (h, w, c) and divides by the standard deviation + 1e-5."""
  axes = (-3, -2, -1)
  centred = feature_map - jnp.mean(feature_map, axes, keepdims=True)
  deviation = jnp.sqrt(jnp.mean(jnp.square(centred), axes, keepdims=True))
  return centred / (deviation + WHITEN_EPSILON)


def cross_correlate(template: Float[Array, "h w c"], search: Float[Array, "n r s c"]) -> Float[Array, "n r s"]:
  """Slides one template over its search maps (footnote 1: the key's map is the filter).

  R(y, x) = sum_{v,u,c} template(v, u, c) search(y + v - (h-1)//2, x + u - (w-1)//2, c) / (h w c),
  with zeros outside the map, so that whitened maps give values near [-1, 1].

  Args:
    template: feature map of the template, [h, w, c].
    search: feature maps of its n search crops, [n, r, s, c].
  Returns:
    One response per search map, [n, r, s]; `zero_displacement_index` says where "unmoved" is.
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


def _parabola_vertex(before: Float[Array, ""], peak: Float[Array, ""], after: Float[Array, ""]):
  """Offset in [-0.5, 0.5] of the vertex of the parabola through three neighbours."""
  curvature = 2 * peak - before - after
  return jnp.clip((after - before) / (2 * jnp.where(curvature > 0, curvature, jnp.inf)), -0.5, 0.5)


def _peak_index(response: Float[Array, "r r"]):
  row, col = jnp.unravel_index(jnp.argmax(response), response.shape)
  return row, col


def _to_displacement(row, col, cells: int, template_cells: int) -> Float[Array, "2"]:
  zero = zero_displacement_index(template_cells, cells)
  return jnp.stack([col, row]).astype(jnp.float32) - zero


def peak_cell(response: Float[Array, "r r"], *, template_cells: int) -> Float[Array, "2"]:
  """Displacement (x, y) of the highest cell, in cells; the first one if several tie."""
  row, col = _peak_index(response)
  return _to_displacement(row, col, response.shape[-1], template_cells)


def peak_subcell(response: Float[Array, "r r"], *, template_cells: int) -> Float[Array, "2"]:
  """`peak_cell` refined by a parabola through the peak and its neighbours on each axis.

  A peak on the border keeps its cell along that axis.
  """
  cells = response.shape[-1]
  row, col = _peak_index(response)
  shifts = []
  for line, index in ((response[row, :], col), (response[:, col], row)):
    inner = jnp.clip(index, 1, cells - 2)
    shift = _parabola_vertex(line[inner - 1], line[inner], line[inner + 1])
    shifts.append(jnp.where(index == inner, shift, 0))
  return _to_displacement(row, col, cells, template_cells) + jnp.stack(shifts)


PEAKS = {"cell": peak_cell, "subcell": peak_subcell}


def peak_displacements(response: Float[Array, "*b r r"], *, template_cells: int, peak: str) -> Float[Array, "*b 2"]:
  """The chosen peak finder ("cell" or "subcell") over any batch of maps; displacement in cells, (x, y)."""
  flat = response.reshape((-1, *response.shape[-2:]))
  found = jax.vmap(lambda r: PEAKS[peak](r, template_cells=template_cells))(flat)
  return found.reshape((*response.shape[:-2], 2))
