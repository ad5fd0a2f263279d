"""From crops to features to responses: the pieces that every policy and both phases are made of."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.random_streams import named_stream
from adadepth.maths.ridge import box_mask, ridge_filter
from adadepth.maths.xcorr import (
  cross_correlate,
  cross_correlate_each,
  cross_correlate_spectra,
  min_max_scale,
  whiten,
)
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.box_head import init_box_heads
from adadepth.models.gates import init_gates
from adadepth.models.vgg import apply_block, init_backbone, max_pool, prepare_backbone, preprocess

RIDGE_PENALTY, RIDGE_STEPS = 0.1, 8  # chosen on train and dev: see experiments/adaptation
SCALINGS = {"min_max": min_max_scale, "none": lambda response: response}


class Template(NamedTuple):
  """What a target looks like; of n targets, with a leading n.

  Attributes:
    maps: whitened, of the key crop, one array a depth, [*n, cells, cells, channels_k].
    filters: like maps, what is correlated in their place where `arch.template` is "ridge"; else None.
    size: of the target's box in the key crop, (w, h), crop pixels, [*n, 2].
    recent: like maps, what the target has looked like lately, for the reader "box" without filters; else None.
  """

  maps: tuple[Float[Array, "*n _ _ _"], ...]
  filters: tuple[Float[Array, "*n _ _ _"], ...] | None
  size: Float[Array, "*n 2"]
  recent: tuple[Float[Array, "*n _ _ _"], ...] | None


def init_params(key: jax.Array, arch: Architecture, *, logit_scale: float) -> dict:
  """{"backbone", "head", "gates"}, and "box" for the reader of this name.

  The head is the logit scale of each depth, kept as its logarithm.
  """
  params = {
    "backbone": init_backbone(named_stream(key, "backbone"), arch),
    "head": {"log_scale": jnp.full(DEPTHS, jnp.log(jnp.float32(logit_scale)))},
    "gates": init_gates(named_stream(key, "gates")),
  }
  return params | ({"box": init_box_heads(named_stream(key, "box"), arch)} if arch.reader == "box" else {})


def prepare_params(params: dict, arch: Architecture, *, dtype: str = "bfloat16") -> dict:
  """The same network with its backbone prepared for this machine's backend: for running it, not for training.

  Args:
    dtype: in which an accelerator computes the backbone, "bfloat16" or "float32"; a CPU always has float32.
  """
  return {**params, "backbone": prepare_backbone(params["backbone"], arch, backend=jax.default_backend(), dtype=dtype)}


def logit_scales(params: dict) -> Float[Array, "5"]:
  """What multiplies each depth's response to make the logits of Eq. 1."""
  return jnp.exp(params["head"]["log_scale"])


def block_outputs(params: dict, crops: Array, *, arch: Architecture, depths: int) -> list:
  """The outputs of the first `depths` blocks for a batch of crops, RGB 0..255, [n, px, px, 3]."""
  x, outputs = preprocess(crops), []
  for depth in range(depths):
    x = apply_block(params["backbone"], x, depth=depth, arch=arch)
    outputs.append(x)
  return outputs


def correlation_map(
  block_output: Float[Array, "b h w c"], *, depth: int, arch: Architecture
) -> Float[Array, "b i j c"]:
  """A block's output at the common stride, whitened, float32: what is correlated."""
  return whiten(max_pool(block_output, arch.pool_to_response(depth)).astype(jnp.float32))


def correlation_maps(params: dict, crops: Array, *, arch: Architecture, depths: int = DEPTHS) -> list:
  """`correlation_map` of a batch of crops, RGB 0..255, [n, px, px, 3], at the first `depths` depths."""
  outputs = block_outputs(params, crops, arch=arch, depths=depths)
  return [correlation_map(x, depth=depth, arch=arch) for depth, x in enumerate(outputs)]


def make_template(
  params: dict, key: Array, key_search: Array, size_in_crop: Float[Array, "2"], *, arch: Architecture
) -> Template:
  """The template of one target, as `arch.template` and `arch.reader` ask.

  Args:
    key: key crop, RGB 0..255, [template_px, template_px, 3].
    key_search: the key frame's search crop, centred on the target, [search_px, search_px, 3]; only ridge templates
      look at it.
    size_in_crop: the target's box (w, h), crop pixels.
  """
  maps, filters = tuple(m[0] for m in correlation_maps(params, key[None], arch=arch)), None
  if arch.template == "ridge":
    mask = box_mask(size_in_crop, arch.template_cells, arch.stride_px)
    searched = correlation_maps(params, key_search[None], arch=arch)
    learn = {"penalty": RIDGE_PENALTY, "steps": RIDGE_STEPS}
    filters = tuple(ridge_filter(m, s[0], mask, **learn) for m, s in zip(maps, searched, strict=True))
  return Template(maps, filters, size_in_crop, maps if arch.reader == "box" and filters is None else None)


def filter_of(template: Template, depth: int) -> Float[Array, "*n h h c"]:
  """What is correlated at one depth: a filter, or the key's map with as much of what the target has looked like lately,
  if that is known.
  """
  if template.filters is not None:
    return template.filters[depth]
  if template.recent is None:
    return template.maps[depth]
  return (template.maps[depth] + template.recent[depth]) / 2


def respond(
  template_map: Float[Array, "h w c"], search_map: Float[Array, "n r r c"], *, arch: Architecture
) -> Float[Array, "n r r"]:
  """Response maps of one template over its n search maps, scaled as `arch.scaling` says."""
  return SCALINGS[arch.scaling](cross_correlate(template_map, search_map))


def respond_each(
  template_maps: Float[Array, "n h w c"], search_maps: Float[Array, "n r r c"], *, arch: Architecture
) -> Float[Array, "n r r"]:
  """`respond` of each of n templates to its own search map."""
  return SCALINGS[arch.scaling](cross_correlate_each(template_maps, search_maps))


def group_maps(
  params: dict, templates: Array, searches: Array, *, arch: Architecture
) -> list[tuple[Float[Array, "p h w _"], Float[Array, "p r r _"]]]:
  """What is correlated at each depth: of each pair of g keys and their n search frames, p = g n, by plain templates.

  Args:
    templates: RGB 0..255, [g, template_px, template_px, 3].
    searches: RGB 0..255, [g, n, search_px, search_px, 3].
  """
  groups, frames = searches.shape[:2]
  keys = correlation_maps(params, templates, arch=arch)
  flat = correlation_maps(params, searches.reshape((groups * frames, *searches.shape[2:])), arch=arch)
  return [(jnp.repeat(key, frames, axis=0), search) for key, search in zip(keys, flat, strict=True)]


def pair_responses(
  maps: list[tuple[Float[Array, "p h w _"], Float[Array, "p r r _"]]], *, arch: Architecture
) -> Float[Array, "p 5 r r"]:
  """The five responses of each pair, as `respond_each` has them, by spectra: their gradient is many times as fast."""
  return jnp.stack([SCALINGS[arch.scaling](cross_correlate_spectra(*pair)) for pair in maps], axis=1)
