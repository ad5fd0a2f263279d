"""FLOPs of each policy, as XLA counts them in the program that computes it.

XLA counts a `cond` as its dearest branch, so hard gating is never read off the gated program: each exit has a
program of its own here, which stops there.
"""

import contextlib
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import Template, correlation_maps, init_params, make_template
from adadepth.tracking.policies import fixed_policy, look_through, soft_policy, stop_share
from adadepth.tracking.reader import Reading, Search


class Costs(NamedTuple):
  """GFLOPs of static exits [5], of a gated run that stops at each depth [5], and of soft gating.

  Static exits are fixed depths with the same reader as the gated ones, which compute their gates on top.
  """

  fixed_gflops: Float[np.ndarray, "5"]
  cascade_gflops: Float[np.ndarray, "5"]
  soft_gflops: float

  @property
  def relative(self) -> Float[np.ndarray, "5"]:
    """Of a gated run that stops at each depth, relative to xcorr1."""
    return self.cascade_gflops / self.fixed_gflops[0]


def gated_exit(
  params: dict, template: Template, search: Search, *, arch: Architecture, depth: int
) -> tuple[Array, Reading]:
  """A gated run of n = 1 that stops at `depth`: blocks, responses and gates up to it, as `hard_policy` runs them."""
  found = look_through(params, template, search, depths=depth + 1, arch=arch)
  stops = jnp.stack([stop_share(params, at, depth=k, arch=arch) for k, at in enumerate(found)])
  return stops, found[-1].reading


def xla_gflops(program, *arguments) -> float:
  """GFLOPs of a program for a CPU by XLA's cost analysis; arguments may be shapes."""
  # A GPU's plugin analyses nothing that it has not compiled.
  elsewhere = jax.default_backend() != "cpu"
  with jax.default_device(jax.devices("cpu")[0]) if elsewhere else contextlib.nullcontext():
    return jax.jit(program).lower(*arguments).cost_analysis()["flops"] / 1e9


@functools.cache
def frame_costs(arch: Architecture) -> Costs:
  """Of a tracked frame, the key's template being there; nothing is computed or compiled."""
  params, template, search = _shapes(arch)
  threshold = jax.ShapeDtypeStruct((1,), jnp.float32)

  def static(depth: int) -> float:
    policy = functools.partial(fixed_policy, arch=arch, depth=depth)
    return xla_gflops(policy, params, template, search, threshold)

  return Costs(
    np.array([static(k) for k in range(DEPTHS)]),
    np.array(
      [xla_gflops(functools.partial(gated_exit, arch=arch, depth=k), params, template, search) for k in range(DEPTHS)]
    ),
    xla_gflops(functools.partial(soft_policy, arch=arch), params, template, search, threshold),
  )


@functools.cache
def pair_costs(arch: Architecture) -> Costs:
  """Of a key-search pair (Table 1): a frame, and the blocks of the key crop.

  What ridge regression costs is spent once a key, however many frames follow; it is not in a pair.
  """
  params, _, _ = _shapes(arch)
  key = jax.ShapeDtypeStruct((1, arch.template_px, arch.template_px, 3), jnp.uint8)

  def maps(depths: int) -> float:
    return xla_gflops(functools.partial(correlation_maps, arch=arch, depths=depths), params, key)

  keys, frame = np.array([maps(k + 1) for k in range(DEPTHS)]), frame_costs(arch)
  return Costs(frame.fixed_gflops + keys, frame.cascade_gflops + keys, frame.soft_gflops + keys[-1])


def _shapes(arch: Architecture) -> tuple[dict, Template, Search]:
  """Parameters, a template of one target, and its search crop, as shapes."""
  params = jax.eval_shape(lambda key: init_params(key, arch, logit_scale=1.0), jax.random.key(0))
  crops = [jax.ShapeDtypeStruct((px, px, 3), jnp.uint8) for px in (arch.template_px, arch.search_px)]
  size = jax.ShapeDtypeStruct((2,), jnp.float32)
  template = jax.eval_shape(functools.partial(make_template, arch=arch), params, *crops, size)
  template = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), template)
  crops = jax.ShapeDtypeStruct((1, arch.search_px, arch.search_px, 3), jnp.uint8)
  return params, template, Search(crops, jax.ShapeDtypeStruct((1, 2), jnp.float32))
