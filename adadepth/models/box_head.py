"""What reads the box at a place of a response: a small network on the local cost volume, one for each depth."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.cost_volume import COSTS, cost_volume
from adadepth.maths.geometry import zero_displacement_index
from adadepth.models.architecture import DEPTHS, Architecture

CHANNELS, HIDDEN = 32, 64
LOG_SIZE_CHANGE = 1.5  # the most that is read in one frame


class Reading(NamedTuple):
  """What is read of a search crop; of n, with a leading n.

  Attributes:
    center: of the box, (x, y) from the crop's centre, crop pixels, [*n, 2].
    size: of the box, (w, h), crop pixels, [*n, 2].
    score: the target is there, a logit, [*n].
  """

  center: Float[Array, "*n 2"]
  size: Float[Array, "*n 2"]
  score: Float[Array, "*n"]


class BoxHead(nn.Module):
  """(x, y) of the centre from the place, in cells; log of the size over the last; logit that the target is there."""

  @nn.compact
  def __call__(
    self, costs: Float[Array, "n h h v"], size: Float[Array, "n 2"], last_size: Float[Array, "n 2"], template_px: int
  ) -> Float[Array, "n 5"]:
    n, h = costs.shape[:2]
    known = jnp.concatenate([jnp.log(size / template_px), jnp.log(last_size / size)], -1)
    x = jnp.concatenate([costs, jnp.broadcast_to(known[:, None, None], (n, h, h, 4))], -1)
    x = nn.relu(nn.Conv(CHANNELS, (3, 3))(x))
    x = nn.relu(nn.Conv(CHANNELS, (3, 3), strides=2)(x))
    x = nn.relu(nn.Dense(HIDDEN)(x.reshape(n, -1)))
    return nn.Dense(5, kernel_init=nn.initializers.zeros_init())(x)


def init_box_heads(key: jax.Array, arch: Architecture) -> dict:
  """{"depth1": ..., "depth5": ...}; each starts by keeping the size that is known, at the cell's centre."""
  cells, sizes = arch.template_cells, jnp.ones((1, 2))
  probe = (jnp.zeros((1, cells, cells, COSTS)), sizes, sizes, arch.template_px)
  return {f"depth{k + 1}": BoxHead().init(jax.random.fold_in(key, k), *probe)["params"] for k in range(DEPTHS)}


def read_box(
  heads: dict,
  template: Float[Array, "n h h c"],
  window: Float[Array, "n m m c"],
  place: Int[Array, "n 2"],
  size: Float[Array, "n 2"],
  last_size: Float[Array, "n 2"],
  *,
  depth: int,
  arch: Architecture,
) -> Reading:
  """Reads the boxes of n targets at one depth (0..4).

  Args:
    heads: as `init_box_heads` returns.
    template: whitened maps of that depth.
    window: `cost_volume.local_window` of the whitened search maps at the place.
    place: (y, x), cell of the response that the target is at, or near.
    size: of the target's box in the key crop, (w, h), crop pixels.
    last_size: of its last box in the search crop, (w, h), crop pixels.
  """
  costs = cost_volume(template, window)
  out = BoxHead().apply({"params": heads[f"depth{depth + 1}"]}, costs, size, last_size, arch.template_px)
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  center = (place[:, ::-1].astype(jnp.float32) - zero + out[:, :2]) * arch.stride_px
  return Reading(center, last_size * jnp.exp(jnp.clip(out[:, 2:4], -LOG_SIZE_CHANGE, LOG_SIZE_CHANGE)), out[:, 4])
