"""VGG-19's sixteen convolutions as five separately appliable blocks."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PyTree, UInt8

from adadepth.maths.pair_conv import pair_conv, pair_matrix
from adadepth.maths.strided_conv import strided_conv
from adadepth.maths.winograd import transform_kernel, winograd_conv
from adadepth.models.architecture import DEPTHS, IMAGENET_MEAN_BGR, Architecture, BlockPlan

NHWC = ("NHWC", "HWIO", "NHWC")

# On a CPU Winograd's sums are too short to be worth its transforms below so many input channels.
WINOGRAD_CHANNELS = 16

PIXEL_DEVIATION = 64.0  # about, of the grey levels: random weights start from maps of variance 1


class Conv(nn.Module):
  """A 3x3 convolution, ReLU and a max pool, in its parameters' form: {"kernel", "pairs" or "winograd", "bias"}."""

  channels: int
  stride: int = 1
  pool: int = 1

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
    bias = self.param("bias", nn.initializers.zeros, (self.channels,)).reshape(1, 1, 1, -1)
    if self.has_variable("params", "winograd"):
      # Pooled first, which changes no number: the bias and ReLU keep the order of what they are given.
      return nn.relu(winograd_conv(x, self.get_variable("params", "winograd"), pool=self.pool) + bias)
    if self.has_variable("params", "pairs"):
      return max_pool(nn.relu(pair_conv(x, self.get_variable("params", "pairs")) + bias), self.pool)
    kernel = self.param("kernel", nn.initializers.he_normal(), (3, 3, x.shape[-1], self.channels))
    x, strides = x.astype(kernel.dtype), (self.stride, self.stride)
    if self.stride > 1 and x.shape[-1] < WINOGRAD_CHANNELS and jax.default_backend() == "cpu":
      return max_pool(nn.relu(strided_conv(x, kernel, self.stride) + bias), self.pool)
    y = lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=NHWC)
    return max_pool(nn.relu(y + bias), self.pool)


class Block(nn.Module):
  """A run of convolutions, the last one pooled; holds their parameters as conv1, conv2, ..."""

  plan: BlockPlan

  @nn.compact
  def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b i j d"]:
    last = len(self.plan.convs)
    for i, (channels, stride) in enumerate(self.plan.convs, 1):
      x = Conv(channels, stride, self.plan.pool if i == last else 1, name=f"conv{i}")(x)
    return x


def max_pool(x: Float[Array, "b h w c"], window: int) -> Float[Array, "b i j c"]:
  """Non-overlapping max pool; a window of 1 changes nothing."""
  return x if window == 1 else nn.max_pool(x, (window, window), (window, window))


@jax.jit
def preprocess(crop_rgb: UInt8[Array, "b h w 3"] | Float[Array, "b h w 3"]) -> Float[Array, "b h w 3"]:
  """RGB in 0..255 to what VGG-19 was trained on: BGR minus ImageNet's mean."""
  mean = jnp.asarray(IMAGENET_MEAN_BGR, jnp.float32).reshape(1, 1, 1, 3)
  return crop_rgb[..., ::-1].astype(jnp.float32) - mean


def make_block(arch: Architecture, depth: int) -> Block:
  return Block(arch.blocks[depth])


@functools.partial(jax.jit, static_argnames="arch")
def init_backbone(key: jax.Array, arch: Architecture) -> dict:
  """Random parameters {"block1": {"conv1": {"kernel", "bias"}, ...}, ...} (He normal, zero bias).

  All kernels are cut from one draw: XLA takes many seconds to compile sixteen. The first are scaled for 0..255.
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
  backbone = jax.tree.unflatten(structure, [_he_scaled(values) for values in cut])
  first = backbone["block1"]["conv1"]
  first["kernel"] = first["kernel"] / PIXEL_DEVIATION
  return backbone


def _he_scaled(standard: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
  """Standard normal numbers as a kernel of variance 2 / fan_in; a bias starts at 0."""
  fan_in = math.prod(standard.shape[:-1])
  return standard * math.sqrt(2 / fan_in) if standard.ndim > 1 else jnp.zeros_like(standard)


def apply_block(
  backbone: dict, x: Float[Array, "b h w c"], *, depth: int, arch: Architecture
) -> Float[Array, "b i j d"]:
  """Block `depth` (0..4) with its 2x2 pool, which the last blocks leave out (`arch.pools`).

  Args:
    backbone: as `init_backbone` or `prepare_backbone` returns.
    x: `preprocess`ed crops at depth 0, else the previous block's output, [b, h, w, c].
  """
  return make_block(arch, depth).apply({"params": backbone[f"block{depth + 1}"]}, x)


def prepare_backbone(backbone: dict, arch: Architecture, *, backend: str, dtype: str = "bfloat16") -> dict:
  """The backbone in the form that runs fastest; `apply_block` takes either, training and files the plain one.

  On a CPU "winograd", the transformed kernel, replaces "kernel", or "pairs" if it has few input channels; elsewhere
  everything is cast to `dtype`, and `apply_block` computes in it.

  Args:
    backbone: as `init_backbone` returns; what is prepared already stays as it is.
    backend: "cpu", or "gpu" or "tpu", as `jax.default_backend()` says.
  """
  if backend != "cpu":
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), backbone)
  return {
    name: {conv: _fast(leaves, plan.convs[int(conv[4:]) - 1][1]) for conv, leaves in backbone[name].items()}
    for name, plan in zip(backbone, arch.blocks, strict=True)
  }


def _fast(conv: dict, stride: int) -> dict:
  """A convolution's parameters in the form that suits its channels and stride on a CPU."""
  if "kernel" not in conv or stride > 1:
    return conv
  few = conv["kernel"].shape[2] < WINOGRAD_CHANNELS
  name, prepare = ("pairs", pair_matrix) if few else ("winograd", transform_kernel)
  return {name: prepare(conv["kernel"]), "bias": conv["bias"]}


def count(tree: PyTree) -> int:
  """Number of scalars in a tree of parameters."""
  return sum(leaf.size for leaf in jax.tree.leaves(tree))
