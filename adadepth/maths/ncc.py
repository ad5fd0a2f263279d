"""A closer look: where in a response's cell the target is, and how much it has grown.

The maps are the first two blocks', finer than the responses, which are there anyway.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

# Logarithms of the growths for which there is a template. A wide range is better than a fine one: what is read is
# the mean over the range, and its slope is what tells growth from noise.
LOG_GROWTHS = (-0.3, -0.15, 0.0, 0.15, 0.3)
TEMPERATURE = 0.04  # units of the correlation coefficient in which its exponential is a likelihood


class CloserTemplate(NamedTuple):
  """Templates of the target as it would look at each of s sizes.

  Attributes:
    spectrum: Fourier transform of the templates, which have zero mean and unit variance under the weight and are then
      multiplied by it, [s, f, h, c].
    weight: of each of their cells, [n, n].
  """

  spectrum: Complex[Array, "s f h c"]
  weight: Float[Array, "n n"]


def closer_template(maps: Float[Array, "s n n c"], weight: Float[Array, "n n"], search_cells: int) -> CloserTemplate:
  """Templates from the maps of key crops, one crop for each size, with the target's box of equal size in all.

  Args:
    weight: of each cell, such as how much of it the target's box covers.
    search_cells: f, side of the maps in which the templates will be looked for.
  """
  weights = weight[None, :, :, None]
  mean = jnp.sum(weights * maps, (1, 2, 3), keepdims=True) / (jnp.sum(weight) * maps.shape[-1])
  norm = jnp.sqrt(jnp.sum(weights * jnp.square(maps - mean), (1, 2, 3), keepdims=True))
  return CloserTemplate(_spectrum(weights * (maps - mean) / jnp.maximum(norm, 1e-12), search_cells), weight)


def _spectrum(maps: Float[Array, "s n n c"], cells: int) -> Complex[Array, "s f h c"]:
  return jnp.fft.rfft2(maps, s=(cells, cells), axes=(1, 2))


def _slide(filters: Complex[Array, "s f h c"], fine_map: Float[Array, "f f c"], places: int) -> Float[Array, "s i i"]:
  """Every filter at every place where it lies inside the map: a "VALID" convolution, by its spectrum.

  The filters are as large as half a map, where this is ten times as fast as `lax.conv_general_dilated`.
  """
  cells = fine_map.shape[0]
  product = jnp.sum(jnp.conj(filters) * _spectrum(fine_map[None], cells), -1)
  return jnp.fft.irfft2(product, s=(cells, cells))[:, :places, :places]


def correlation_coefficients(template: CloserTemplate, fine_map: Float[Array, "f f c"]) -> Float[Array, "s i i"]:
  """Pearson's correlation, under the weight, of every template with every place inside the map, in [-1, 1].

  The middle place is "unmoved".
  """
  weight, (cells, _, channels) = template.weight, fine_map.shape
  places = cells - weight.shape[0] + 1
  weights = _spectrum(weight[None, :, :, None], cells)
  sums, squares = (_slide(weights, jnp.sum(m, -1, keepdims=True), places) for m in (fine_map, jnp.square(fine_map)))
  variance = squares - jnp.square(sums) / (jnp.sum(weight) * channels)
  return _slide(template.spectrum, fine_map, places) / jnp.sqrt(jnp.maximum(variance, 1e-6))


def of_same_size(template: CloserTemplate) -> CloserTemplate:
  """The template that has not grown, alone: the middle one."""
  middle = len(template.spectrum) // 2
  return template._replace(spectrum=template.spectrum[middle : middle + 1])


def expected_place(
  coefficients: Float[Array, "i i"], coarse_in_search: Float[Array, "2"], *, stride_px: int, error_px: float
) -> Float[Array, "2"]:
  """Where the target is: the mean over what one map's peak and a closer look say.

  The probability of a place is exp(coefficient / 0.04 - distance^2 / (2 error^2)), the distance being that from the
  peak.

  Args:
    coefficients: of every place, see `correlation_coefficients`.
    coarse_in_search: displacement (x, y) of the response's peak, crop pixels. One that leaves the places stays.
    stride_px: crop pixels a cell of the fine map.
    error_px: standard deviation of the coarse peak on each axis, crop pixels; above 0.
  Returns:
    The displacement, (x, y), crop pixels.
  """
  places = len(coefficients)
  d = (jnp.arange(places, dtype=jnp.float32) - places // 2) * stride_px
  off_x, off_y = (jnp.square((d - coarse_in_search[i]) / error_px) / 2 for i in (0, 1))
  log_p = coefficients / TEMPERATURE - (off_x[None, :] + off_y[:, None])
  p = jax.nn.softmax(log_p.reshape(-1)).reshape(log_p.shape)
  inside = jnp.max(jnp.abs(coarse_in_search)) <= d[-1]
  return jnp.where(inside, jnp.stack([jnp.sum(p, 0) @ d, jnp.sum(p, 1) @ d]), coarse_in_search)
