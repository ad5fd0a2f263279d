"""3x3 convolution as Winograd's F(4x4, 3x3): 36 products where the plain one needs 144.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): each 4x4 tile of the output is
A^T [(G g G^T) * (B^T d B)] A, with g the kernel, d the 6x6 tile of the input under it, and * a product per
element, summed over the input channels. That sum is one matrix product for each of the 36 elements.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

TILE = 4
PATCH = TILE + 2

INPUT_TRANSFORM = np.array(  # B^T
  [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
  ]
)
KERNEL_TRANSFORM = np.array(  # G
  [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
) / np.array([[24], [24], [24], [24], [24], [24]])
OUTPUT_TRANSFORM = np.array(  # A^T
  [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


def transform_kernel(kernel: Float[Array, "3 3 c d"]) -> Float[Array, "36 c d"]:
  """G g G^T of every pair of channels, once per network."""
  g = jnp.asarray(KERNEL_TRANSFORM, kernel.dtype)
  return jnp.einsum("ik,klcd,jl->ijcd", g, kernel, g, precision="highest").reshape(PATCH**2, *kernel.shape[2:])


def winograd_conv(x: Float[Array, "b h w c"], kernel: Float[Array, "36 c d"]) -> Float[Array, "b h w d"]:
  """The SAME convolution of stride 1 by a kernel that `transform_kernel` made; any h and w."""
  b, h, w, c = x.shape
  rows, cols = -(-h // TILE), -(-w // TILE)
  padded = jnp.pad(x, ((0, 0), (1, rows * TILE - h + 1), (1, cols * TILE - w + 1), (0, 0)))
  by_row = _combine(INPUT_TRANSFORM, [padded[:, i : i + rows * TILE - 3 : TILE] for i in range(PATCH)])
  patches = [
    patch
    for row in by_row
    for patch in _combine(INPUT_TRANSFORM, [row[:, :, j : j + cols * TILE - 3 : TILE] for j in range(PATCH)])
  ]
  products = lax.dot_general(
    jnp.stack(patches).reshape(PATCH**2, b * rows * cols, c), kernel, (((2,), (1,)), ((0,), (0,)))
  ).reshape(PATCH, PATCH, b, rows, cols, -1)
  by_col = _combine(OUTPUT_TRANSFORM, [products[i] for i in range(PATCH)])
  tiles = [jnp.stack(_combine(OUTPUT_TRANSFORM, [row[j] for j in range(PATCH)]), axis=3) for row in by_col]
  return jnp.stack(tiles, axis=2).reshape(b, rows * TILE, cols * TILE, -1)[:, :h, :w]


def _combine(matrix: np.ndarray, parts: list[Array]) -> list[Array]:
  """matrix @ parts, written out: most entries are 0 or 1, and XLA fuses the sums with what feeds them."""
  return [sum(_times(int(n), part) for n, part in zip(row, parts, strict=True) if n) for row in matrix]


def _times(factor: int, part: Array) -> Array:
  return part if factor == 1 else factor * part
