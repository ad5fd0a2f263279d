"""The ridge-regression correlation filter: a template learns from its key frame to peak on its target alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index
from adadepth.maths.xcorr import cross_correlate


def box_mask(size_in_crop: Float[Array, "2"], cells: int, stride_px: float) -> Float[Array, "n n"]:
  """How much of each cell of a template's map the target's box covers, on both axes, in [0, 1].

  Args:
    size_in_crop: the box (w, h) in the middle of the template crop, pixels of the crop.
    cells: n, side of the map.
    stride_px: crop pixels a cell.
  """
  from_center = jnp.abs(jnp.arange(cells, dtype=jnp.float32) - (cells - 1) / 2)
  across, down = (jnp.clip(size_in_crop[i] / (2 * stride_px) - from_center + 0.5, 0, 1) for i in (0, 1))
  return down[:, None] * across[None, :]


def unmoved_label(search_cells: int, template_cells: int) -> Float[Array, "r r"]:
  """What the response of a key frame to its own template should be: a Gaussian of one cell around "unmoved"."""
  d = jnp.arange(search_cells, dtype=jnp.float32) - zero_displacement_index(template_cells, search_cells)
  axis = jnp.exp(-jnp.square(d) / 2)
  return axis[:, None] * axis[None, :]


def ridge_filter(
  template: Float[Array, "h h c"],
  key_search: Float[Array, "r r c"],
  weight: Float[Array, "h h"],
  *,
  penalty: float,
  steps: int,
) -> Float[Array, "h h c"]:
  """Refines a template on the search crop of its own key frame: ridge regression by conjugate gradients.

  min_f || P(S * f - y) ||^2 + penalty || (f - f0) / weight ||^2, where S * f is the response, y the label of "unmoved"
  and f0 the template times the weight, scaled to fit y; P takes the mean of a map away, which a peak does not feel.

  Args:
    template: whitened map of the key, [h, h, c].
    key_search: whitened map of the key frame's search crop, centred on the target, [r, r, c].
    weight: of each cell, in [0, 1]: how far it is trusted, at the start and to learn.
    penalty: of leaving f0; above 0.
    steps: of conjugate gradients; each costs two correlations.
  Returns:
    The refined template, [h, h, c].
  """
  weight = weight[..., None]
  start = template * weight
  scale = jnp.sqrt(jnp.float32(template.size))  # gives the response to a random template a variance near 1

  def centred_response(f: Float[Array, "h h c"]) -> Float[Array, "r r"]:
    response = cross_correlate(f, key_search[None])[0] * scale
    return response - jnp.mean(response)

  def weighted_response(u: Float[Array, "h h c"]) -> Float[Array, "r r"]:
    return centred_response(weight * u)

  backward = jax.linear_transpose(weighted_response, template)
  label = unmoved_label(key_search.shape[0], template.shape[0])
  label -= jnp.mean(label)
  found = centred_response(start)
  fit = jnp.vdot(found, label) / jnp.maximum(jnp.vdot(found, found), 1e-12)
  (residual,) = backward(label - fit * found)

  def normal(u: Float[Array, "h h c"]) -> Float[Array, "h h c"]:
    return backward(weighted_response(u))[0] + penalty * u

  change, _ = jax.scipy.sparse.linalg.cg(normal, residual, maxiter=steps)
  return fit * start + weight * change
