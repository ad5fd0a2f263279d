"""The small network's start from VGG-19's maps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.render.cutouts import open_album
from adadepth.models.architecture import Architecture
from adadepth.models.network import block_outputs, init_params
from adadepth.models.vgg import init_backbone
from adadepth.training.distillation import (
  BATCH,
  CROPS_A_PHOTO,
  TARGETS,
  distil,
  picture_crops,
  principal_axes,
  targets_of,
  teacher_maps,
)

SMALL = Architecture(plan="small", width=0.125, template_px=32, search_px=64, pools=3, reader="box", scaling="none")
TEACHER = Architecture(width=0.25, template_px=32, search_px=64, pools=3)


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture(scope="module")
def crops():
  return np.random.default_rng(0).integers(0, 256, (2 * BATCH, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def vgg19():
  return init_backbone(jax.random.key(0), TEACHER)


def test_axes_are_uncorrelated_the_largest_first_and_of_mean_variance_1():
  rng = np.random.default_rng(1)
  maps = (rng.standard_normal((50, 4, 4, 6)) * [5, 4, 3, 2, 1, 0.5] + 7).astype(np.float32)
  axes = principal_axes(maps, 3)
  projected = (maps.reshape(-1, 6) - np.asarray(axes.mean)) @ np.asarray(axes.matrix)
  covariance = np.cov(projected, rowvar=False, bias=True)
  np.testing.assert_allclose(np.trace(covariance) / 3, 1, rtol=1e-4)  # float32
  np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-4)
  # 800 draws: a variance is off by a twentieth (one sigma).
  np.testing.assert_allclose(np.diag(covariance), 3 * np.array([25, 16, 9]) / 50, rtol=0.2)


def test_the_teachers_maps_are_logarithms_at_the_responses_stride(vgg19, crops):
  maps = teacher_maps(vgg19, crops[:2], arch=TEACHER)
  assert {depth: x.shape[1:] for depth, x in maps.items()} == {
    1: (8, 8, 32),
    2: (8, 8, 64),
    3: (8, 8, 128),
    4: (4, 4, 128),
  }
  third = block_outputs({"backbone": vgg19}, jnp.asarray(crops[:2]), arch=TEACHER, depths=3)[2]
  np.testing.assert_allclose(np.expm1(maps[2]), third, rtol=1e-3, atol=1e-5)


def test_every_crop_has_targets_of_its_own(crops):
  arch = Architecture(template_px=32, search_px=64, pools=3)  # as wide as the axes are many
  vgg19 = init_backbone(jax.random.key(0), arch)
  found = targets_of(functools.partial(teacher_maps, vgg19, arch=arch), crops)
  sides = [4 if t.teacher == 4 else 8 for t in TARGETS]
  expected = [(len(crops), side, side, t.axes) for side, t in zip(sides, TARGETS, strict=True)]
  assert [x.shape for x in found] == expected
  for x in found:
    assert np.isfinite(x).all() and np.abs(x[0].astype(np.float32) - x[1]).max() > 0.1


def test_distilling_lowers_every_error_and_moves_the_backbone(crops, tmp_path):
  backbone = init_params(jax.random.key(0), SMALL, logit_scale=1.0)["backbone"]
  brightness = crops.mean(axis=(1, 2, 3)) - 127.5  # something that a network can see of a crop
  sides = {t: 4 if t.teacher == 4 else 8 for t in TARGETS}
  targets = [
    np.broadcast_to(np.sign(brightness)[:, None, None, None], (len(crops), s, s, t.axes)).astype(np.float16)
    for t, s in sides.items()
  ]
  lit = np.clip(crops / 4 + np.where(brightness > 0, 150, 20)[:, None, None, None], 0, 255).astype(np.uint8)
  trained, curve = distil(backbone, lit, targets, steps=40, seed=0, arch=SMALL, folder=tmp_path)
  assert (curve[-5:].mean(0) < 0.7 * curve[:3].mean(0)).all(), (curve[:3].mean(0), curve[-5:].mean(0))
  moved = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), backbone, trained)
  assert all(jax.tree.leaves(moved))


def test_crops_are_of_photos_and_of_videos(moving_target, tmp_path):
  for i, color in enumerate([(250, 0, 0), (0, 250, 0)]):
    Image.new("RGB", (90, 70), color).save(tmp_path / f"{i}.png")
  album = open_album(str(tmp_path))
  found = picture_crops(album, DriftedSampler([moving_target], SMALL, 0), videos=3, seed=0)
  assert found.shape == (2 * CROPS_A_PHOTO + 3, 64, 64, 3) and found.dtype == np.uint8
  plain = [crop for crop in found if crop.std(axis=(0, 1)).max() == 0]
  assert len(plain) == 2 * CROPS_A_PHOTO
