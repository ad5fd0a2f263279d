"""3x3 convolution as Winograd's F(4x4, 3x3): 36 products where the plain one needs 144.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2016): each 4x4 tile of the output is
A^T [(G g G^T) * (B^T d B)] A, with g the kernel, d the 6x6 tile of the input under it, and * a product per
element, summed over the input channels. That sum is one matrix product for each of the 36 elements.

On a CPU the transforms take longer than the products, and memory longer than arithmetic. So each step of them is one
stack, which XLA computes and writes once, where it would compute parts again for each of their readers; and stacks are
flat where they can be, since XLA's loops are as short as the last axis.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

TILE = 4
PATCH = TILE + 2

# A strip of the image has at least so many tiles, since each reads the kernels again, and then at most so many numbers:
# its 36 elements stay in the cache.
STRIP_TILES, STRIP_NUMBERS = 256, 2**14
# Up to so many channels of a pixel are too short a run of memory: the four columns of a tile are parted first.
SHORT = 16

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

Kernels = tuple[Float[Array, "6 c d"], ...]


def transform_kernel(kernel: Float[Array, "3 3 c d"]) -> Kernels:
  """G g G^T of every pair of channels, once per network; its six rows apart, as wide layers use them.

  By NumPy: a start would wait longer for XLA to compile it for each shape.
  """
  kernel = np.asarray(kernel)
  flat = np.kron(KERNEL_TRANSFORM, KERNEL_TRANSFORM).astype(kernel.dtype) @ kernel.reshape(9, -1)
  return tuple(map(jnp.asarray, flat.reshape(PATCH, PATCH, *kernel.shape[2:])))


# Jitted, since it is called again and again with the same shapes, and is then traced once: it is Python that a second
# start waits for. XLA inlines it.
@functools.partial(jax.jit, static_argnames="pool")
def winograd_conv(x: Float[Array, "b h w c"], kernels: Kernels, *, pool: int = 1) -> Float[Array, "b i j d"]:
  """The SAME convolution of stride 1, then a max pool.

  Args:
    x: any h and w.
    kernels: as `transform_kernel` returns.
    pool: 1 (none) or 2.
  """
  b, h, w, c = x.shape
  rows, cols = -(-h // TILE), -(-w // TILE)
  strip = rows
  if b * rows * cols > 2 * c:  # the elements outweigh the kernels: all at once, strip by strip
    strip = min(rows, max(1, max(STRIP_TILES, STRIP_NUMBERS // c) // (b * cols)))
    groups = [jnp.stack(kernels, axis=1)]
  else:  # row by row
    groups = [kernel[:, None] for kernel in kernels]
  strips = -(-rows // strip)
  padded = jnp.pad(x, ((0, 0), (1, (strips * strip + 1) * TILE - h - 1), (1, (cols + 1) * TILE - w - 1), (0, 0)))
  if strips == 1:
    y = _convolve(padded, groups, rows, cols, pool)
  else:

    def one_strip(i: Array) -> Array:
      part = lax.dynamic_slice_in_dim(padded, i * strip * TILE, (strip + 1) * TILE, axis=1)
      return _convolve(part, groups, strip, cols, pool)

    y = jnp.moveaxis(lax.map(one_strip, jnp.arange(strips)), 0, 1)
    y = y.reshape(b, -1, *y.shape[3:])
  return y[:, : h // pool, : w // pool]


def _convolve(
  padded: Float[Array, "b i j c"], groups: list[Float[Array, "6 g c d"]], rows: int, cols: int, pool: int
) -> Array:
  """`winograd_conv` of rows x cols whole tiles, padded by 1 before and 3 after; `groups` of rows are used together."""
  b, _, _, c = padded.shape
  if c <= SHORT:
    parted = padded.reshape(b, -1, cols + 1, TILE, c).swapaxes(2, 3)
    padded = parted.reshape(b, -1, TILE, (cols + 1) * c)
  by_row = _combine(INPUT_TRANSFORM, [padded[:, i : i + rows * TILE - 3 : TILE] for i in range(PATCH)])
  products = []
  for kernels in groups:
    together, by_row = by_row[: kernels.shape[1]], by_row[kernels.shape[1] :]
    group = jnp.stack(together)
    if c <= SHORT:
      columns = [group[..., j % TILE, j // TILE * c :][..., : cols * c] for j in range(PATCH)]
    else:
      columns = [group[..., j : j + cols * TILE - 3 : TILE, :] for j in range(PATCH)]
    elements = jnp.stack(_combine(INPUT_TRANSFORM, columns)).reshape(PATCH, len(group), -1, c)
    summed = jnp.matmul(elements, kernels).reshape(PATCH, len(group), -1)
    products += [summed[:, i] for i in range(len(group))]
  by_col = jnp.stack(_combine(OUTPUT_TRANSFORM, products), axis=1)
  tiles = _combine(OUTPUT_TRANSFORM, list(by_col))  # by column, each [row, flat]
  if pool == 2:  # before tiles are joined, when there is a quarter left to write
    tiles = [jnp.maximum(left, right) for left, right in zip(tiles[::2], tiles[1::2], strict=True)]
    tiles = [jnp.maximum(column[::2], column[1::2]) for column in tiles]
  side = TILE // pool
  joined = jnp.stack(tiles).reshape(side, side, b, rows, cols, -1)
  return joined.transpose(2, 3, 1, 4, 0, 5).reshape(b, rows * side, cols * side, -1)


def _combine(matrix: np.ndarray, parts: list[Array]) -> list[Array]:
  """matrix @ parts, written out: most entries are 0 or 1, and XLA fuses the sums with what feeds them."""
  return [sum(_times(int(n), part) for n, part in zip(row, parts, strict=True) if n) for row in matrix]


def _times(factor: int, part: Array) -> Array:
  return part if factor == 1 else factor * part
