"""From crops to responses: Siamese, registered, and the same however they are batched."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.maths.peaks import highest_cell
from adadepth.maths.ridge import box_mask
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import (
  Template,
  correlation_maps,
  filter_of,
  group_maps,
  init_params,
  logit_scales,
  make_template,
  pair_responses,
  respond,
  respond_each,
)
from adadepth.models.weights import load_vgg19

CELLS = ((0, 0), (1, 0), (0, -1), (-3, 2))
SIZE = jnp.full(2, 32.0)  # of a planted target, crop pixels

template_of = jax.jit(make_template, static_argnames="arch")
maps_of = jax.jit(correlation_maps, static_argnames=("arch", "depths"))


@functools.partial(jax.jit, static_argnames="arch")
def responses_of(params: dict, template: Template, searches: np.ndarray, *, arch: Architecture) -> jax.Array:
  maps = correlation_maps(params, searches, arch=arch)
  return jnp.stack([respond(filter_of(template, k), m, arch=arch) for k, m in enumerate(maps)], axis=1)


def planted(plant, arch: Architecture, displacements_px, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """A key, its own search crop, and search crops with its target displaced by (x, y)."""
  key, searches = plant(arch.template_px, [(0, 0), *displacements_px], seed=seed)
  return key, searches[0], searches[1:]


def assert_found_at_every_depth(params: dict, arch: Architecture, plant, seed: int, size=SIZE) -> None:
  """A target planted at CELLS peaks there, in all five maps."""
  shifts = [(arch.stride_px * x, arch.stride_px * y) for x, y in CELLS]
  key, key_search, searches = planted(plant, arch, shifts, seed)
  responses = responses_of(params, template_of(params, key, key_search, size, arch=arch), searches, arch=arch)
  found = highest_cell(responses, template_cells=arch.template_cells)
  np.testing.assert_array_equal(found, np.repeat(np.array(CELLS, np.float32)[:, None], DEPTHS, axis=1))


@pytest.fixture(scope="module")
def ridged(arch) -> Architecture:
  return dataclasses.replace(arch, template="ridge")


@pytest.fixture(scope="module")
def crops(arch: Architecture, plant) -> tuple[np.ndarray, np.ndarray]:
  """Two keys, and three search crops of each."""
  keys, searches = zip(*(plant(arch.template_px, [(-5, 2), (0, 0), (9, 3)], seed=s) for s in (0, 1)), strict=True)
  return np.stack(keys), np.stack(searches)


# Responses: invariants.


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_target_comes_back_at_its_true_cell_at_every_depth(params, arch, plant, seed):
  assert_found_at_every_depth(params, arch, plant, seed)


def test_a_ridge_template_finds_it_there_too(params, ridged, plant):
  assert_found_at_every_depth(params, ridged, plant, seed=0)


def test_a_planted_target_comes_back_at_every_depth_of_imagenets_network(shared, plant):
  backbone = load_vgg19(shared / "weights" / "vgg19_imagenet_fp16.safetensors")
  assert_found_at_every_depth({"backbone": backbone}, Architecture(), plant, seed=0, size=2 * SIZE)


def test_a_planted_target_comes_back_at_every_depth_of_the_small_plan(small, small_params, plant):
  """Strided convolutions pad a crop and its search crop alike, so that their cells lie on one grid."""
  assert_found_at_every_depth(small_params, small, plant, seed=0)


def test_template_and_search_of_the_same_crop_have_the_same_maps(params, arch, crops):
  keys, searches = crops
  template = template_of(params, keys[1], searches[1, 1], SIZE, arch=arch)
  for searched, keyed in zip(maps_of(params, keys, arch=arch), template.maps, strict=True):
    # Whitened values of order 1; a batch of two may be convolved in another order than one.
    np.testing.assert_allclose(searched[1], keyed, atol=2e-5)


def test_all_depths_share_one_stride(params, arch, crops):
  maps = jax.eval_shape(functools.partial(correlation_maps, arch=arch), params, crops[1][0])
  assert [m.shape for m in maps] == [(3, 16, 16, c) for c in (4, 8, 16, 32, 32)]


def test_maps_are_whitened(params, arch, crops):
  for whitened in maps_of(params, crops[0][:1], arch=arch):
    # Means of at least 256 float32 values; the deviation misses 1 by its epsilon of 1e-5 too.
    np.testing.assert_allclose([whitened.mean(), whitened.std()], [0, 1], atol=1e-4)


def test_fewer_depths_are_the_first_of_all(params, arch, crops):
  maps, shallow = (maps_of(params, crops[0], arch=arch, depths=depths) for depths in (DEPTHS, 2))
  assert len(shallow) == 2
  for one, other in zip(shallow, maps, strict=False):
    np.testing.assert_allclose(one, other, atol=1e-5)  # whitened values of order 1, two programs


def test_groups_respond_as_each_key_does_alone(params, arch, crops):
  keys, searches = crops
  together = jax.jit(lambda *crops: pair_responses(group_maps(params, *crops, arch=arch), arch=arch))(keys, searches)
  for group in range(2):
    template = template_of(params, keys[group], searches[group, 1], SIZE, arch=arch)
    alone = responses_of(params, template, searches[group], arch=arch)
    # Maps scaled to [0, 1], in other batches, by spectra.
    np.testing.assert_allclose(together[3 * group : 3 * group + 3], alone, atol=5e-5)


@pytest.mark.parametrize("scaling", ["min_max", "none"])
def test_each_of_many_templates_responds_as_it_does_alone(arch, scaling):
  rng = np.random.default_rng(0)
  templates, searches = (jnp.asarray(rng.standard_normal((3, n, n, 5), np.float32)) for n in (8, 16))
  scaled = dataclasses.replace(arch, scaling=scaling)
  together = respond_each(templates, searches, arch=scaled)
  for i in range(3):
    # Sums of 320 products of order 1, in another order.
    np.testing.assert_allclose(together[i], respond(templates[i], searches[i][None], arch=scaled)[0], atol=1e-5)


def test_min_max_scaled_responses_fill_0_to_1(params, arch, crops):
  template = template_of(params, crops[0][0], crops[1][0, 1], SIZE, arch=arch)
  responses = responses_of(params, template, crops[1][0], arch=arch)
  np.testing.assert_array_equal(responses.min((-2, -1)), np.zeros((3, DEPTHS)))
  np.testing.assert_allclose(responses.max((-2, -1)), np.ones((3, DEPTHS)), rtol=2e-7)  # a float32 quotient


# Templates: invariants.


def test_the_papers_template_does_not_look_around_the_key_or_at_the_box(params, arch, crops):
  found, other = (
    template_of(params, crops[0][0], crops[1][0, search], size, arch=arch)
    for search, size in ((1, SIZE), (2, 2 * SIZE))
  )
  assert found.filters is found.recent is None
  np.testing.assert_array_equal([found.size, other.size], [SIZE, 2 * SIZE])  # kept, for who reads the box
  jax.tree.map(np.testing.assert_array_equal, found.maps, other.maps)


def test_a_ridge_template_is_of_the_targets_box_alone(params, ridged, crops):
  template = template_of(params, crops[0][0], crops[1][0, 1], SIZE, arch=ridged)
  outside = np.asarray(box_mask(SIZE, ridged.template_cells, ridged.stride_px)) == 0
  assert 0 < outside.sum() < outside.size
  for maps in template.filters:
    assert not np.asarray(maps)[outside].any()
    assert np.asarray(maps)[~outside].any()


def test_a_ridge_template_tells_its_target_from_what_is_around_it(params, arch, ridged, plant):
  """On its own search crop, which it has learnt from, the peak stands out more than a plain template's."""
  key, key_search, _ = planted(plant, arch, [])

  def sharpness(of: Architecture) -> np.ndarray:
    responses = responses_of(params, template_of(params, key, key_search, SIZE, arch=of), key_search[None], arch=of)[0]
    return (responses.max((-2, -1)) - responses.mean((-2, -1))) / responses.std((-2, -1))

  assert np.all(sharpness(ridged) > sharpness(arch))


# Limits.


def test_the_head_starts_at_the_logit_scale_asked_for(arch):
  head = jax.jit(lambda key: init_params(key, arch, logit_scale=7.0)["head"])(jax.random.key(0))
  np.testing.assert_allclose(logit_scales({"head": head}), np.full(DEPTHS, 7), rtol=1e-6)  # exp(log 7) in float32
