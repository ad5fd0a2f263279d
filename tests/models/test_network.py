"""From crops to responses: Siamese, registered, and the same however they are batched."""

import functools

import jax
import numpy as np
import pytest

from adadepth.maths.peaks import Readout, displacements_in_response
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import (
  group_responses,
  init_params,
  logit_scales,
  search_maps,
  search_responses,
  template_maps,
)
from adadepth.models.weights import load_vgg19

CELLS = ((0, 0), (1, 0), (0, -1), (-3, 2))


@functools.partial(jax.jit, static_argnames="arch")
def responses_of(params: dict, template: np.ndarray, searches: np.ndarray, *, arch: Architecture) -> jax.Array:
  return search_responses(params, template_maps(params, template, arch=arch), searches, arch=arch)


@functools.partial(jax.jit, static_argnames=("arch", "depths"))
def templates_of(params: dict, template: np.ndarray, *, arch: Architecture, depths: int = DEPTHS) -> tuple:
  return template_maps(params, template, arch=arch, depths=depths)


def assert_found_at_every_depth(params: dict, arch: Architecture, plant, seed: int) -> None:
  """A target planted at CELLS peaks there, in all five maps."""
  template, searches = plant(arch.template_px, [(arch.stride_px * x, arch.stride_px * y) for x, y in CELLS], seed=seed)
  responses = responses_of(params, template, searches, arch=arch)
  found = displacements_in_response(responses, Readout("cell"), template_cells=arch.template_cells)
  np.testing.assert_array_equal(found, np.repeat(np.array(CELLS, np.float32)[:, None], DEPTHS, axis=1))


@pytest.fixture(scope="module")
def crops(arch: Architecture, plant) -> tuple[np.ndarray, np.ndarray]:
  """Two templates, and three search crops of each."""
  templates, searches = zip(*(plant(arch.template_px, [(-5, 2), (0, 0), (9, 3)], seed=s) for s in (0, 1)), strict=True)
  return np.stack(templates), np.stack(searches)


# Invariants.


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_target_comes_back_at_its_true_cell_at_every_depth(params, arch, plant, seed):
  assert_found_at_every_depth(params, arch, plant, seed)


def test_a_planted_target_comes_back_at_every_depth_of_imagenets_network(shared, plant):
  backbone = load_vgg19(shared / "weights" / "vgg19_imagenet_fp16.safetensors")
  assert_found_at_every_depth({"backbone": backbone}, Architecture(), plant, seed=0)


def test_template_and_search_of_the_same_crop_have_the_same_maps(params, arch, crops):
  templates, _ = crops
  as_search = jax.jit(functools.partial(search_maps, arch=arch))(params, templates)
  as_template = templates_of(params, templates[1], arch=arch)
  for searched, keyed in zip(as_search, as_template, strict=True):
    # Whitened values of order 1; a batch of two may be convolved in another order than one.
    np.testing.assert_allclose(searched[1], keyed, atol=2e-5)


def test_all_depths_share_one_stride(params, arch, crops):
  maps = jax.eval_shape(functools.partial(search_maps, arch=arch), params, crops[1][0])
  assert [m.shape for m in maps] == [(3, 16, 16, c) for c in (4, 8, 16, 32, 32)]


def test_maps_are_whitened(params, arch, crops):
  for whitened in templates_of(params, crops[0][0], arch=arch):
    # Means of at least 256 float32 values; the deviation misses 1 by its epsilon of 1e-5 too.
    np.testing.assert_allclose([whitened.mean(), whitened.std()], [0, 1], atol=1e-4)


def test_fewer_depths_are_the_first_of_all(params, arch, crops):
  maps = templates_of(params, crops[0][0], arch=arch)
  shallow = templates_of(params, crops[0][0], arch=arch, depths=2)
  assert len(shallow) == 2
  for one, other in zip(shallow, maps, strict=False):
    np.testing.assert_allclose(one, other, atol=1e-5)  # whitened values of order 1, two programs


def test_groups_respond_as_each_key_does_alone(params, arch, crops):
  templates, searches = crops
  together = jax.jit(functools.partial(group_responses, arch=arch))(params, templates, searches)
  for group in range(2):
    alone = responses_of(params, templates[group], searches[group], arch=arch)
    np.testing.assert_allclose(together[group], alone, atol=2e-5)  # maps scaled to [0, 1], other batches


def test_min_max_scaled_responses_fill_0_to_1(params, arch, crops):
  responses = responses_of(params, crops[0][0], crops[1][0], arch=arch)
  np.testing.assert_array_equal(responses.min((-2, -1)), np.zeros((3, DEPTHS)))
  np.testing.assert_allclose(responses.max((-2, -1)), np.ones((3, DEPTHS)), rtol=2e-7)  # a float32 quotient


# Limits.


def test_the_head_starts_at_the_logit_scale_asked_for(arch):
  head = jax.jit(lambda key: init_params(key, arch, logit_scale=7.0)["head"])(jax.random.key(0))
  np.testing.assert_allclose(logit_scales({"head": head}), np.full(DEPTHS, 7), rtol=1e-6)  # exp(log 7) in float32
