"""Normalised cross-correlation of the target's box with an early map: what refines a peak, and reads scale.

The maps are the first two blocks', finer than the responses, which are there anyway.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

# Logarithms of the scales for which there is a template. A wide range is better than a fine one: what is read is the
# mean over the range, and its slope is what tells a change of scale from noise.
LOG_SCALES = (-0.3, -0.15, 0.0, 0.15, 0.3)


class NccTemplate(NamedTuple):
  """Templates of the target as it would look at each of s scales; of n targets, with a leading n.

  Attributes:
    spectrum: Fourier transform of the templates, which have zero mean and unit variance under the mask and are then
      multiplied by it, [*n, s, f, h, c].
    mask: weight of each of their cells, [*n, m, m].
    mask_spectrum: its Fourier transform, [*n, f, h].
  """

  spectrum: Complex[Array, "*n s f h c"]
  mask: Float[Array, "*n m m"]
  mask_spectrum: Complex[Array, "*n f h"]


def ncc_template(maps: Float[Array, "s m m c"], mask: Float[Array, "m m"], search_cells: int) -> NccTemplate:
  """Templates from the maps of key crops, one for each scale, with the target's box of equal size in all.

  Args:
    mask: weight of each cell, such as how much of it the target's box covers.
    search_cells: f, side of the maps in which the templates will be looked for.
  """
  weights = mask[None, :, :, None]
  mean = jnp.sum(weights * maps, (1, 2, 3), keepdims=True) / (jnp.sum(mask) * maps.shape[-1])
  norm = jnp.sqrt(jnp.sum(weights * jnp.square(maps - mean), (1, 2, 3), keepdims=True))
  templates = weights * (maps - mean) / jnp.maximum(norm, 1e-12)
  square = (search_cells, search_cells)
  return NccTemplate(jnp.fft.rfft2(templates, s=square, axes=(1, 2)), mask, jnp.fft.rfft2(mask, s=square))


def correlation_coefficients(template: NccTemplate, fine_map: Float[Array, "f f c"]) -> Float[Array, "s i i"]:
  """Pearson's correlation, under the mask, of every template with every place inside the map, in [-1, 1].

  The middle place is "unmoved". Every sum over the places of a template is a "VALID" convolution, taken by its
  spectrum: the templates are as large as half a map, where that is ten times as fast as `lax.conv_general_dilated`.
  """
  mask, (cells, _, channels) = template.mask, fine_map.shape
  places = cells - mask.shape[0] + 1
  sums = [jnp.sum(m, -1, keepdims=True) for m in (fine_map, jnp.square(fine_map))]
  spectrum = jnp.fft.rfft2(jnp.concatenate([fine_map, *sums], -1), axes=(0, 1))
  products = jnp.sum(jnp.conj(template.spectrum) * spectrum[None, :, :, :channels], -1)
  under_mask = jnp.conj(template.mask_spectrum)[None] * jnp.moveaxis(spectrum[..., channels:], -1, 0)
  found = jnp.fft.irfft2(jnp.concatenate([products, under_mask]), s=(cells, cells))[:, :places, :places]
  *products, total, squares = found
  variance = squares - jnp.square(total) / (jnp.sum(mask) * channels)
  return jnp.stack(products) / jnp.sqrt(jnp.maximum(variance, 1e-6))[None]
