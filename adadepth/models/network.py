"""From crops to features to responses: the pieces that every policy and both phases are made of."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.fusion import onto_grid
from adadepth.maths.ncc import LOG_GROWTHS, CloserTemplate, closer_template, correlation_coefficients
from adadepth.maths.ridge import adapt_template, box_coverage
from adadepth.maths.xcorr import cross_correlate, cross_correlate_each, min_max_scale, whiten
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.fusion_weights import init_beliefs
from adadepth.models.gates import init_gates
from adadepth.models.vgg import apply_block, init_backbone, max_pool, prepare_backbone, preprocess

CLOSER_DEPTHS = 2  # whose blocks a closer look is taken at
SCALINGS = {"min_max": min_max_scale, "none": lambda response: response}


def init_params(key: jax.Array, arch: Architecture, *, logit_scale: float) -> dict:
  """{"backbone", "head", "gates", "beliefs"}; the head is the logit scale of each depth, kept as its logarithm."""
  backbone_key, gates_key = jax.random.split(key)
  return {
    "backbone": init_backbone(backbone_key, arch),
    "head": {"log_scale": jnp.full(DEPTHS, jnp.log(jnp.float32(logit_scale)))},
    "gates": init_gates(gates_key),
    "beliefs": init_beliefs(),
  }


def prepare_params(params: dict) -> dict:
  """The same network with its backbone prepared for this machine's backend: for running it, not for training."""
  return {**params, "backbone": prepare_backbone(params["backbone"], backend=jax.default_backend())}


def logit_scales(params: dict) -> Float[Array, "5"]:
  """What multiplies each depth's response to make the logits of Eq. 1."""
  return jnp.exp(params["head"]["log_scale"])


def correlation_map(
  block_output: Float[Array, "b h w c"], *, depth: int, arch: Architecture
) -> Float[Array, "b i j c"]:
  """A block's output at the common stride, whitened, float32: what is correlated."""
  return whiten(max_pool(block_output, arch.pool_to_response(depth)).astype(jnp.float32))


def template_maps(params: dict, template: Array, *, arch: Architecture, depths: int = DEPTHS) -> tuple:
  """The template's whitened map at each of the first `depths` depths.

  Args:
    template: key crop, RGB 0..255, [template_px, template_px, 3].
  Returns:
    `depths` arrays, [template_cells, template_cells, channels_k].
  """
  return tuple(m[0] for m in search_maps(params, template[None], arch=arch, depths=depths))


def adapted_templates(
  params: dict, template: Array, key_search: Array, size_in_crop: Float[Array, "2"], *, arch: Architecture
) -> tuple:
  """`template_maps`, weighted by the target's box and trained on its own key frame, as `arch` asks.

  Args:
    template: key crop, RGB 0..255, [template_px, template_px, 3].
    key_search: the key frame's search crop, centred on the target, RGB 0..255, [search_px, search_px, 3]; not looked
      at without steps of training.
    size_in_crop: the target's box (w, h), crop pixels.
  Returns:
    One array a depth, [template_cells, template_cells, channels_k].
  """
  templates = template_maps(params, template, arch=arch)
  if not arch.adapted:
    return templates
  inside = box_coverage(size_in_crop, arch.template_cells, arch.stride_px)
  weight = arch.background + (1 - arch.background) * inside
  if not arch.adapt_steps:
    return tuple(t * weight[..., None] for t in templates)
  maps = search_maps(params, key_search[None], arch=arch)
  settings = {"penalty": arch.adapt_penalty, "steps": arch.adapt_steps}
  return tuple(adapt_template(t, m[0], weight, **settings) for t, m in zip(templates, maps, strict=True))


def fine_map(
  block_output: Float[Array, "b h w c"], *, depth: int, arch: Architecture
) -> Float[Array, "b f f c"] | None:
  """The output of block `depth` (0 or 1), whitened, float32, as a closer look takes it; None for a network without."""
  pool = arch.closer_stride_px(depth) // 2 ** min(depth + 1, arch.pools)
  return whiten(max_pool(block_output, pool).astype(jnp.float32)) if arch.finer_px else None


def grown_crops(template: Array, key_search: Array, *, arch: Architecture) -> Float[Array, "s px px 3"]:
  """The key as it would look at each size that is told apart; the template itself where that is one.

  Args:
    template: key crop, RGB 0..255, [template_px, template_px, 3].
    key_search: the key frame's search crop, of the same centre and scale, [search_px, search_px, 3].
  """
  middle = template.astype(jnp.float32)
  if not arch.growth:
    return middle[None]

  def grown(log_growth: float) -> Float[Array, "px px 3"]:
    scale = jnp.full(2, jnp.exp(jnp.float32(log_growth)))
    offset = arch.template_px / 2 - scale * arch.search_px / 2
    return jax.image.scale_and_translate(
      key_search.astype(jnp.float32), middle.shape, (0, 1), scale, offset, method="linear", antialias=True
    )

  return jnp.stack([grown(g) if g else middle for g in LOG_GROWTHS])


def closer_look_at(
  params: dict, key_crops: Array, size_in_crop: Float[Array, "2"], *, arch: Architecture
) -> tuple[CloserTemplate, ...] | None:
  """What a closer look at the first and at the second block compares the target with; None for a network without one.

  Args:
    key_crops: see `grown_crops`, [s, px, px, 3].
    size_in_crop: the target's box (w, h) in each of them, crop pixels.
  """
  if not arch.finer_px:
    return None
  found = []
  for depth, output in enumerate(block_outputs(params, key_crops, arch=arch, depths=CLOSER_DEPTHS)):
    maps, stride_px = fine_map(output, depth=depth, arch=arch), arch.closer_stride_px(depth)
    covered = box_coverage(size_in_crop, maps.shape[1], stride_px)
    found.append(closer_template(maps, covered, arch.search_px // stride_px))
  return tuple(found)


def closer_coefficients(
  template: CloserTemplate, fine_map: Float[Array, "f f c"], *, depth: int, arch: Architecture
) -> Float[Array, "s i i"]:
  """Correlation coefficients of a closer look at block `depth` (0 or 1), on the grid of places, for each size."""
  found, stride_px = correlation_coefficients(template, fine_map), arch.closer_stride_px(depth)
  if stride_px == arch.fine_stride_px:
    return found
  return jax.vmap(lambda m: onto_grid(m, len(m) // 2, stride_px, arch))(found)


def block_outputs(params: dict, crops: Array, *, arch: Architecture, depths: int) -> list:
  """The outputs of the first `depths` blocks for a batch of crops, RGB 0..255, [n, px, px, 3]."""
  x, outputs = preprocess(crops), []
  for depth in range(depths):
    x = apply_block(params["backbone"], x, depth=depth, arch=arch)
    outputs.append(x)
  return outputs


def search_maps(params: dict, crops: Array, *, arch: Architecture, depths: int = DEPTHS) -> list:
  """The whitened maps of a batch of crops, RGB 0..255, [n, px, px, 3], at the first `depths` depths."""
  outputs = block_outputs(params, crops, arch=arch, depths=depths)
  return [correlation_map(x, depth=depth, arch=arch) for depth, x in enumerate(outputs)]


def respond(
  template_map: Float[Array, "h w c"], search_map: Float[Array, "n r r c"], *, arch: Architecture
) -> Float[Array, "n r r"]:
  """Response maps of one template over its search maps, [n, r, r], scaled as `arch.scaling` says."""
  return SCALINGS[arch.scaling](cross_correlate(template_map, search_map))


def respond_each(
  template_maps: Float[Array, "n h w c"], search_maps: Float[Array, "n r r c"], *, arch: Architecture
) -> Float[Array, "n r r"]:
  """`respond` of each of n templates to its own search map."""
  return SCALINGS[arch.scaling](cross_correlate_each(template_maps, search_maps))


def search_responses(params: dict, templates: tuple, searches: Array, *, arch: Architecture) -> Float[Array, "n 5 r r"]:
  """All five responses of one key to its n search crops, RGB 0..255, [n, search_px, search_px, 3]."""
  return respond_all(templates, block_outputs(params, searches, arch=arch, depths=DEPTHS), arch=arch)


def respond_all(templates: tuple, outputs: list, *, arch: Architecture) -> Float[Array, "n 5 r r"]:
  """`search_responses` from the outputs of the blocks."""
  maps = [correlation_map(x, depth=depth, arch=arch) for depth, x in enumerate(outputs)]
  return jnp.stack([respond(t, m, arch=arch) for t, m in zip(templates, maps, strict=True)], axis=1)


def group_responses(
  params: dict, templates: Array, searches: Array, *, arch: Architecture
) -> Float[Array, "g n 5 r r"]:
  """All five responses of g keys, each with its own n search frames.

  The backbone sees all crops at once; each key is correlated by a plain convolution of its own, because one
  grouped convolution over all keys is many times slower on a CPU.

  Args:
    templates: RGB 0..255, [g, template_px, template_px, 3].
    searches: RGB 0..255, [g, n, search_px, search_px, 3].
  """
  groups, frames = searches.shape[:2]
  keys = search_maps(params, templates, arch=arch)
  flat = search_maps(params, searches.reshape((groups * frames, *searches.shape[2:])), arch=arch)
  by_depth = []
  for key_map, search_map in zip(keys, flat, strict=True):
    grouped = search_map.reshape((groups, frames, *search_map.shape[1:]))
    by_depth.append(jnp.stack([respond(key_map[g], grouped[g], arch=arch) for g in range(groups)]))
  return jnp.stack(by_depth, axis=2)
