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
      (35.96, 113.87, 58.63, 49.20),
      (37.44, 121.88, 60.87, 49.73),
      (39.61, 100.74, 62.49, 50.50),
      (50.10, 71.83, 62.09, 50.31),
      (58.22, 45.83, 62.84, 50.12),
      (52.49, 18.29, 65.52, 51.24),
      (52.55, 9.14, 65.89, 52.19),
      (44.74, 42.31, 66.70, 51.76),
      (35.05, 81.35, 69.04, 52.35),
    ),
    depths=[0, 2, 2, 2, 3, 2, 2, 2, 2, 2],
    scores=[1.0, 0.964, 0.959, 0.970, 0.959, 0.963, 0.964, 0.963, 0.966, 0.961],
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
