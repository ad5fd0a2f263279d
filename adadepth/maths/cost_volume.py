"""The local cost volume: how alike each cell of a template is to the cells around its place in a search map.

The cross-correlation adds these products up over the template; kept apart, they say which part of the target went
where, and so how its size and shape have changed.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

MARGIN = 2  # cells in each direction
COSTS = (2 * MARGIN + 1) ** 2


def cost_volume(
  template: Float[Array, "n h h c"], search: Float[Array, "n r r c"], place: Int[Array, "n 2"]
) -> Float[Array, "n h h v"]:
  """V(v, u, dy, dx) = <template(v, u), search(y + v - (h-1)//2 + dy, x + u - (h-1)//2 + dx)> / c, 0 outside the map.

  Args:
    template: whitened maps of n templates.
    search: whitened maps of their search crops.
    place: (y, x), cell of the response (`xcorr.cross_correlate`) around which to look.
  Returns:
    V, with (dy, dx) of -MARGIN..MARGIN in rows, v = COSTS.
  """
  h, c = template.shape[1], template.shape[-1]
  side, outside = h + 2 * MARGIN, h // 2 + MARGIN + 1
  padded = jnp.pad(search, ((0, 0), (outside, outside), (outside, outside), (0, 0)))
  corner = place - (h - 1) // 2 - MARGIN + outside
  window = jax.vmap(lambda s, yx: lax.dynamic_slice(s, (yx[0], yx[1], 0), (side, side, c)))(padded, corner)
  steps = range(2 * MARGIN + 1)
  return jnp.stack([jnp.sum(template * window[:, i : i + h, j : j + h], -1) / c for i in steps for j in steps], -1)
