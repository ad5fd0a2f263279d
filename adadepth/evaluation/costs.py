"""FLOPs of each policy for one key-search pair, as XLA counts them in the program that computes it.

XLA counts a `cond` as its dearest branch, so hard gating is never read off the gated program: each exit has a
program of its own here, which stops there.
"""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adadepth.maths.ncc import LOG_GROWTHS, closer_template
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import (
  CLOSER_DEPTHS,
  closer_coefficients,
  fine_map,
  init_params,
  respond,
  search_maps,
  template_maps,
)
from adadepth.tracking.looking import Seen, look, nothing_seen
from adadepth.tracking.policies import Decision, fixed_policy, soft_policy


class PairCosts(NamedTuple):
  """GFLOPs per key-search pair: fixed depths [5], a gated run that stops at each depth [5], soft gating."""

  fixed_gflops: Float[np.ndarray, "5"]
  cascade_gflops: Float[np.ndarray, "5"]
  soft_gflops: float


def fixed_pair(params: dict, template: Array, search: Array, *, arch: Architecture, depth: int) -> Decision:
  """The fixed policy with its template computed anew: what a pair costs."""
  templates = template_maps(params, template, arch=arch, depths=depth + 1)
  return fixed_policy(params, templates, search, 0.0, arch=arch, depth=depth)


def soft_pair(params: dict, template: Array, search: Array, *, arch: Architecture, readout: Readout) -> Decision:
  """Soft gating with its template computed anew."""
  return soft_policy(params, template_maps(params, template, arch=arch), search, 0.0, arch=arch, readout=readout)


def stopped_pair(
  params: dict, template: Array, search: Array, *, arch: Architecture, readout: Readout, depth: int
) -> Seen:
  """A gated run that stops at `depth`: blocks, correlations and gates up to it, as `hard_policy` runs them."""
  templates = template_maps(params, template, arch=arch, depths=depth + 1)
  maps, seen = search_maps(params, search[None], arch=arch, depths=depth + 1), nothing_seen(arch)
  for k in range(depth + 1):
    seen = look(params, seen, respond(templates[k], maps[k], arch=arch)[0], depth=k, arch=arch, readout=readout)
  return seen


def closer_pair(
  template: Float[Array, "1 h w c"], search: Float[Array, "1 i j c"], *, arch: Architecture, depth: int, sizes: int
) -> Float[Array, "s p q"]:
  """A closer look at block `depth` (0 or 1), from what each policy has: the block's output for both crops.

  Templates of other sizes than the key's are cut once a key, however many frames follow; they are not in a pair.
  """
  maps = fine_map(template, depth=depth, arch=arch)
  search_map = fine_map(search, depth=depth, arch=arch)[0]
  found = closer_template(maps, jnp.ones(maps.shape[1:3]), search_map.shape[0])
  each = found._replace(spectrum=jnp.repeat(found.spectrum, sizes, axis=0))
  return closer_coefficients(each, search_map, depth=depth, arch=arch)


def xla_gflops(program, *arguments) -> float:
  """GFLOPs of a program by XLA's cost analysis; arguments may be shapes."""
  return jax.jit(program).lower(*arguments).cost_analysis()["flops"] / 1e9


@functools.cache
def pair_costs(arch: Architecture, readout: Readout) -> PairCosts:
  """XLA's count for every policy of a network; nothing is computed or compiled."""
  params = jax.eval_shape(lambda key: init_params(key, arch, logit_scale=1.0), jax.random.key(0))
  sides = (arch.template_px, arch.search_px)
  crops = [jax.ShapeDtypeStruct((px, px, 3), "uint8") for px in sides]

  def count(program, **bound) -> float:
    return xla_gflops(functools.partial(program, arch=plain, **bound), params, *crops)

  def look(depth: int, sizes: int) -> float:
    sizes_px = (px // 2 ** min(depth + 1, arch.pools) for px in sides)
    outputs = [jax.ShapeDtypeStruct((1, px, px, arch.channels[depth]), "float32") for px in sizes_px]
    return xla_gflops(functools.partial(closer_pair, arch=arch, depth=depth, sizes=sizes), *outputs)

  plain, fixed_looks, gated_looks = dataclasses.replace(arch, finer_px=0.0, growth=False), 0.0, np.zeros(DEPTHS)
  if arch.finer_px:
    fixed_looks, sizes = look(0, 1), len(LOG_GROWTHS) if arch.growth else 1
    reads = [look(depth, sizes) for depth in range(CLOSER_DEPTHS)] if readout.combine == "posterior" else [fixed_looks]
    # One look where it stops: at the second block, once that has been computed.
    gated_looks = np.array([reads[min(depth, len(reads) - 1)] for depth in range(DEPTHS)])
  return PairCosts(
    fixed_gflops=np.array([count(fixed_pair, depth=k) for k in range(DEPTHS)]) + fixed_looks,
    cascade_gflops=np.array([count(stopped_pair, readout=readout, depth=k) for k in range(DEPTHS)]) + gated_looks,
    soft_gflops=count(soft_pair, readout=readout) + gated_looks[-1],
  )
