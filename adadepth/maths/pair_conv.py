"""3x3 convolution of few channels as one matrix product that yields two neighbouring outputs a row.

Their 3x4 window is one row of 12 c numbers, and the matrix holds the kernel twice, one column further the second time.
A quarter of it is 0; but a product that is narrow on all sides is bound by memory, and this one is half as long and
twice as wide as the nine shifted images would make it.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def pair_matrix(kernel: Float[Array, "3 3 c d"]) -> Float[Array, "k n"]:
  """The kernel as `pair_conv` takes it, once per network: k is 12 c, n is 2 d."""
  apart = [np.pad(kernel, ((0, 0), (j, 1 - j), (0, 0), (0, 0))) for j in range(2)]
  return jnp.asarray(np.concatenate(apart, axis=-1).reshape(-1, 2 * kernel.shape[-1]))


def pair_conv(x: Float[Array, "b h w c"], matrix: Float[Array, "k n"]) -> Float[Array, "b h w d"]:
  """The SAME convolution of stride 1, of any h and w, with the matrix that `pair_matrix` returns."""
  b, h, w, c = x.shape
  pairs = -(-w // 2)
  padded = jnp.pad(x, ((0, 0), (1, 1), (1, 2 * pairs - w + 1), (0, 0))).reshape(b, h + 2, pairs + 1, 2 * c)
  windows = [padded[:, i : i + h, j : j + pairs] for i in range(3) for j in range(2)]
  y = jnp.matmul(jnp.concatenate(windows, axis=-1).reshape(-1, 12 * c), matrix)
  return y.reshape(b, h, 2 * pairs, -1)[:, :, :w]
