"""Square crops, cut and resized on the device (`data.pairs` cuts the same crops on the host)."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, UInt8

WINDOW_STEP = 32


def window_px(side_px: float, frame_px: int, *, crop_px: int) -> int:
  """Side of the static window that is cut before resizing: the crop and what the filter reaches, in steps of 32."""
  needed = math.ceil(side_px) + 2 * (math.ceil(side_px / crop_px) + 1)
  return min(frame_px, -(-needed // WINDOW_STEP) * WINDOW_STEP)


def crop_square(
  frame: UInt8[Array, "h w 3"],
  center_in_image: Float[Array, "2"],
  side_px: Float[Array, ""],
  *,
  crop_px: int,
  window_hw: tuple[int, int],
) -> Float[Array, "crop_px crop_px 3"]:
  """Cuts a square around a centre and resizes it (bilinear, antialiased as Pillow's).

  What leaves the image is filled with its mean colour. Only a static window around the crop is resized: over a
  whole large frame the resize costs more than a shallow network.

  Args:
    frame: RGB, [h, w, 3].
    center_in_image: (x, y), image pixels.
    side_px: side of the square, image pixels.
    crop_px: side of the result.
    window_hw: height and width of the window, from `window_px` of this side or a larger one.
  Returns:
    RGB 0..255, [crop_px, crop_px, 3].
  """
  mean = jnp.mean(frame.astype(jnp.float32), axis=(0, 1), keepdims=True)
  corner_yx = (center_in_image - side_px / 2)[::-1]
  size_hw = jnp.array(window_hw)
  start = jnp.floor(center_in_image[::-1] - size_hw / 2).astype(jnp.int32)
  start = jnp.clip(start, 0, jnp.array(frame.shape[:2]) - size_hw)
  window = lax.dynamic_slice(frame, (start[0], start[1], 0), (*window_hw, 3)).astype(jnp.float32) - mean
  scale = crop_px / side_px
  resized = jax.image.scale_and_translate(
    window,
    (crop_px, crop_px, 3),
    (0, 1),
    jnp.stack([scale, scale]),
    (start.astype(jnp.float32) - corner_yx) * scale,
    method="linear",
    antialias=True,
  )
  return resized + mean
