"""How response maps are read: which map, where it peaks, and what the gates see of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.xcorr import min_max_scale

PEAKS = ("cell", "subcell")
COMBINES = ("exit", "posterior")
GATE_FEATURES = ("paper", "readout")


class Readout(NamedTuple):
  """How response maps become a displacement. The defaults are the paper's.

  Attributes:
    peak: "cell", the highest cell (reference), or "subcell", refined by a parabola.
    window: in [0, 1], the share of a cosine window in the map that is searched for its peak; 0 is the
      reference. Targets seldom jump, so that a little of it settles ties with look-alikes.
    combine: what gated policies read: "exit", the map of the depth where hard gating stops and soft gating's average
      (paper), or "posterior", all that was computed on the way, weighed as phase 2 has learnt (see `maths.posterior`).
    gate_features: what gates see of a map: "paper", or "readout", the map as it is searched (see `maths.features`).
    drift: standard deviation of a tracker's last box from its target, in search crops: what a posterior reckons with.
  """

  peak: str = "cell"
  window: float = 0.0
  combine: str = "exit"
  gate_features: str = "paper"
  drift: float = 0.0


PAPER = Readout()


def cosine_window(cells: int, template_cells: int) -> Float[Array, "r r"]:
  """cos^2(pi d / cells) on each axis, d the displacement in cells: 1 where the target has not moved."""
  d = jnp.arange(cells, dtype=jnp.float32) - zero_displacement_index(template_cells, cells)
  axis = jnp.square(jnp.cos(jnp.pi * d / cells))
  return axis[:, None] * axis[None, :]


def _parabola_vertex(before: Float[Array, ""], peak: Float[Array, ""], after: Float[Array, ""]):
  """Offset in [-0.5, 0.5] of the vertex of the parabola through three neighbours."""
  curvature = 2 * peak - before - after
  return jnp.clip((after - before) / (2 * jnp.where(curvature > 0, curvature, jnp.inf)), -0.5, 0.5)


def _subcell_shift(line: Float[Array, "r"], index: Array) -> Float[Array, ""]:
  """`_parabola_vertex` at one cell of a line; 0 on its border."""
  inner = jnp.clip(index, 1, line.size - 2)
  shift = _parabola_vertex(line[inner - 1], line[inner], line[inner + 1])
  return jnp.where(index == inner, shift, 0)


def searched_map(response: Float[Array, "r r"], readout: Readout, *, template_cells: int) -> Float[Array, "r r"]:
  """The map that is searched for its peak: the response itself, or its mixture with the window, in [0, 1]."""
  if not readout.window:
    return response
  window = cosine_window(response.shape[-1], template_cells)
  return (1 - readout.window) * min_max_scale(response) + readout.window * window


def displacement_in_response(
  response: Float[Array, "r r"], readout: Readout, *, template_cells: int
) -> Float[Array, "2"]:
  """Displacement (x, y) of the peak from "unmoved", in cells; the first cell if several tie.

  Args:
    response: one map, any scale.
    readout: which peak.
    template_cells: side of the template's map, which says where "unmoved" is.
  """
  cells = response.shape[-1]
  response = searched_map(response, readout, template_cells=template_cells)
  row, col = jnp.unravel_index(jnp.argmax(response), response.shape)
  displacement = jnp.stack([col, row]).astype(jnp.float32) - zero_displacement_index(template_cells, cells)
  if readout.peak == "subcell":
    displacement += jnp.stack([_subcell_shift(response[row, :], col), _subcell_shift(response[:, col], row)])
  return displacement


def displacements_in_response(
  responses: Float[Array, "*b r r"], readout: Readout, *, template_cells: int
) -> Float[Array, "*b 2"]:
  """`displacement_in_response` over any batch of maps."""
  flat = responses.reshape((-1, *responses.shape[-2:]))
  found = jax.vmap(lambda r: displacement_in_response(r, readout, template_cells=template_cells))(flat)
  return found.reshape((*responses.shape[:-2], 2))
