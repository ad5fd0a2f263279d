"""3x3 convolution of stride 2 or more and few channels as one matrix product."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@functools.partial(jax.jit, static_argnames="stride")
def strided_conv(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"], stride: int) -> Float[Array, "b i j d"]:
  """The SAME convolution: on a CPU several times as fast as XLA's where c is 3, forwards and backwards."""
  out = [-(-size // stride) for size in x.shape[1:3]]
  pads = [max((n - 1) * stride + 3 - size, 0) for n, size in zip(out, x.shape[1:3], strict=True)]
  x = jnp.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
  h, w = ((n - 1) * stride + 1 for n in out)
  shifted = [x[:, i : i + h : stride, j : j + w : stride] for i in range(3) for j in range(3)]
  y = jnp.matmul(jnp.concatenate(shifted, axis=-1).reshape(-1, 9 * x.shape[-1]), kernel.reshape(-1, kernel.shape[-1]))
  return y.reshape(-1, *out, kernel.shape[-1])
