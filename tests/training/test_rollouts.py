"""Box heads that learn on their own tracks: what is drawn and cut, how a track goes on, and what moves."""

import dataclasses

import jax
import numpy as np
import pytest

from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.models.architecture import DEPTHS
from adadepth.models.box_head import Reading
from adadepth.tracking.step import SIZE_RATE
from adadepth.training import rollouts
from adadepth.training.rollouts import FRAMES, Clip, advance, cut, draw_clip, train_on_rollouts


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"):
    yield


@pytest.fixture
def clip(moving_target) -> Clip:
  """At the target's true box in frame 2: 44, 48, 20, 20."""
  return Clip(moving_target, 2, np.array([54.0, 58.0]), np.full(2, 20.0), np.full(2, 20.0), 7)


def with_boxes(sequence: Sequence, frames) -> Sequence:
  boxes = np.full_like(sequence.boxes_xywh, np.nan)
  boxes[frames] = sequence.boxes_xywh[frames]
  return dataclasses.replace(sequence, boxes_xywh=boxes)


# Clips.


def test_a_clip_begins_at_a_true_box_with_enough_of_them_after_it(moving_target):
  few = with_boxes(moving_target, slice(0, FRAMES))
  for seed in range(5):
    clip = draw_clip([few, moving_target], np.random.default_rng(seed))
    assert clip.sequence is moving_target and clip.frame + FRAMES < len(moving_target)
    x, y, w, h = moving_target.boxes_xywh[clip.frame]
    np.testing.assert_array_equal([clip.center, clip.size, clip.first_size], [(x + w / 2, y + h / 2), (w, h), (w, h)])


def test_sequences_that_are_too_short_are_refused(moving_target):
  with pytest.raises(InputError, match=f"in {FRAMES + 1} frames in a row to track"):
    draw_clip([with_boxes(moving_target, slice(0, FRAMES))], np.random.default_rng(0))


def test_a_clip_is_cut_around_its_track_in_one_light(clip, small):
  here, again = cut(clip, 64, small), cut(clip, 64, small)
  np.testing.assert_array_equal(here, again)
  assert here.shape == (64, 64, 3) and cut(clip, 128, small).shape == (128, 128, 3)
  other = cut(dataclasses.replace(clip, seed=8), 64, small)
  assert np.abs(other.astype(int) - here).mean() > 4
  # The target of 20 px is two thirds of the key's crop of 30, in its middle: its blocks are far from the ground.
  contrast = np.abs(np.diff(here.astype(int).sum(-1), axis=1)).mean(0)
  edges = np.flatnonzero(contrast > contrast.max() / 4)
  np.testing.assert_allclose([edges.min(), edges.max()], [64 / 6, 64 * 5 / 6], atol=2)


# Tracks.


def read_at(center, size) -> Reading:
  """All depths read this, but the first reads something else."""
  centers, sizes = (np.tile(np.float32(value), (1, DEPTHS, 1)) for value in (center, size))
  centers[:, 0], sizes[:, 0] = 99, 1
  return Reading(centers, sizes, np.zeros((1, DEPTHS), np.float32))


def go_on(clip: Clip, reading: Reading, small, depth: int = 3) -> Clip:
  """The clip after one frame, with crop pixels of half an image pixel."""
  clip.frame += 1
  truth = clip.sequence.boxes_xywh[clip.frame][None].astype(np.float64)
  advance([clip], reading, np.array([depth]), np.full((1, 1), 2.0), truth, np.random.default_rng(0), arch=small)
  return clip


def test_a_track_goes_on_from_what_its_depth_has_read(clip, small):
  found = go_on(clip, read_at((4, -2), (44, 40)), small)
  np.testing.assert_allclose(found.center, [54 + 2, 58 - 1])
  np.testing.assert_allclose(found.size, [20 * 1.1**SIZE_RATE, 20], rtol=1e-5)


def test_a_track_that_is_off_goes_on_from_the_true_place(clip, small):
  found = go_on(clip, read_at((4, -2), (40, 40)), small, depth=0)
  np.testing.assert_allclose(found.center, [46 + 10, 47 + 10])  # of frame 3
  assert 0 < np.abs(np.log(found.size / 20)).max() < 1


# Whole runs.


@pytest.fixture(scope="module")
def run(small, small_params, moving_target, tmp_path_factory):
  """Two steps of two clips of three frames, in one go and in two."""

  def steps(folder, count: int) -> dict:
    return train_on_rollouts(small_params, [moving_target], steps=count, seed=0, arch=small, folder=folder)

  with pytest.MonkeyPatch.context() as patch:
    for name, value in {"CLIPS": 2, "FRAMES": 3, "CHECKPOINT_EVERY": 1}.items():
      patch.setattr(rollouts, name, value)
    folder = tmp_path_factory.mktemp("rollouts")
    found = steps(folder / "whole", 2)
    return found, steps(folder / "whole", 2)


def test_box_heads_learn_and_nothing_else(run, small_params):
  found, _ = run
  moved = jax.tree.map(lambda new, old: bool((np.asarray(new) != np.asarray(old)).any()), found, small_params)
  assert all(jax.tree.leaves(moved.pop("box"))) and not any(jax.tree.leaves(moved))
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found["box"]))


def test_a_finished_run_that_is_called_again_says_the_same(run):
  jax.tree.map(np.testing.assert_array_equal, *run)


def test_a_loss_that_is_no_number_ends_a_run_with_the_clips_videos(small, small_params, moving_target, tmp_path):
  """Before a track is moved by what was read, which is no number either."""
  with pytest.MonkeyPatch.context() as patch:
    for name, value in {"CLIPS": 2, "FRAMES": 3}.items():
      patch.setattr(rollouts, name, value)
    patch.setattr(rollouts, "_templates", lambda *_, **__: None)
    patch.setattr(rollouts, "_learn", lambda heads, moments, *_, **__: (heads, moments, np.float32(np.nan), None))
    told = r"^phase 1, rollouts, step 1: the loss is nan on moving_target; there is no checkpoint yet: [^\n]*$"
    with pytest.raises(InputError, match=told):
      train_on_rollouts(small_params, [moving_target], steps=2, seed=0, arch=small, folder=tmp_path)
