"""The paper's losses: Eq. 1, both readings of Eq. 2, Eq. 3 and Eq. 5.

Maps are responses times a logit scale, [*b, r, r]; labels live on the same cells. The reference upsamples
a map to the search crop (nearest) before the loss. That equals the loss on the cells with the label summed
per cell, plus log(stride^2), so the cells are where everything is computed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index


def position_log_softmax(logits: Float[Array, "*b r r"]) -> Float[Array, "*b r r"]:
  """log C'(x, y), with C' = exp C / sum_{x,y} exp C (Eq. 1)."""
  flat = logits.reshape((*logits.shape[:-2], -1))
  return jax.nn.log_softmax(flat, axis=-1).reshape(logits.shape)


def _axis_log_gaussian(
  offset_px: Float[Array, "*b"], *, template_cells: int, search_cells: int, stride_px: int, variance_px2: float
) -> Float[Array, "*b {search_cells} {stride_px}"]:
  """Log of a 1-D Gaussian normalised over the search crop's pixels, [*b, cells, stride]."""
  zero = zero_displacement_index(template_cells, search_cells)
  cell = jnp.arange(search_cells, dtype=jnp.float32)[:, None] - zero
  inside = (jnp.arange(stride_px, dtype=jnp.float32)[None, :] + 0.5) / stride_px - 0.5
  pixel = (cell + inside) * stride_px
  distance = jnp.expand_dims(pixel, range(offset_px.ndim)) - offset_px[..., None, None]
  log_density = -jnp.square(distance) / (2 * variance_px2)
  return log_density - jax.nn.logsumexp(log_density, axis=(-2, -1), keepdims=True)


def gaussian_label(displacement_in_search: Float[Array, "*b 2"], **grid) -> Float[Array, "*b r r"]:
  """G: a 2-D Gaussian centred on the true displacement, summed over each cell's pixels.

  Args:
    displacement_in_search: (x, y) from the search crop's centre to the target's, crop pixels, [*b, 2].
    **grid: `template_cells`, `search_cells`, `stride_px` and `variance_px2` (reference: 20 px^2 of 256).
  Returns:
    Non-negative, sums to 1 over the map, [*b, r, r].
  """
  per_axis = jnp.exp(_axis_log_gaussian(displacement_in_search, **grid)).sum(-1)
  return per_axis[..., 1, :, None] * per_axis[..., 0, None, :]


def log_gaussian_label(displacement_in_search: Float[Array, "*b 2"], **grid) -> Float[Array, "*b r r"]:
  """log G averaged over each cell's pixels; arguments as in `gaussian_label`."""
  per_axis = _axis_log_gaussian(displacement_in_search, **grid).mean(-1)
  return per_axis[..., 1, :, None] + per_axis[..., 0, None, :]


def label_cross_entropy(
  logits: Float[Array, "*b r r"], displacement_in_search: Float[Array, "*b 2"], **grid
) -> Float[Array, "*b"]:
  """L_i = -sum_{x,y} G log C' (Eq. 2 as the reference computes it; the default)."""
  label = gaussian_label(displacement_in_search, **grid)
  return -jnp.sum(label * position_log_softmax(logits), axis=(-2, -1))


def printed_cross_entropy(
  logits: Float[Array, "*b r r"], displacement_in_search: Float[Array, "*b 2"], **grid
) -> Float[Array, "*b"]:
  """L_i = -(1 / |C|) sum_{x,y} C' log G (Eq. 2 as printed on the poster)."""
  log_label = log_gaussian_label(displacement_in_search, **grid)
  return -jnp.mean(jnp.exp(position_log_softmax(logits)) * log_label, axis=(-2, -1))


MAP_LOSSES = {"label": label_cross_entropy, "printed": printed_cross_entropy}


def deepest_loss(depth_losses: Float[Array, "*b k"]) -> Float[Array, "*b"]:
  """L_finetune(deepest) = L_5 (Eq. 3)."""
  return depth_losses[..., -1]


def all_depths_loss(depth_losses: Float[Array, "*b k"]) -> Float[Array, "*b"]:
  """L_finetune(all) = sum_i L_i (Eq. 3)."""
  return jnp.sum(depth_losses, axis=-1)


FINETUNE_LOSSES = {"deepest": deepest_loss, "all": all_depths_loss}


def geometric_price(p: float, depths: int) -> Float[Array, "k"]:
  """The poster's price of depth i: p^(i-1), [depths]."""
  return jnp.asarray(p, jnp.float32) ** jnp.arange(depths, dtype=jnp.float32)


def gating_loss(
  confidences: Float[Array, "*b k"],
  depth_losses: Float[Array, "*b k"],
  prices: Float[Array, "k"],
  price_weight: float | Float[Array, ""],
) -> Float[Array, "*b"]:
  """L_gating = sum_i c_i L_i + lambda * sum_i price_i c_i (Eq. 5), as sum_i c_i (L_i + lambda * price_i).

  Args:
    confidences: c_i of Eq. 4, sums to 1, [*b, k].
    depth_losses: what stopping at depth i loses: L_i of Eq. 2, or 1 - IoU, [*b, k].
    prices: p^(i-1), or the relative FLOPs of each depth, [k].
    price_weight: lambda.
  """
  total = depth_losses + jnp.broadcast_to(price_weight * prices, depth_losses.shape)
  return jnp.sum(confidences * total, axis=-1)


def giou_loss(
  center: Float[Array, "*b 2"],
  size_wh: Float[Array, "*b 2"],
  true_center: Float[Array, "*b 2"],
  true_size_wh: Float[Array, "*b 2"],
) -> Float[Array, "*b"]:
  """1 - GIoU of boxes (Rezatofighi et al. 2019), in [0, 2]: 1 - IoU, and how empty the hull of both is."""
  low, true_low = center - size_wh / 2, true_center - true_size_wh / 2
  high, true_high = center + size_wh / 2, true_center + true_size_wh / 2
  overlap = jnp.prod(jnp.maximum(jnp.minimum(high, true_high) - jnp.maximum(low, true_low), 0), axis=-1)
  union = jnp.prod(size_wh, axis=-1) + jnp.prod(true_size_wh, axis=-1) - overlap
  hull = jnp.prod(jnp.maximum(high, true_high) - jnp.minimum(low, true_low), axis=-1)
  return 1 - overlap / union + (hull - union) / hull
