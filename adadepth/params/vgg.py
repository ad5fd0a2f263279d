"""VGG-19's sixteen convolutions as five separately appliable blocks."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, UInt8

from adadepth.maths.architecture import DEPTHS, VGG19_CONVS, Architecture

IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)


class Block(nn.Module):
  """A run of 3x3 convolutions with ReLU; holds their kernels and biases as conv1, conv2, ..."""

  convs: int
  channels: int

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
    for i in range(self.convs):
      conv = nn.Conv(self.channels, (3, 3), name=f"conv{i + 1}")
      x = nn.relu(conv(x))
    return x


def max_pool(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b i j c"]:
  """Non-overlapping max pool; a window of 1 changes nothing."""
  return x if window == 1 else nn.max_pool(x, (window, window), (window, window))


def preprocess(crop_rgb: UInt8[Array, "b h w 3"] | Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
  """RGB in 0..255 to what VGG-19 was trained on: BGR minus ImageNet's mean."""
  mean = jnp.asarray(IMAGENET_MEAN_BGR, jnp.float32).reshape(1, 1, 1, 3)
  return crop_rgb[..., ::-1].astype(jnp.float32) - mean


def make_block(arch: Architecture, depth: int) -> Block:
  return Block(VGG19_CONVS[depth], arch.channels[depth])


@functools.partial(jax.jit, static_argnames="arch")
def init_backbone(key: jax.Array, arch: Architecture) -> dict:
  """Random parameters {"block1": {"conv1": {"kernel", "bias"}, ...}, ...} (He normal, zero bias).

  All kernels are cut from one draw: XLA takes many seconds to compile sixteen.
  """
  channels = (3, *arch.channels)
  shapes = {}
  for depth in range(DEPTHS):
    probe = jax.ShapeDtypeStruct((1, 4, 4, channels[depth]), jnp.float32)
    shapes[f"block{depth + 1}"] = jax.eval_shape(make_block(arch, depth).init, key, probe)["params"]
  leaves, structure = jax.tree.flatten(shapes)
  numbers = jax.random.normal(key, (count(shapes),))
  ends = itertools.accumulate(leaf.size for leaf in leaves)
  cut = [numbers[end - leaf.size : end].reshape(leaf.shape) for leaf, end in zip(leaves, ends, strict=True)]
  return jax.tree.unflatten(structure, [_he_scaled(values) for values in cut])


def _he_scaled(standard: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Standard normal numbers as a kernel of variance 2 / fan_in; a bias starts at 0."""
  fan_in = math.prod(standard.shape[:-1])
  return standard * math.sqrt(2 / fan_in) if standard.ndim > 1 else jnp.zeros_like(standard)


def apply_block(
  backbone: dict, x: Float[Array, "b h w c"], *, depth: int, arch: Architecture
) -> Float[Array, "b i j d"]:
  """Block `depth` (0..4) with its 2x2 pool, which the last blocks leave out (`arch.pools`).

  Args:
    backbone: as `init_backbone` returns.
    x: `preprocess`ed crops at depth 0, else the previous block's output, [b, h, w, c].
  """
  y = make_block(arch, depth).apply({"params": backbone[f"block{depth + 1}"]}, x)
  return max_pool(y, 2 if depth < arch.pools else 1)


def count(tree: PyTree) -> int:
  """Number of scalars in a tree of parameters."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))
