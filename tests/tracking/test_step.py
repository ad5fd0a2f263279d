"""One frame of tracking: crops in, boxes out, and nothing hidden in between."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adadepth.models.network import make_template
from adadepth.tracking.budget import Budget
from adadepth.tracking.lost import PATIENCE
from adadepth.tracking.policies import Decision, policy_named
from adadepth.tracking.reader import Reading, Search
from adadepth.tracking.step import (
  SIZE_RANGE,
  SIZE_RATE,
  TrackerState,
  compiled_init,
  compiled_update,
  init,
  update,
)
from adadepth.tracking.threshold import next_threshold

# A box of 24 x 40 px has a template crop of side 40 + 64 / 4 = 56 px.
BOXES = np.array([(40, 30, 24, 40), (10, 20, 60, 20)], np.float32)
CROP_SCALE = np.array([64 / 56, 64 / 80], np.float32)  # crop pixels per image pixel
FRAME_WH = jnp.array([160.0, 120.0])
MOVED = np.array([(8, -4), (-16, 2)], np.float32)  # crop pixels
# Crops for policies that do not look; no crop of one colour, which shows nothing.
BLIND = jnp.tile(jnp.arange(128, dtype=jnp.uint8)[None, None, :, None], (2, 128, 1, 3))


def told(moved=MOVED, log_scale=(0.0, 0.0), depth=(1, 4), score=(0.0, 0.0)):
  """A policy that does not look: its decision is given, but for the size, which is so much the last.

  Args:
    log_scale: of each target, or of each of its sides.
  """

  def policy(params, template, search: Search, threshold) -> Decision:
    del params, template, threshold
    size = search.last_size * jnp.exp(jnp.float32(log_scale)).reshape(2, -1)
    reading = Reading(jnp.asarray(moved), size, jnp.float32(score))
    confidences, nothing = jax.nn.one_hot(jnp.array(depth), 5), jnp.zeros((2, 5), bool)
    return Decision(reading, confidences, jnp.array(depth, jnp.int32), (None,) * 5, nothing)

  return policy


@pytest.fixture(scope="module")
def crops(arch, plant) -> tuple[np.ndarray, np.ndarray]:
  """Key crops of two targets, and their search crops."""
  keys, searches = zip(*(plant(arch.template_px, [(0, 0)], seed=seed) for seed in (0, 1)), strict=True)
  return np.stack(keys), np.concatenate(searches)


@pytest.fixture(scope="module")
def start(params, arch, crops) -> TrackerState:
  return compiled_init(params, *crops, BOXES, np.float32([0.4, 0.6]), arch=arch)


@pytest.fixture(scope="module")
def step(arch, start):
  """One update by a policy that does not look."""

  def call(policy, state: TrackerState = start, **more):
    return update({}, state, BLIND, jnp.asarray(centers(state.box_xywh)), FRAME_WH, policy=policy, arch=arch, **more)

  return call


def centers(boxes_xywh) -> np.ndarray:
  boxes = np.asarray(boxes_xywh)
  return boxes[:, :2] + boxes[:, 2:] / 2


# Invariants.


def test_a_state_begins_with_the_given_boxes_and_thresholds(start):
  np.testing.assert_array_equal(start.box_xywh, BOXES)
  np.testing.assert_array_equal(start.first_size_wh, BOXES[:, 2:])
  np.testing.assert_array_equal(start.threshold, np.float32([0.4, 0.6]))


# In float32, eight steps of conjugate gradients on the maps of a random network keep two digits.
@pytest.mark.parametrize(("values", "error"), [({"reader": "box"}, 1e-4), ({"template": "ridge"}, 0.2)], ids=str)
def test_templates_of_many_are_those_of_each(params, arch, crops, values, error):
  arch = dataclasses.replace(arch, **values)
  together = compiled_init(params, *crops, BOXES, np.zeros(2, np.float32), arch=arch).template
  alone = jax.jit(functools.partial(make_template, arch=arch))
  for i in range(2):
    expected = alone(params, crops[0][i], crops[1][i], jnp.asarray(BOXES[i, 2:] * CROP_SCALE[i]))
    for many, one in zip(jax.tree.leaves(together), jax.tree.leaves(expected), strict=True):
      assert jnp.linalg.norm((many[i] - one).ravel()) < error * jnp.linalg.norm(one.ravel())


def test_a_displacement_in_the_crop_is_one_in_the_image_at_the_first_boxs_scale(step):
  _, track = step(told())
  np.testing.assert_allclose(centers(track.box_xywh), centers(BOXES) + MOVED / CROP_SCALE[:, None], atol=1e-4)
  np.testing.assert_allclose(track.box_xywh[:, 2:], BOXES[:, 2:], rtol=1e-6)


def test_displacements_add_up_at_that_scale_whatever_the_box_has_grown_to(step):
  state, _ = step(told(log_scale=(0.3, -0.3)))
  _, track = step(told(), state)
  np.testing.assert_allclose(centers(track.box_xywh), centers(BOXES) + 2 * MOVED / CROP_SCALE[:, None], atol=1e-4)


def test_the_size_is_the_first_boxs_by_the_scale_that_is_read(step):
  state, track = step(told(log_scale=(0.2, -0.1)))
  np.testing.assert_allclose(track.box_xywh[:, 2:], BOXES[:, 2:] * np.exp([[0.2], [-0.1]]), rtol=1e-5)
  _, again = step(told(log_scale=(0.2, -0.1)), state)
  np.testing.assert_allclose(again.box_xywh[:, 2:], track.box_xywh[:, 2:], rtol=1e-6)  # and not that twice


def test_centres_stay_in_the_image(step):
  _, track = step(told(moved=np.array([(500, -500), (-500, 500)], np.float32)))
  np.testing.assert_allclose(centers(track.box_xywh), [(160, 0), (0, 120)], atol=1e-4)


def test_a_track_is_what_the_policy_decided(step):
  state, track = step(told())
  np.testing.assert_array_equal(track.depth, [1, 4])
  np.testing.assert_array_equal(track.confidences, np.eye(5)[[1, 4]])
  np.testing.assert_array_equal(state.box_xywh, track.box_xywh)


def test_templates_and_first_sizes_stay(start, step):
  state, _ = step(told(log_scale=(0.2, 0.2)))
  jax.tree.map(np.testing.assert_array_equal, state.template, start.template)
  np.testing.assert_array_equal(state.first_size_wh, start.first_size_wh)


def test_a_step_leaves_the_state_before_as_it_was(start, step):
  before = jax.tree.map(np.array, start)
  step(told())
  jax.tree.map(np.testing.assert_array_equal, start, before)


# Box heads.


@pytest.fixture(scope="module")
def follow(boxed, start):
  """One update that reads boxes, by a policy that does not look."""

  def call(policy, state: TrackerState = start, frame_wh=(1e4, 1e4)):
    at = jnp.asarray(centers(state.box_xywh))
    return update({}, state, BLIND, at, jnp.float32(frame_wh), policy=policy, arch=boxed)

  return call


def test_a_box_goes_part_of_the_way_to_the_size_that_is_read_and_on_from_there(follow):
  state, track = follow(told(log_scale=(0.2, -0.1)))
  grown = np.exp(SIZE_RATE * np.float32([[0.2], [-0.1]]))
  np.testing.assert_allclose(track.box_xywh[:, 2:], BOXES[:, 2:] * grown, rtol=1e-5)
  _, again = follow(told(log_scale=(0.2, -0.1)), state)
  np.testing.assert_allclose(again.box_xywh[:, 2:], BOXES[:, 2:] * grown**2, rtol=1e-5)


def test_with_box_heads_a_displacement_is_at_the_last_boxs_scale(follow):
  state, before = follow(told(log_scale=(0.5, -0.5)))
  _, track = follow(told(), state)
  grown = np.exp(SIZE_RATE * np.float32([[0.5], [-0.5]]))  # so many times as large is a crop pixel then
  moved = MOVED / CROP_SCALE[:, None] * grown
  np.testing.assert_allclose(centers(track.box_xywh) - centers(before.box_xywh), moved, rtol=1e-4, atol=1e-3)


def test_a_policy_is_told_the_last_boxs_size_in_the_crop_that_is_cut_for_it(follow):
  stretch, seen = ((0.5, -0.5), (0.0, 0.4)), []

  def policy(params, template, search: Search, threshold) -> Decision:
    seen.append(np.asarray(search.last_size))
    return told(log_scale=stretch)(params, template, search, threshold)

  state, _ = follow(policy)
  np.testing.assert_allclose(seen[0], BOXES[:, 2:] * CROP_SCALE[:, None], rtol=1e-5)
  follow(policy, state)
  for (w, h), found in zip(BOXES[:, 2:] * np.exp(SIZE_RATE * np.float32(stretch)), seen[1], strict=True):
    np.testing.assert_allclose(found, np.array([w, h]) * 64 / (max(w, h) + (w + h) / 4), rtol=1e-5)


@pytest.mark.parametrize(("log_scale", "limit"), [(9.0, SIZE_RANGE), (-9.0, 1 / SIZE_RANGE)])
def test_a_box_stays_within_a_range_of_its_first_size(follow, log_scale, limit):
  _, track = follow(told(log_scale=(log_scale, 0.0)))
  np.testing.assert_allclose(track.box_xywh[:, 2:], BOXES[:, 2:] * np.float32([[limit], [1]]), rtol=1e-5)


def test_a_box_gets_no_larger_than_twice_the_frame_even_if_it_was(follow):
  _, grown = follow(told(log_scale=(9.0, 9.0)), frame_wh=(100, 50))
  np.testing.assert_allclose(grown.box_xywh[:, 2:], [(120, 100), (200, 100)], rtol=1e-5)  # 5 * 24 is below 200
  _, held = follow(told(), frame_wh=(4, 3))
  np.testing.assert_allclose(held.box_xywh[:, 2:], np.tile([8, 6], (2, 1)), rtol=1e-5)


# Lost targets.


def test_a_box_stays_while_its_target_is_lost_and_goes_on_when_it_is_believed_again(follow, start):
  state, boxes, missed = start, [BOXES], []
  for frame in range(PATIENCE + 1):
    # The first is never believed to be there, the second in the second frame.
    state, track = follow(told(score=(-3, 3 if frame == 1 else -3)), state)
    boxes.append(np.asarray(track.box_xywh))
    missed.append(track.missed.tolist())
    np.testing.assert_array_equal(track.lost, track.missed >= PATIENCE)
  assert missed == [[frame + 1, frame - 1 if frame else 1] for frame in range(PATIENCE + 1)]
  moves = np.diff(np.stack(boxes)[..., :2], axis=0).any(-1)
  np.testing.assert_array_equal(moves, np.array(missed) < PATIENCE)
  state, track = follow(told(score=(3, 3)), state)
  assert track.missed.tolist() == [0, 0] and not track.lost.any()
  np.testing.assert_allclose(centers(track.box_xywh)[0], centers(boxes[-1])[0] + MOVED[0] / CROP_SCALE[0], atol=1e-3)
  np.testing.assert_allclose(track.score, [1 / (1 + np.exp(-3))] * 2, rtol=1e-5)


def test_a_displacement_is_from_where_the_crop_was_cut(arch, start):
  at = jnp.array([[5.0, 6.0], [70, 80]])
  _, track = update({}, start, BLIND, at, FRAME_WH, policy=told(), arch=arch)
  np.testing.assert_allclose(centers(track.box_xywh), at + MOVED / CROP_SCALE[:, None], atol=1e-4)


# Thresholds.


def test_without_a_budget_thresholds_stay(start, step):
  state, _ = step(told())
  np.testing.assert_array_equal(state.threshold, start.threshold)


def test_with_a_budget_each_threshold_follows_its_own_targets_exit(start, step):
  budget = Budget(np.float32(4), np.float32([1, 2, 4, 8, 16]), np.float32(0.5))
  state, _ = step(told(depth=(1, 4)), budget=budget)
  expected = [next_threshold(t, jnp.int32(k), budget) for t, k in zip(start.threshold, (1, 4), strict=True)]
  np.testing.assert_allclose(state.threshold, expected, rtol=1e-6)
  assert state.threshold[0] > start.threshold[0]  # cheaper than the budget
  assert state.threshold[1] < start.threshold[1]


def test_a_policy_decides_by_each_targets_threshold(start, step):
  seen = []

  def policy(params, template, search, threshold) -> Decision:
    seen.append(np.asarray(threshold))
    return told()(params, template, search, threshold)

  step(policy)
  np.testing.assert_array_equal(seen[0], start.threshold)


# One program.


def test_an_update_never_calls_back_to_the_host(params, arch, start, crops):
  bound = policy_named("hard", arch=arch)
  text = compiled_update.lower(params, start, crops[1], centers(BOXES), FRAME_WH, policy=bound, arch=arch).as_text()
  assert "callback" not in text


# Errors.


def test_boxes_must_be_rows_of_four(params, arch, crops):
  with pytest.raises(Exception, match="boxes_xywh"):
    init(params, *crops, jnp.zeros((2, 3)), jnp.zeros(2), arch=arch)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_where_one_colour_alone_is_seen_a_target_is_lost_and_its_box_stays(start, arch, level):
  plain = jnp.full_like(BLIND, level).at[:, 0, 0].add(jnp.uint8(2 if level < 255 else 254))  # what a codec may add
  rest, state = {"policy": told(score=(9.0, 9.0)), "arch": arch}, start
  for missed in range(1, PATIENCE + 1):
    state, track = update({}, state, plain, jnp.asarray(centers(BOXES)), FRAME_WH, **rest)
    np.testing.assert_array_equal(track.missed, [missed] * 2)
  assert track.lost.all() and (track.score < 1e-6).all()
  np.testing.assert_array_equal(track.box_xywh, BOXES)
