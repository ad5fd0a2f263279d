"""Where the target is and how much it has grown, as probabilities over a grid: what gated policies read.

Each response map that has been computed is a witness, and so is the closer look; motion is small more often than not.
How far each is to be believed is learnt in phase 2 (`params.beliefs`), for every depth at which one may stop.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.ncc import LOG_GROWTHS
from adadepth.maths.peaks import Readout, displacement_in_response
from adadepth.models.architecture import Architecture

# How far from the most probable place a closer look counts, grid steps. Left to learn, it reaches over the whole grid:
# on pairs that is as good, but a tracker loses targets by it.
REACH_STEPS = 2.5
# p(displacement) falls as its (2 TAIL)-th power far out. Training videos do not tell 1 from 4, since their targets move
# little; the heavier tail loses less where others move more (experiments/ablations).
TAIL = 1.5
SUBCELL = Readout("subcell")


class Belief(NamedTuple):
  """How far each witness is believed; of d depths, with a leading d.

  Attributes:
    response: nats per unit of each response map, at least 0, [*d, 5].
    coefficient: nats per unit of the closer look's correlation coefficient, at least 0, [*d].
    log_width: logarithm of the displacement, in grid steps, from which on p(displacement) falls as a power, [*d].
    size: nats against a growth of 0.15 in the logarithm, four times as many against 0.3, [*d].
    gain: of the growth that is read, over its mean, [*d].
  """

  response: Float[Array, "*d 5"]
  coefficient: Float[Array, "*d"]
  log_width: Float[Array, "*d"]
  size: Float[Array, "*d"]
  gain: Float[Array, "*d"]


class LastPlace(NamedTuple):
  """Where targets were, as far as one knows; of n, with a leading n.

  Attributes:
    center: (x, y), crop pixels from the crop's centre, [*n, 2].
    drift_px: standard deviation of that on each axis, crop pixels, [*n]; 0 where it is known, as in pairs.
  """

  center: Float[Array, "*n 2"]
  drift_px: Float[Array, "*n"]


def at_centre(drift_px: float = 0.0) -> LastPlace:
  """In the middle of the crop, where search crops are cut."""
  return LastPlace(jnp.zeros(2), jnp.float32(drift_px))


def places(arch: Architecture) -> int:
  """Side of the grid: displacements up to half the template's side, in steps of `arch.fine_stride_px`."""
  return (arch.search_px - arch.template_px) // arch.fine_stride_px + 1


def onto_grid(values: Float[Array, "r r"], zero: int, stride_px: int, arch: Architecture) -> Float[Array, "i i"]:
  """A map whose cell (zero, zero) is "unmoved", by cubic convolution on the grid of places.

  Args:
    stride_px: crop pixels a cell of the map.
  """
  side, scale = places(arch), stride_px / arch.fine_stride_px
  offset = side // 2 + 0.5 - (zero + 0.5) * scale
  return jax.image.scale_and_translate(
    values, (side, side), (0, 1), jnp.full(2, scale), jnp.full(2, offset), method="cubic", antialias=False
  )


def log_posterior(
  belief: Belief,
  witnesses: Float[Array, "r r"],
  coefficients: Float[Array, "s i i"] | None,
  was: LastPlace,
  *,
  arch: Architecture,
) -> Float[Array, "s i i"]:
  """Logarithm of the probability of every place and growth, up to a constant.

  sum_k b_k R_k(place) - TAIL log(1 + |place - last place|^2 / width^2) and, with a closer look, around the place where
  that is highest, + c NCC(place, growth) - size (growth / 0.15)^2 - |place - highest|^2 / (2 reach^2)

  Near the last place the second term is a Gaussian of variance width^2 / (2 TAIL), to which the drift adds its own. A
  closer look tells a target from its surroundings poorly, and so has no say in which of two far places it is.

  Args:
    belief: of the depth where it stops.
    witnesses: sum_k b_k R_k, see `weighed`.
    coefficients: of a closer look, on the grid of places; None without one.
  """
  d = (jnp.arange(places(arch), dtype=jnp.float32) - places(arch) // 2) * arch.fine_stride_px
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  place = onto_grid(witnesses, zero, arch.stride_px, arch) + log_motion(belief, was, d, arch=arch)
  if coefficients is None:
    return place[None]
  growths = log_growths(len(coefficients))
  highest = jnp.unravel_index(jnp.argmax(place), place.shape)
  reach2 = (REACH_STEPS * arch.fine_stride_px) ** 2
  off_y, off_x = (jnp.square(d - d[index]) / (2 * reach2) for index in highest)
  place -= off_x[None, :] + off_y[:, None]
  against_growth = belief.size * jnp.square(growths / 0.15)
  return place[None] + belief.coefficient * coefficients - against_growth[:, None, None]


def log_motion(
  belief: Belief, was: LastPlace, displacements_px: Float[Array, "n"], *, arch: Architecture
) -> Float[Array, "n n"]:
  """The second term of `log_posterior`, for displacements (y, x) on a grid."""
  width2 = jnp.square(jnp.exp(belief.log_width) * arch.fine_stride_px) + 2 * TAIL * jnp.square(was.drift_px)
  x2, y2 = (jnp.square(displacements_px - c) / width2 for c in was.center)
  return -TAIL * jnp.log1p(x2[None, :] + y2[:, None])


def weighed(belief: Belief, responses: Float[Array, "5 r r"]) -> Float[Array, "r r"]:
  """sum_k b_k R_k over the responses that are there; the others are 0."""
  return jnp.tensordot(belief.response, responses, 1)


def log_growths(sizes: int) -> Float[Array, "s"]:
  """The growths that a closer look with so many templates tells apart."""
  return jnp.asarray(LOG_GROWTHS if sizes > 1 else (0.0,), jnp.float32)


def place_and_growth(
  belief: Belief,
  witnesses: Float[Array, "r r"],
  coefficients: Float[Array, "s i i"] | None,
  was: LastPlace,
  *,
  arch: Architecture,
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """Where the target is and how much it has grown: the posterior's means.

  A target that has left the grid, where there is no closer look, is where its response and its motion peak.
  Arguments are those of `log_posterior`.

  Returns:
    Displacement (x, y) from the crop's centre, crop pixels; logarithm of the growth.
  """
  cells = jnp.arange(arch.search_cells, dtype=jnp.float32)
  d = (cells - zero_displacement_index(arch.template_cells, arch.search_cells)) * arch.stride_px
  coarse = witnesses + log_motion(belief, was, d, arch=arch)
  peak = displacement_in_response(coarse, SUBCELL, template_cells=arch.template_cells) * arch.stride_px
  log_p = log_posterior(belief, witnesses, coefficients, was, arch=arch)
  displacement, log_growth = expected(log_p, belief, arch=arch)
  inside = jnp.max(jnp.abs(peak)) <= places(arch) // 2 * arch.fine_stride_px
  return jnp.where(inside, displacement, peak), jnp.where(inside, log_growth, 0)


def expected(
  log_p: Float[Array, "s i i"], belief: Belief, *, arch: Architecture
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """The mean displacement (x, y), crop pixels, and the logarithm of the growth."""
  p = jax.nn.softmax(log_p.reshape(-1)).reshape(log_p.shape)
  d = (jnp.arange(places(arch), dtype=jnp.float32) - places(arch) // 2) * arch.fine_stride_px
  displacement = jnp.stack([jnp.sum(p, (0, 1)) @ d, jnp.sum(p, (0, 2)) @ d])
  return displacement, belief.gain * (jnp.sum(p, (1, 2)) @ log_growths(len(log_p)))
