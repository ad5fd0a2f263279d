"""A closer look at the target where a response peaks: a finer displacement, and how much the target has grown.

The maps are the first block's, four times as fine as the responses, which every policy has computed anyway.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from adadepth.maths.readout import peak_offset

# Logarithms of the growths for which there is a template. A wide range is better than a fine one: what is read is
# the mean over the range, and its slope is what tells growth from noise.
LOG_GROWTHS = (-0.3, -0.15, 0.0, 0.15, 0.3)
REACH = 4  # cells that the target is looked for around the coarse peak, on each side: one cell of the response
TEMPERATURE = 0.04  # of the softmax over growths, in units of the correlation coefficient


class CloserTemplate(NamedTuple):
  """Templates of the target as it would look grown by each of LOG_GROWTHS.

  Attributes:
    filters: zero mean and unit norm under the weight, [s, n, n, c].
    weight: of each cell, [n, n].
  """

  filters: Float[Array, "s n n c"]
  weight: Float[Array, "n n"]


def closer_template(maps: Float[Array, "s n n c"], weight: Float[Array, "n n"]) -> CloserTemplate:
  """Templates from the maps of key crops, one crop for each growth, with the target's box of equal size in all."""
  weighted = maps * weight[None, :, :, None]
  mean = jnp.sum(weighted, (1, 2, 3), keepdims=True) / (jnp.sum(weight) * maps.shape[-1])
  centred = weighted - mean * weight[None, :, :, None]
  norm = jnp.sqrt(jnp.sum(jnp.square(centred), (1, 2, 3), keepdims=True))
  return CloserTemplate(centred / jnp.maximum(norm, 1e-12), weight)


def _slide(filters: Float[Array, "s n n c"], window: Float[Array, "m m c"]) -> Float[Array, "i i s"]:
  """Every filter at every place where it lies inside the window."""
  return lax.conv_general_dilated(
    window[None], jnp.moveaxis(filters, 0, -1), (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
  )[0]


def correlation_coefficients(template: CloserTemplate, window: Float[Array, "m m c"]) -> Float[Array, "i i s"]:
  """Pearson's correlation, under the weight, of every template with every place in the window, in [-1, 1]."""
  weight, channels = template.weight, window.shape[-1]
  weights = jnp.stack([weight, jnp.square(weight)])[..., None]
  sums = _slide(weights, jnp.sum(window, -1, keepdims=True))
  squares = _slide(weights[1:], jnp.sum(jnp.square(window), -1, keepdims=True))[..., 0]
  mean = sums[..., 0] / (jnp.sum(weight) * channels)
  variance = squares - 2 * mean * sums[..., 1] + jnp.square(mean) * channels * jnp.sum(weights[1])
  return _slide(template.filters, window) / jnp.sqrt(jnp.maximum(variance, 1e-12))[..., None]


def look_closer(
  template: CloserTemplate, fine_map: Float[Array, "f f c"], displacement_in_search: Float[Array, "2"], stride_px: int
) -> tuple[Float[Array, "2"], Float[Array, ""]]:
  """Looks around a coarse displacement for the target at all its growths.

  Args:
    fine_map: of the search crop, [f, f, c].
    displacement_in_search: (x, y) of the coarse peak, crop pixels.
    stride_px: crop pixels a cell of the fine map.
  Returns:
    The finer displacement, (x, y), crop pixels; the logarithm of how much larger the target is than its box, pulled
    towards 0.
  """
  cells, template_cells = fine_map.shape[0], template.weight.shape[0]
  coarse = jnp.round(displacement_in_search / stride_px).astype(jnp.int32)
  pad = template_cells // 2 + 2 * REACH  # a peak on the border of the response still has its window
  padded = jnp.pad(fine_map, ((pad, pad), (pad, pad), (0, 0)))
  start = coarse + (cells - template_cells) // 2 - REACH + pad
  side = template_cells + 2 * REACH
  window = lax.dynamic_slice(padded, (start[1], start[0], 0), (side, side, fine_map.shape[-1]))
  coefficients = correlation_coefficients(template, window)
  share = jax.nn.softmax(jnp.max(coefficients, (0, 1)) / TEMPERATURE)
  shift = peak_offset(coefficients @ share, REACH)
  return (coarse.astype(jnp.float32) + shift) * stride_px, share @ jnp.asarray(LOG_GROWTHS)
