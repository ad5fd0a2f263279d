"""The tracks of the shipped models on a rendered clip: what a release must not move unawares."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.data.render import Difficulty, render_sequence
from adadepth.models.model import load_model
from adadepth.models.model_files import EMBEDDED, VGG19
from adadepth.models.weights import load_vgg19
from adadepth.tracking.tracker import Tracker


class Golden(NamedTuple):
  """Boxes (x, y, w, h), exits and scores of the first frames."""

  boxes: tuple
  depths: list[int]
  scores: list[float]


GOLDEN = {
  EMBEDDED: Golden(
    boxes=(
      (32.26, 3.19, 39.39, 44.60),
      (23.84, 5.28, 39.65, 44.18),
      (8.76, 5.59, 39.39, 44.01),
      (1.16, -0.44, 38.15, 43.69),
      (12.68, 0.82, 37.74, 42.97),
      (33.77, 7.52, 36.88, 42.45),
      (52.82, 11.06, 36.71, 41.87),
      (67.19, 19.25, 36.22, 40.96),
      (77.75, 29.74, 33.95, 39.79),
      (93.42, 43.50, 33.16, 38.70),
    ),
    depths=[0, 1, 1, 2, 1, 2, 2, 2, 2, 2],
    scores=[1.0, 0.967, 0.976, 0.978, 0.985, 0.987, 0.982, 0.973, 0.962, 0.958],
  ),
  VGG19: Golden(
    boxes=(
      (32.26, 3.19, 39.39, 44.60),
      (22.81, 6.01, 42.53, 44.44),
      (8.75, 5.16, 41.53, 44.91),
      (-0.14, -2.57, 40.50, 44.83),
      (11.79, -0.65, 40.16, 44.48),
      (31.89, 6.40, 39.12, 44.01),
    ),
    depths=[0, 1, 1, 1, 1, 1],
    scores=[1.0, 0.967, 0.971, 0.974, 0.972, 0.968],
  ),
}


@pytest.fixture(scope="module", params=[EMBEDDED, pytest.param(VGG19, marks=pytest.mark.slow)])
def tracked(request):
  """(track, golden)."""
  model, golden = load_model(request.param), GOLDEN[request.param]
  if request.param == VGG19:
    backbone = load_vgg19(request.getfixturevalue("shared") / "weights" / "vgg19_imagenet_fp16.safetensors")
    model = model._replace(params={**model.params, "backbone": jax.tree.map(jnp.asarray, backbone)})
  clip = render_sequence(seed=16, name="golden", frames=10, height=180, width=240, difficulty=Difficulty.graded(0.6))
  return Tracker(model).track(clip.frames[: len(golden.boxes)], clip.boxes_xywh[0]), golden


def test_the_shipped_models_boxes_are_the_golden_ones(tracked):
  # Machines round convolutions differently, and each box is where the next crop is cut.
  np.testing.assert_allclose(tracked[0].box_xywh, tracked[1].boxes, atol=0.5)


def test_the_shipped_models_exits_are_the_golden_ones(tracked):
  assert tracked[0].depth.tolist() == tracked[1].depths


def test_the_shipped_models_scores_are_the_golden_ones(tracked):
  np.testing.assert_allclose(tracked[0].score, tracked[1].scores, atol=0.02)
