"""What turns responses into a box: one function a reader, for fixed depths, soft and hard gating alike."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.cost_volume import local_window
from adadepth.maths.fusion import LastPlace, at_center, fuse
from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.peaks import highest_cell
from adadepth.models.architecture import Architecture
from adadepth.models.box_head import Reading, read_box
from adadepth.models.fusion_weights import weights_at
from adadepth.models.network import Template, logit_scales

# Standard deviation of a tracker's last box from its target, in search crops.
DRIFT = 0.125
# Of the box head's prior of motion: nats against a displacement d, times log(1 + d^2 / (2 s^2)), s in template crops.
MOTION, MOTION_SCALE = 1.0, 0.125
SURE = 20.0  # the score of readers that have none: a logit whose sigmoid is 1 in float32


class Search(NamedTuple):
  """Search crops of n targets.

  Attributes:
    crops: RGB 0..255, [n, search_px, search_px, 3].
    last_size: of the last boxes in them, (w, h), crop pixels, [n, 2].
  """

  crops: Array
  last_size: Float[Array, "n 2"]


class Patch(NamedTuple):
  """What the search map looks like around a peak: `cost_volume.local_window` at a place (y, x) of the response."""

  window: Float[Array, "n m m c"]
  place: Int[Array, "n 2"]


def read_peak(
  params: dict,
  template: Template,
  search_map: Float[Array, "n r r c"],
  response: Float[Array, "n r r"],
  last_size: Float[Array, "n 2"],
  *,
  depth: int,
  arch: Architecture,
) -> tuple[Reading, Patch]:
  """The box head's reading at one depth, where its response and the prior of motion are highest, and what it saw there.

  Args:
    search_map: what the response was computed from.
    last_size: see `Search`.
  """
  place = place_of(params, response, depth=depth, arch=arch)
  maps, window = template.maps[depth], local_window(search_map, place, arch.template_cells)
  reading = read_box(params["box"], maps, window, place, template.size, last_size, depth=depth, arch=arch)
  return reading, Patch(window, place)


def place_of(params: dict, response: Float[Array, "n r r"], *, depth: int, arch: Architecture) -> Int[Array, "n 2"]:
  """(y, x) of the cell where a depth's response and the prior of motion are highest."""
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  d2 = jnp.square((jnp.arange(arch.search_cells, dtype=jnp.float32) - zero) * arch.stride_px)
  prior = -MOTION * jnp.log1p((d2[:, None] + d2[None, :]) / (2 * (MOTION_SCALE * arch.template_px) ** 2))
  logits = response * logit_scales(params)[depth] + prior[None]
  cell = jnp.argmax(logits.reshape(len(logits), -1), axis=-1)
  return jnp.stack(jnp.divmod(cell, arch.search_cells), axis=-1)


def read_paper(
  responses: Float[Array, "5 r r"], confidences: Float[Array, "5"], size: Float[Array, "2"], *, arch: Architecture
) -> Reading:
  """The highest cell of sum_i c_i R_i, the size of the key."""
  cell = highest_cell(jnp.tensordot(confidences, responses, 1), template_cells=arch.template_cells)
  return Reading(cell * arch.stride_px, size, jnp.float32(SURE))


def read_fusion(
  fusion: dict,
  responses: Float[Array, "5 r r"],
  confidences: Float[Array, "5"],
  ncc: Float[Array, "s i i"],
  size: Float[Array, "2"],
  *,
  arch: Architecture,
  last: LastPlace | None = None,
) -> Reading:
  """Log-linear fusion (`maths.fusion`) with the c_i-weighted average of the depths' weights.

  Args:
    ncc: see `network.ncc_on_grid`.
    size: of the target's box in the key crop, crop pixels.
    last: from where the target moves; None: a tracker's, in the crop's centre but for its drift.
  """
  last = at_center(DRIFT * arch.search_px) if last is None else last
  center, log_scale = fuse(weights_at(fusion, confidences), responses, ncc, last, arch.grid)
  return Reading(center, size * jnp.exp(log_scale), jnp.float32(SURE))


def read_maps(
  params: dict,
  template: Template,
  responses: Float[Array, "n 5 r r"],
  confidences: Float[Array, "n 5"],
  ncc: Float[Array, "n s i i"] | None,
  *,
  arch: Architecture,
) -> Reading:
  """What the readers "paper" and "fusion" read of n search crops.

  Args:
    params: "fusion", which the paper's reader has none of.
    responses: those that were computed; the others are 0.
    confidences: how much each depth has a say: all of it at the exit of a fixed depth and of hard gating, c_i of Eq. 4
      with soft gating.
    ncc: see `network.ncc_on_grid`; None for the paper's reader.
  """
  if arch.reader == "paper":
    return jax.vmap(lambda *row: read_paper(*row, arch=arch))(responses, confidences, template.size)
  one = lambda *row: read_fusion(params["fusion"], *row, arch=arch)  # noqa: E731
  return jax.vmap(one)(responses, confidences, ncc, template.size)


def average(readings: Reading, confidences: Float[Array, "n 5"]) -> Reading:
  """The c_i-weighted average of the depths' readings, [n, 5], as soft gating takes it."""
  return jax.tree.map(lambda leaf: jnp.einsum("nk,nk...->n...", confidences, leaf), readings)
