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
      (32.52, 97.82, 58.25, 48.98),
      (34.68, 109.79, 58.29, 49.21),
      (35.73, 123.00, 60.45, 49.14),
      (39.65, 100.64, 62.88, 50.02),
      (31.04, 84.91, 62.19, 51.17),
      (58.47, 45.80, 61.74, 50.92),
      (102.52, 68.81, 64.21, 51.56),
      (100.93, 66.32, 65.26, 52.38),
      (100.27, 62.68, 65.59, 53.16),
      (98.90, 58.22, 66.03, 53.33),
    ),
    depths=[0, 2, 2, 2, 2, 3, 2, 2, 2, 2],
    scores=[1.0, 0.964, 0.962, 0.971, 0.964, 0.964, 0.963, 0.965, 0.953, 0.943],
  ),
  VGG19: Golden(
    boxes=(
      (32.52, 97.82, 58.25, 48.98),
      (30.01, 98.46, 58.78, 50.67),
      (40.22, 121.41, 58.61, 49.47),
      (47.09, 102.47, 58.88, 49.48),
      (54.16, 68.14, 59.39, 50.59),
      (61.79, 43.36, 59.80, 51.60),
    ),
    depths=[0, 2, 2, 2, 2, 2],
    scores=[1.0, 0.949, 0.920, 0.911, 0.917, 0.928],
  ),
}


@pytest.fixture(scope="module", params=[EMBEDDED, pytest.param(VGG19, marks=pytest.mark.slow)])
def tracked(request):
  """(track, golden)."""
  model, golden = load_model(request.param), GOLDEN[request.param]
  if request.param == VGG19:
    backbone = load_vgg19(request.getfixturevalue("shared") / "weights" / "vgg19_imagenet_fp16.safetensors")
    model = model._replace(params={**model.params, "backbone": jax.tree.map(jnp.asarray, backbone)})
  clip = render_sequence(seed=3, name="golden", frames=10, height=180, width=240, difficulty=Difficulty.graded(0.6))
  return Tracker(model).track(clip.frames[: len(golden.boxes)], clip.boxes_xywh[0]), golden


def test_the_shipped_models_boxes_are_the_golden_ones(tracked):
  # Machines round convolutions differently, and each box is where the next crop is cut.
  np.testing.assert_allclose(tracked[0].box_xywh, tracked[1].boxes, atol=0.5)


def test_the_shipped_models_exits_are_the_golden_ones(tracked):
  assert tracked[0].depth.tolist() == tracked[1].depths


def test_the_shipped_models_scores_are_the_golden_ones(tracked):
  np.testing.assert_allclose(tracked[0].score, tracked[1].scores, atol=0.02)
