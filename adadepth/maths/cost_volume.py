"""The local cost volume: how alike each cell of a template is to the cells around its place in a search map.

The cross-correlation adds these products up over the template; kept apart, they say which part of the target went
where, and so how its size and shape have changed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

MARGIN = 2  # cells in each direction
COSTS = (2 * MARGIN + 1) ** 2


def local_window(search: Float[Array, "n r r c"], place: Int[Array, "n 2"], cells: int) -> Float[Array, "n m m c"]:
  """The part of a search map that a template of so many cells is compared with, and MARGIN around it; 0 outside.

  Args:
    search: maps of n search crops.
    place: (y, x), cell of the response (`xcorr.cross_correlate`) around which to look.
    cells: h, side of the template's map.
  Returns:
    Maps of side h + 2 MARGIN.
  """
  side, outside = cells + 2 * MARGIN, cells // 2 + MARGIN + 1
  padded = jnp.pad(search, ((0, 0), (outside, outside), (outside, outside), (0, 0)))
  corner = place - (cells - 1) // 2 - MARGIN + outside
  return parts(padded, corner, side)


@functools.partial(jax.jit, static_argnames="side")
def parts(maps: Float[Array, "n h w c"], corners: Int[Array, "n 2"], side: int) -> Float[Array, "n side side c"]:
  """The square of each map at its corner (y, x), which lies inside and is never negative."""
  at = {"slice_sizes": (side, side, maps.shape[-1]), "allow_negative_indices": False}
  return jax.vmap(lambda each, yx: lax.dynamic_slice(each, (yx[0], yx[1], 0), **at))(maps, corners)


def cost_volume(template: Float[Array, "n h h c"], window: Float[Array, "n m m c"]) -> Float[Array, "n h h v"]:
  """V(v, u, dy, dx) = <template(v, u), window(v + MARGIN + dy, u + MARGIN + dx)> / c, with v = (2 MARGIN + 1)^2 costs.

  Args:
    template: whitened maps of n templates.
    window: of `local_window`, of whitened maps.
  """
  n, h, _, c = template.shape
  m = window.shape[1]
  every = jnp.einsum("nvuc,nyxc->nvuyx", template, window) / c
  v, u, dy, dx = np.ogrid[:h, :h, : 2 * MARGIN + 1, : 2 * MARGIN + 1]
  near = ((v * h + u) * m + v + dy) * m + u + dx  # of all cells of the window, those around each of the template's
  return every.reshape(n, -1)[:, near.reshape(-1)].reshape(n, h, h, COSTS)
