"""VGG-19 is VGG-19: PyTorch's activations (golden/make_vgg19_golden.py), the paper's count, and its blocks apart."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.models.architecture import DEPTHS, Architecture, BlockPlan
from adadepth.models.vgg import apply_block, count, init_backbone, max_pool, prepare_backbone, preprocess
from adadepth.models.weights import load_vgg19

SMALL = Architecture(plan="small", template_px=64, search_px=160, pools=3)
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


class NarrowArchitecture(Architecture):
  """The golden files' narrow net, whose channels are no multiple of VGG-19's."""

  @property
  def blocks(self) -> tuple[BlockPlan, ...]:
    narrow = zip(super().blocks, (3, 4, 5, 6, 8), strict=True)
    return tuple(block._replace(convs=((channels, 1),) * len(block.convs)) for block, channels in narrow)


def block_outputs(backbone: dict, crops: np.ndarray, arch: Architecture) -> list[jax.Array]:
  """The output of each block in turn, from RGB crops."""
  x, outputs = preprocess(jnp.asarray(crops)), []
  for depth in range(DEPTHS):
    x = apply_block(backbone, x, depth=depth, arch=arch)
    outputs.append(x)
  return outputs


def output_shapes(arch: Architecture) -> list[tuple[int, ...]]:
  """The shape of each block's output for one search crop; nothing is computed."""
  crop = np.zeros((1, arch.search_px, arch.search_px, 3), np.uint8)
  maps = jax.eval_shape(lambda key: block_outputs(init_backbone(key, arch), crop, arch), jax.random.key(0))
  return [m.shape[1:] for m in maps]


# Invariants.


def test_width_1_has_the_papers_20_024_384_parameters():
  assert count(jax.eval_shape(lambda key: init_backbone(key, Architecture()), jax.random.key(0))) == 20_024_384


def test_four_pools_bring_depths_4_and_5_to_stride_16():
  assert output_shapes(Architecture()) == [(128, 128, 64), (64, 64, 128), (32, 32, 256), (16, 16, 512), (16, 16, 512)]


def test_three_pools_leave_block_4_unpooled():
  assert [h for h, _, _ in output_shapes(Architecture(pools=3))] == [128, 64, 32, 32, 32]


def test_blocks_start_he_normal_without_biases():
  backbone = init_backbone(jax.random.key(0), Architecture(width=0.25))
  conv = backbone["block2"]["conv2"]
  np.testing.assert_array_equal(conv["bias"], np.zeros(32))
  # 9216 draws: their standard deviation is off by 1 / sqrt(2 * 9216) = 0.7 percent (one sigma).
  np.testing.assert_allclose(conv["kernel"].std(), np.sqrt(2 / (9 * 32)), rtol=0.03)
  assert not np.array_equal(backbone["block4"]["conv2"]["kernel"], backbone["block4"]["conv3"]["kernel"])


def test_the_first_kernel_is_scaled_for_grey_levels():
  """Random weights then start from maps of variance 1 or so."""
  backbone = init_backbone(jax.random.key(0), Architecture())
  # 1728 draws: their standard deviation is off by 1.7 percent (one sigma).
  np.testing.assert_allclose(backbone["block1"]["conv1"]["kernel"].std(), np.sqrt(2 / 27) / 64, rtol=0.07)


def test_the_small_plan_has_754_944_parameters_and_strides_early():
  assert count(jax.eval_shape(lambda key: init_backbone(key, SMALL), jax.random.key(0))) == 754_944
  assert output_shapes(SMALL) == [(40, 40, 32), (20, 20, 64), (20, 20, 96), (20, 20, 128), (20, 20, 128)]


def test_preparing_twice_changes_nothing(params, arch):
  once = prepare_backbone(params["backbone"], arch, backend="cpu")
  assert jax.tree.map(id, prepare_backbone(once, arch, backend="cpu")) == jax.tree.map(id, once)


def test_a_cpu_takes_pairs_from_the_image_and_winograd_elsewhere():
  arch = Architecture(width=0.25)
  prepared = prepare_backbone(init_backbone(jax.random.key(0), arch), arch, backend="cpu")
  forms = [next(iter(conv.keys() - {"bias"})) for convs in prepared.values() for conv in convs.values()]
  assert forms == ["pairs"] + ["winograd"] * 15


def test_what_strides_keeps_its_kernel():
  prepared = prepare_backbone(init_backbone(jax.random.key(0), SMALL), SMALL, backend="cpu")
  forms = [next(iter(conv.keys() - {"bias"})) for convs in prepared.values() for conv in convs.values()]
  assert forms == ["kernel"] * 3 + ["winograd"] * 7


# Limits.


def test_preprocess_makes_imagenets_mean_zero():
  mean_rgb = np.array([123.68, 116.779, 103.939], np.float32)
  np.testing.assert_array_equal(preprocess(jnp.asarray(mean_rgb[None, None, None])), np.zeros((1, 1, 1, 3)))


def test_preprocess_flips_rgb_to_bgr():
  red = np.array([255, 0, 0], np.uint8)[None, None, None]
  # The subtraction is exact to float32's rounding of the mean.
  np.testing.assert_allclose(preprocess(jnp.asarray(red))[0, 0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6)


def test_a_pool_of_one_changes_nothing():
  x = jnp.arange(16.0).reshape(1, 4, 4, 1)
  np.testing.assert_array_equal(max_pool(x, 1), x)


# Oracles.


def test_a_pool_takes_the_highest_of_each_square():
  x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
  expected = [[x[:, i : i + 4, j : j + 4].max(axis=(1, 2)) for j in (0, 4)] for i in (0, 4)]
  np.testing.assert_array_equal(max_pool(jnp.asarray(x), 4), np.moveaxis(np.array(expected), 2, 0))


# A backend's form, and how far its maps may be off: ||difference|| / ||map||. bfloat16 rounds by up to 2**-9, and
# sixteen layers do not add that up fully.
PREPARED = {"cpu": 1e-5, "gpu": 1e-2}


@pytest.mark.parametrize("backend", PREPARED)
def test_a_prepared_backbone_computes_the_same(params, arch, backend):
  crops = np.random.default_rng(0).integers(0, 256, (2, 36, 36, 3), np.uint8)
  outputs = jax.jit(lambda backbone: block_outputs(backbone, crops, arch))
  prepared = prepare_backbone(params["backbone"], arch, backend=backend)
  for found, expected in zip(outputs(prepared), outputs(params["backbone"]), strict=True):
    difference = np.asarray(found, np.float32) - expected
    assert np.linalg.norm(difference) < PREPARED[backend] * np.linalg.norm(expected)


@pytest.mark.parametrize("backend", PREPARED)
def test_a_prepared_backbone_of_the_small_plan_computes_the_same(backend):
  backbone = init_backbone(jax.random.key(0), SMALL)
  crops = np.random.default_rng(0).integers(0, 256, (2, 36, 36, 3), np.uint8)
  outputs = jax.jit(lambda backbone: block_outputs(backbone, crops, SMALL))
  prepared = prepare_backbone(backbone, SMALL, backend=backend)
  for found, expected in zip(outputs(prepared), outputs(backbone), strict=True):
    difference = np.asarray(found, np.float32) - expected
    assert np.linalg.norm(difference) < PREPARED[backend] * np.linalg.norm(expected)


@pytest.fixture(scope="module", params=["narrow", "imagenet"])
def golden(request: pytest.FixtureRequest) -> tuple[np.lib.npyio.NpzFile, str, list[jax.Array]]:
  """The golden file, a net in it, and that net's five maps as we compute them."""
  if request.param == "narrow":
    arch = NarrowArchitecture()
    backbone = load_vgg19(GOLDEN / "vgg19_narrow.safetensors", channels=arch.channels)
  else:
    arch = Architecture()
    backbone = load_vgg19(request.getfixturevalue("shared") / "weights" / "vgg19_imagenet_fp16.safetensors")
  file = np.load(GOLDEN / "vgg19_activations.npz")
  image_rgb = file["image_bgr"][None, ..., ::-1]
  return file, request.param, jax.jit(lambda b: block_outputs(b, image_rgb, arch))(backbone)


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_activations_are_pytorchs(golden, depth):
  file, net, maps = golden
  y, x, c = file[f"{net}/depth{depth + 1}/positions"].T
  std = file[f"{net}/depth{depth + 1}/moments"][1]
  # Two float32 libraries that add up to 4608 products in different orders, sixteen times over.
  np.testing.assert_allclose(maps[depth][0, y, x, c], file[f"{net}/depth{depth + 1}/values"], rtol=0, atol=5e-5 * std)


@pytest.mark.parametrize("depth", range(DEPTHS))
def test_whole_maps_have_pytorchs_moments(golden, depth):
  file, net, maps = golden
  values = np.asarray(maps[depth][0], np.float64)
  assert values.shape == tuple(file[f"{net}/depth{depth + 1}/shape"])
  moments = values.mean(), values.std(), np.linalg.norm(values)
  # As above; a mean over the whole map is closer still than its single values.
  np.testing.assert_allclose(moments, file[f"{net}/depth{depth + 1}/moments"], rtol=2e-5)
