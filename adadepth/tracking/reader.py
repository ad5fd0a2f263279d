"""What turns a response into a box: one function a reader, for fixed depths, soft and hard gating alike."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from adadepth.maths.cost_volume import local_window
from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.peaks import highest_cell
from adadepth.models.architecture import Architecture
from adadepth.models.box_head import Reading, read_box
from adadepth.models.network import Template, logit_scales

# Of the box head's prior of motion: nats against a displacement d, times log(1 + d^2 / (2 s^2)), s in template crops.
MOTION, MOTION_SCALE = 1.0, 0.125
OWN = 0.6  # of a box where depths agree, the share of the last one's own head; chosen on dev and rendered pairs
SURE = 20.0  # the score of the paper's reader, which has none: a logit whose sigmoid is 1 in float32


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


def read_paper(response: Float[Array, "n r r"], size: Float[Array, "n 2"], *, arch: Architecture) -> Reading:
  """The highest cell of a response, the size of the key."""
  cell = highest_cell(response, template_cells=arch.template_cells)
  return Reading(cell * arch.stride_px, size, jnp.full(len(size), SURE))


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


def share_boxes(arch: Architecture) -> bool:
  """Whether depths that agree have a box in common. Not with ridge filters: VGG-19's shallow heads err more."""
  return arch.reader == "box" and arch.template == "crop"


def agreed(before: Reading | None, now: Reading, *, arch: Architecture) -> Reading:
  """What a depth reads, with what was read before it where their centres lie within a cell: they do not err alike.

  Args:
    before: what was read up to the depth before, by this very rule; None: this is the first.
    now: what the depth's own head reads; its score stays.
  """
  if before is None or not share_boxes(arch):
    return now
  near = jnp.max(jnp.abs(now.center - before.center), axis=-1, keepdims=True) <= arch.stride_px
  own = jnp.where(near, OWN, 1.0)
  center, size = (b + (1 - own) * (a - b) for a, b in ((before.center, now.center), (before.size, now.size)))
  return Reading(center, size, now.score)


def place_of(params: dict, response: Float[Array, "n r r"], *, depth: int, arch: Architecture) -> Int[Array, "n 2"]:
  """(y, x) of the cell where a depth's response and the prior of motion are highest."""
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  d2 = jnp.square((jnp.arange(arch.search_cells, dtype=jnp.float32) - zero) * arch.stride_px)
  prior = -MOTION * jnp.log1p((d2[:, None] + d2[None, :]) / (2 * (MOTION_SCALE * arch.template_px) ** 2))
  logits = response * logit_scales(params)[depth] + prior[None]
  cell = jnp.argmax(logits.reshape(len(logits), -1), axis=-1)
  return jnp.stack(jnp.divmod(cell, arch.search_cells), axis=-1)


def weighted_sum(confidences: Float[Array, "n 5"], values: Float[Array, "n 5 *rest"]) -> Float[Array, "n *rest"]:
  """sum_i c_i x_i: of the depths' maps, as the paper's soft gating has it, or of what is read of them."""
  return jnp.einsum("nk,nk...->n...", confidences, values)


def average(readings: Reading, confidences: Float[Array, "n 5"]) -> Reading:
  """The c_i-weighted average of the depths' readings, [n, 5], as soft gating takes it with box heads."""
  return jax.tree.map(lambda leaf: weighted_sum(confidences, leaf), readings)
