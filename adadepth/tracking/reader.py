"""What turns responses into a box: one function for fixed depths, soft and hard gating."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.fusion import LastPlace, at_center, fuse
from adadepth.maths.peaks import highest_cell
from adadepth.models.architecture import Architecture
from adadepth.models.fusion_weights import weights_at

# Standard deviation of a tracker's last box from its target, in search crops.
DRIFT = 0.125


class Move(NamedTuple):
  """What is read of a search crop; of n, with a leading n.

  Attributes:
    in_search: displacement (x, y) from the crop's centre, crop pixels, [*n, 2].
    log_scale: logarithm of the target's size over its size in the key, [*n].
  """

  in_search: Float[Array, "*n 2"]
  log_scale: Float[Array, "*n"]


def read_paper(
  params: dict, responses: Float[Array, "5 r r"], confidences: Float[Array, "5"], _: Array | None, *, arch: Architecture
) -> Move:
  """The highest cell of sum_i c_i R_i, the size of the key."""
  del params
  cell = highest_cell(jnp.tensordot(confidences, responses, 1), template_cells=arch.template_cells)
  return Move(cell * arch.stride_px, jnp.float32(0))


def read_fusion(
  params: dict,
  responses: Float[Array, "5 r r"],
  confidences: Float[Array, "5"],
  ncc: Float[Array, "s i i"],
  *,
  arch: Architecture,
  last: LastPlace | None = None,
) -> Move:
  """Log-linear fusion (`maths.fusion`) with the c_i-weighted average of the depths' weights.

  Args:
    last: from where the target moves; None: a tracker's, in the crop's centre but for its drift.
  """
  last = at_center(DRIFT * arch.search_px) if last is None else last
  return Move(*fuse(weights_at(params["fusion"], confidences), responses, ncc, last, arch.grid))


READERS: dict[str, Callable[..., Move]] = {"paper": read_paper, "fusion": read_fusion}


def read(
  params: dict,
  responses: Float[Array, "n 5 r r"],
  confidences: Float[Array, "n 5"],
  ncc: Float[Array, "n s i i"] | None,
  *,
  arch: Architecture,
) -> Move:
  """What `arch.reader` reads of n search crops.

  Args:
    params: "fusion", which the paper's reader has none of.
    responses: those that were computed; the others are 0.
    confidences: how much each depth has a say: all of it at the exit of a fixed depth and of hard gating, c_i of Eq. 4
      with soft gating.
    ncc: see `network.ncc_on_grid`; None for the paper's reader.
  """

  def one(responses: Array, confidences: Array, ncc: Array | None) -> Move:
    return READERS[arch.reader](params, responses, confidences, ncc, arch=arch)

  return jax.vmap(one)(responses, confidences, ncc)
