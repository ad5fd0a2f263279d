"""3x3 convolution as Winograd's F(4x4, 3x3): 36 products where the plain one needs 144.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): each 4x4 tile of the output is
A^T [(G g G^T) * (B^T d B)] A, with g the kernel, d the 6x6 tile of the input under it, and * a product per
element, summed over the input channels. That sum is one matrix product for each of the 36 elements.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
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
KERNEL_TRANSFORM = (  # G
  np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
)
OUTPUT_TRANSFORM = np.array(  # A^T
  [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)

# Both functions that are jitted here are called again and again with the same shapes, and are then traced once: it is
# Python that a second start waits for. XLA inlines them.

Kernels = tuple[Float[Array, "6 c d"], ...]


def transform_kernel(kernel: Float[Array, "3 3 c d"]) -> Kernels:
  """G g G^T of every pair of channels, once per network; its six rows apart, as they are used."""
  both_axes = jnp.asarray(np.kron(KERNEL_TRANSFORM, KERNEL_TRANSFORM), kernel.dtype)
  flat = jnp.matmul(both_axes, kernel.reshape(9, -1), precision="highest")
  return tuple(flat.reshape(PATCH, PATCH, *kernel.shape[2:]))


@functools.partial(jax.jit, static_argnames="pool")
def winograd_conv(x: Float[Array, "b h w c"], kernels: Kernels, *, pool: int = 1) -> Float[Array, "b i j d"]:
  """The SAME convolution of stride 1, then a max pool.

  The pool is taken from a tile before tiles are joined, when there is a quarter left to write.

  Args:
    x: any h and w.
    kernels: as `transform_kernel` returns.
    pool: 1 (none) or 2.
  """
  b, h, w, _ = x.shape
  rows, cols = -(-h // TILE), -(-w // TILE)
  padded = jnp.pad(x, ((0, 0), (1, rows * TILE - h + 1), (1, cols * TILE - w + 1), (0, 0)))
  by_row = _combine(INPUT_TRANSFORM, [padded[:, i : i + rows * TILE - 3 : TILE] for i in range(PATCH)])
  # Six products of six elements: XLA joins six arrays well, and 36 badly.
  products = [_products(row, kernel, cols) for row, kernel in zip(by_row, kernels, strict=True)]
  by_col = _combine(OUTPUT_TRANSFORM, products)
  tile = [_combine(OUTPUT_TRANSFORM, [row[j] for j in range(PATCH)]) for row in by_col]
  if pool == 2:
    tile = [[_highest(tile, i, j) for j in (0, 2)] for i in (0, 2)]
  joined = jnp.stack([jnp.stack(row, axis=3) for row in tile], axis=2)
  side = TILE // pool
  return joined.reshape(b, rows * side, cols * side, -1)[:, : h // pool, : w // pool]


@functools.partial(jax.jit, static_argnames="cols")
def _products(row: Float[Array, "b rows w c"], kernel: Float[Array, "6 c d"], cols: int) -> Array:
  """One row of the 6x6 elements of every tile, summed over the input channels, [6, b, rows, cols, d]."""
  elements = _combine(INPUT_TRANSFORM, [row[:, :, j : j + cols * TILE - 3 : TILE] for j in range(PATCH)])
  flat = jnp.stack(elements).reshape(PATCH, -1, row.shape[-1])
  return jnp.matmul(flat, kernel).reshape(PATCH, *row.shape[:2], cols, -1)


def _highest(tile: list[list[Array]], i: int, j: int) -> Array:
  """The highest of the 2x2 outputs of a tile from (i, j) on."""
  return jnp.maximum(
    jnp.maximum(tile[i][j], tile[i][j + 1]),
    jnp.maximum(tile[i + 1][j], tile[i + 1][j + 1]),
  )


def _combine(matrix: np.ndarray, parts: list[Array]) -> list[Array]:
  """matrix @ parts, written out: most entries are 0 or 1, and XLA fuses the sums with what feeds them."""
  return [sum(_times(int(n), part) for n, part in zip(row, parts, strict=True) if n) for row in matrix]


def _times(factor: int, part: Array) -> Array:
  return part if factor == 1 else factor * part
