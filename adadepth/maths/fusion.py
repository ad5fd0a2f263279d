"""Log-linear fusion: where the target is and how much it has grown, from everything computed until the exit.

Three kinds of evidence are weighed on one fine grid of displacements: the response maps, the normalised
cross-correlation of the target's box with an early block's map (`maths.ncc`), and a prior of motion. The weights are
learnt in phase 2, for every depth at which one may stop.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.ncc import LOG_SCALES

# How far from the most probable place NCC counts, grid steps. Left to learn, it reaches over the whole grid: on pairs
# that is as good, but a tracker loses targets by it.
REACH_STEPS = 2.5
# The prior of motion is Student's t in two dimensions: density falls as displacement^(-2 TAIL), and 1.5 is Cauchy's.
# Training videos do not tell 1 from 4; the heavier tail loses less where targets move more (experiments/ablations).
TAIL = 1.5


class Grid(NamedTuple):
  """Where responses and refinement are compared: displacements up to `places // 2 * step_px` on each axis.

  Attributes:
    template_cells, search_cells: sides of the template's and the response's map.
    stride_px: crop pixels a cell of a response.
    step_px: crop pixels between places.
    places: side of the grid, odd.
  """

  template_cells: int
  search_cells: int
  stride_px: int
  step_px: int
  places: int

  @property
  def displacements_px(self) -> Float[Array, "{self.places}"]:
    """Of the places on one axis, crop pixels."""
    return (jnp.arange(self.places, dtype=jnp.float32) - self.places // 2) * self.step_px

  @property
  def reach_px(self) -> int:
    """The largest displacement on the grid, crop pixels."""
    return self.places // 2 * self.step_px


class LastPlace(NamedTuple):
  """Where a target was, as far as one knows.

  Attributes:
    center: (x, y), crop pixels from the crop's centre.
    drift_px: standard deviation of that on each axis, crop pixels; 0 where it is known, as in pairs.
  """

  center: Float[Array, "2"]
  drift_px: float | Float[Array, ""]


class FusionWeights(NamedTuple):
  """How much each kind of evidence counts; of d depths, with a leading d.

  Attributes:
    response: nats per unit of each response map, at least 0, [*d, 5].
    ncc: nats per unit of the correlation coefficient, at least 0, [*d].
    log_motion: logarithm of the displacement, in grid steps, from which on the prior falls as a power, [*d].
    scale_cost: nats against a change of 0.15 in the logarithm of the scale, four times as many against 0.3, [*d].
    scale_gain: of the change of scale that is read, over its mean, [*d].
  """

  response: Float[Array, "*d 5"]
  ncc: Float[Array, "*d"]
  log_motion: Float[Array, "*d"]
  scale_cost: Float[Array, "*d"]
  scale_gain: Float[Array, "*d"]


def weighted_response(weights: FusionWeights, responses: Float[Array, "5 r r"]) -> Float[Array, "r r"]:
  """sum_k w_k R_k over the responses that were computed; the others are 0."""
  return jnp.tensordot(weights.response, responses, 1)


def at_center(drift_px: float) -> LastPlace:
  """In the middle of the crop, where search crops are cut."""
  return LastPlace(jnp.zeros(2), drift_px)


def log_motion_prior(
  weights: FusionWeights, last: LastPlace, displacements_px: Float[Array, "n"], grid: Grid
) -> Float[Array, "n n"]:
  """-TAIL log(1 + |place - last place|^2 / width^2), for places (y, x) of an axis taken twice; up to a constant.

  Near the last place that is a Gaussian of variance width^2 / (2 TAIL), to which the drift adds its own.
  """
  width2 = jnp.square(jnp.exp(weights.log_motion) * grid.step_px) + 2 * TAIL * jnp.square(jnp.float32(last.drift_px))
  x2, y2 = (jnp.square(displacements_px - last.center[i]) / width2 for i in (0, 1))
  return -TAIL * jnp.log1p(x2[None, :] + y2[:, None])


def log_posterior(
  weights: FusionWeights,
  response: Float[Array, "r r"],
  ncc: Float[Array, "s i i"],
  last: LastPlace,
  grid: Grid,
) -> Float[Array, "s i i"]:
  """Logarithm of the probability of every scale and place, up to a constant.

  P(place) = sum_k w_k R_k(place) + prior(place), and around the place where that is highest
  P(scale, place) = P(place) + w NCC(scale, place) - cost (scale / 0.15)^2 - |place - highest|^2 / (2 reach^2).
  NCC tells a target from its surroundings poorly, and so has little say in which of two far places it is.

  Args:
    response: see `weighted_response`.
    ncc: of every scale and place, see `maths.ncc.correlation_coefficients`.
    last: from where the target moves.
  """
  d = grid.displacements_px
  zero = zero_displacement_index(grid.template_cells, grid.search_cells)
  place = onto_grid(response, zero, grid.stride_px, grid) + log_motion_prior(weights, last, d, grid)
  highest = jnp.unravel_index(jnp.argmax(place), place.shape)
  reach2 = (REACH_STEPS * grid.step_px) ** 2
  off_y, off_x = (jnp.square(d - d[index]) / (2 * reach2) for index in highest)
  place -= off_x[None, :] + off_y[:, None]
  scale_cost = weights.scale_cost * jnp.square(jnp.asarray(LOG_SCALES) / 0.15)
  return place[None] + weights.ncc * ncc - scale_cost[:, None, None]


def fuse(
  weights: FusionWeights,
  responses: Float[Array, "5 r r"],
  ncc: Float[Array, "s i i"],
  last: LastPlace,
  grid: Grid,
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """Displacement (x, y) from the crop's centre, crop pixels, and the logarithm of the scale: the posterior's means.

  A target whose responses and prior peak outside of the grid is at that cell, with its scale unchanged.
  Arguments are those of `log_posterior`, with the responses as they were computed.
  """
  response = weighted_response(weights, responses)
  cells = jnp.arange(grid.search_cells, dtype=jnp.float32)
  d = (cells - zero_displacement_index(grid.template_cells, grid.search_cells)) * grid.stride_px
  coarse = response + log_motion_prior(weights, last, d, grid)
  row, col = jnp.unravel_index(jnp.argmax(coarse), coarse.shape)
  peak = jnp.stack([d[col], d[row]])
  displacement, log_scale = posterior_mean(log_posterior(weights, response, ncc, last, grid), weights, grid)
  inside = jnp.max(jnp.abs(peak)) <= grid.reach_px
  return jnp.where(inside, displacement, peak), jnp.where(inside, log_scale, 0)


def posterior_mean(
  log_p: Float[Array, "s i i"], weights: FusionWeights, grid: Grid
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """The mean displacement (x, y), crop pixels, and the logarithm of the scale."""
  p = jax.nn.softmax(log_p.reshape(-1)).reshape(log_p.shape)
  d = grid.displacements_px
  displacement = jnp.stack([jnp.sum(p, (0, 1)) @ d, jnp.sum(p, (0, 2)) @ d])
  return displacement, weights.scale_gain * (jnp.sum(p, (1, 2)) @ jnp.asarray(LOG_SCALES))


def onto_grid(values: Float[Array, "r r"], zero: int, stride_px: int, grid: Grid) -> Float[Array, "i i"]:
  """A map whose cell (zero, zero) is "unmoved", by cubic convolution on the grid.

  Args:
    stride_px: crop pixels a cell of the map.
  """
  scale = stride_px / grid.step_px
  offset = grid.places // 2 + 0.5 - (zero + 0.5) * scale
  return jax.image.scale_and_translate(
    values,
    (grid.places, grid.places),
    (0, 1),
    jnp.full(2, scale),
    jnp.full(2, offset),
    method="cubic",
    antialias=False,
  )
