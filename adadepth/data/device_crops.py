"""Square crops of a frame, resized on an accelerator: what `crops` cuts, but for rounding."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from adadepth.data.crops import cut_window


def crop_square_on_device(
  frame: UInt8[np.ndarray, "h w 3"], center_in_image: Float[np.ndarray, "2"], side_px: float, crop_px: int
) -> UInt8[Array, "crop_px crop_px 3"]:
  """`crop_square` on an accelerator, to which a window of one size is uploaded whatever the frame and the square."""
  cells = 2 * crop_px + 8
  window = cut_window(frame, center_in_image, side_px, crop_px, cells=cells)
  return _resize(window.pixels, np.float32(window.corner), np.float32(window.side_px), crop_px=crop_px)


@functools.partial(jax.jit, static_argnames="crop_px")
def _resize(pixels, corner, side_px, *, crop_px):
  scale = jnp.full(2, crop_px / side_px)
  shape, offset = (crop_px, crop_px, 3), -corner[::-1] * scale
  found = jax.image.scale_and_translate(
    pixels.astype(jnp.float32), shape, (0, 1), scale, offset, method="linear", antialias=True
  )
  return jnp.round(jnp.clip(found, 0, 255)).astype(jnp.uint8)
