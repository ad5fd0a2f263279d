"""Tracking one target: it is followed, nothing is hidden between frames, and a policy is one program."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from adadepth.maths.crop import window_px
from adadepth.maths.metrics import iou
from adadepth.maths.peaks import Readout
from adadepth.models.fusion_weights import init_beliefs
from adadepth.tracking.batch_policies import policy_each_named
from adadepth.tracking.policies import policy_named
from adadepth.tracking.scan import compiled_track_frames
from adadepth.tracking.step import (
  TrackerState,
  compiled_init,
  compiled_init_many,
  compiled_update,
  compiled_update_many,
  init,
)

SUBCELL = Readout("subcell")


def windows(side_px: float, frame: np.ndarray) -> tuple[int, int]:
  return tuple(window_px(side_px, px, crop_px=128) for px in frame.shape[:2])


@pytest.fixture(scope="module")
def start(params, arch, moving_target) -> TrackerState:
  """The tracker on its first frame; a 20 x 20 box has a template of side 20 + 40 / 4 = 30 px."""
  frame, box = moving_target.frames[0], moving_target.boxes_xywh[0]
  return compiled_init(params, frame, box, threshold=0.4, arch=arch, window_hw=windows(30.0, frame))


@pytest.fixture(scope="module")
def step(params, arch, moving_target):
  """One update, as a function of the state, the frame and the policy's name."""
  window_hw = windows(60.0, moving_target.frames[0])

  def call(state: TrackerState, frame: np.ndarray, policy: str = "xcorr2"):
    bound = policy_named(policy, arch=arch, readout=SUBCELL)
    return compiled_update(params, state, frame, policy=bound, arch=arch, readout=SUBCELL, window_hw=window_hw)

  return call


# Invariants.


@pytest.mark.parametrize("policy", ["xcorr1", "xcorr3", "xcorr5", "soft", "hard"])
def test_a_moving_target_is_followed(start, step, moving_target, policy):
  state, boxes = start, []
  for frame in moving_target.frames[1:]:
    state, track = step(state, frame, policy)
    boxes.append(track.box_xywh)
  overlap = iou(np.stack(boxes), moving_target.boxes_xywh[1:])
  # A cell is 3.75 px of the image: a target that is half a cell off on both axes still has an IoU of 0.7.
  assert overlap.min() > 0.7, overlap


def test_a_closer_look_finds_a_target_between_two_cells(params, arch, moving_target):
  frame, (x, y, w, h) = moving_target.frames[0], moving_target.boxes_xywh[0]
  errors_px = {}
  for finer_px in (0.0, 4.0):
    finer = dataclasses.replace(arch, finer_px=finer_px)
    policy = policy_named("xcorr1", arch=finer, readout=SUBCELL)
    settings = {"arch": finer, "window_hw": windows(60.0, frame)}
    state = compiled_init(params, frame, jnp.array([x, y, w, h]), threshold=0.4, **settings)
    errors_px[finer_px] = []
    for dx, dy in ((1.5, 2.0), (-2.0, 1.0), (2.5, -2.5)):  # image pixels; a cell is 3.75
      moved = state._replace(box_xywh=jnp.array([x + dx, y + dy, w, h]))
      _, track = compiled_update(params, moved, frame, policy=policy, readout=SUBCELL, **settings)
      errors_px[finer_px].append(np.abs(track.box_xywh[:2] - np.array([x, y])).max())
  assert max(errors_px[4.0]) < 0.5 * max(errors_px[0.0]), errors_px


def zoomed(frame: np.ndarray, center_xy: tuple[float, float], growth: float) -> np.ndarray:
  """The frame seen `growth` times as large around a point."""
  offset = [c - c / growth for c in center_xy[::-1]] + [0]
  seen = scipy.ndimage.affine_transform(frame, [1 / growth, 1 / growth, 1], offset, order=1, mode="nearest")
  return seen.astype(np.uint8)


def test_where_growth_is_read_the_box_grows_with_its_target(params, arch, moving_target):
  frame, box = moving_target.frames[0], moving_target.boxes_xywh[0]
  grows, read = dataclasses.replace(arch, finer_px=2.0, growth=True), Readout("subcell", combine="posterior")
  policy = policy_named("hard", arch=grows, readout=read)
  window_hw, center = windows(60.0, frame), box[:2] + box[2:] / 2
  beliefs = {**init_beliefs(), "gain": jnp.ones(5)}
  state = compiled_init(params, frame, box, threshold=0.99, arch=grows, window_hw=window_hw)
  settings = {"policy": policy, "arch": grows, "readout": read, "window_hw": window_hw}
  width = {}
  for growth in (1 / 1.2, 1.0, 1.2):
    now, frame_now = state, zoomed(frame, center, growth)
    for _ in range(3):
      now, track = compiled_update({**params, "beliefs": beliefs}, now, frame_now, **settings)
    width[growth] = float(track.box_xywh[2] / box[2])
  assert width[1.0] == pytest.approx(1, abs=0.05)
  assert width[1 / 1.2] < 0.95 < 1.05 < width[1.2], width


def test_the_box_keeps_its_size(start, step, moving_target):
  _, track = step(start, moving_target.frames[5])
  np.testing.assert_array_equal(track.box_xywh[2:], moving_target.boxes_xywh[0, 2:])


def test_the_state_is_the_box_and_the_first_frames_template(start, step, moving_target):
  state, track = step(start, moving_target.frames[1])
  np.testing.assert_array_equal(state.box_xywh, track.box_xywh)
  for before, after in zip(start.templates, state.templates, strict=True):
    np.testing.assert_array_equal(before, after)


def test_the_same_state_and_frame_give_the_same_track(start, step, moving_target):
  _, once = step(start, moving_target.frames[1])
  step(start, moving_target.frames[7])
  _, again = step(start, moving_target.frames[1])
  jax.tree.map(np.testing.assert_array_equal, once, again)


def test_a_step_leaves_its_state_and_frame_as_they_were(start, step, moving_target):
  frame = moving_target.frames[1].copy()
  box = np.array(start.box_xywh)
  step(start, frame)
  np.testing.assert_array_equal(frame, moving_target.frames[1])
  np.testing.assert_array_equal(start.box_xywh, box)


def test_the_centre_stays_in_the_image(start, step):
  frame = np.full((96, 128, 3), 100, np.uint8)
  state = start._replace(box_xywh=jnp.array([-9.0, 85.0, 20.0, 20.0]))
  center = np.asarray(step(state, frame)[1].box_xywh)[:2] + 10
  assert np.all((center >= 0) & (center <= (128, 96))), center


# Limits.


def test_a_target_at_rest_stays_where_it_is(start, step, moving_target):
  _, track = step(start, moving_target.frames[0])
  # The peak is the unmoved cell; a parabola through it may lean by a fifth of its 3.75 px.
  np.testing.assert_allclose(track.box_xywh, moving_target.boxes_xywh[0], atol=0.75)


# Oracles.


def test_a_sequence_in_memory_is_tracked_as_its_frames_are_one_by_one(params, arch, start, step, moving_target):
  frames = moving_target.frames[1:5]
  last, tracks = compiled_track_frames(
    params,
    start,
    frames,
    policy=policy_named("xcorr2", arch=arch, readout=SUBCELL),
    arch=arch,
    readout=SUBCELL,
    window_hw=windows(60.0, moving_target.frames[0]),
  )
  state = start
  for t, frame in enumerate(frames):
    state, track = step(state, frame)
    np.testing.assert_allclose(tracks.box_xywh[t], track.box_xywh, atol=1e-2)  # px: a parabola of float32 noise
  np.testing.assert_array_equal(last.box_xywh, tracks.box_xywh[-1])


@pytest.mark.parametrize(("n_frames", "finer_px"), [(1, 0.0), (3, 2.0)])
def test_many_targets_are_tracked_as_each_alone(params, arch, moving_target, n_frames, finer_px):
  """In one frame, and each in its own with a closer look: windows of the largest serve all."""
  arch = dataclasses.replace(arch, finer_px=finer_px)
  settings = {"arch": arch, "readout": SUBCELL, "window_hw": windows(90.0, moving_target.frames[0])}
  boxes = np.array([(40, 50, 20, 20), (30, 40, 30, 30), (44, 46, 12, 24)], np.float32)
  first, second = (moving_target.frames[[0, 4, 2][:n_frames]], moving_target.frames[[1, 5, 3][:n_frames]])
  first, second = (f[0] if n_frames == 1 else f for f in (first, second))
  window_hw = windows(45.0, moving_target.frames[0])
  together = compiled_init_many(params, first, boxes, threshold=0.4, arch=arch, window_hw=window_hw)
  states, tracks = compiled_update_many(
    params, together, second, policy=policy_each_named("xcorr2", arch=arch, readout=SUBCELL), **settings
  )
  for i, box in enumerate(boxes):
    one, other = (f if n_frames == 1 else f[i] for f in (first, second))
    state = compiled_init(params, one, box, threshold=0.4, arch=arch, window_hw=window_hw)
    policy = policy_named("xcorr2", arch=arch, readout=SUBCELL)
    _, alone = compiled_update(params, state, other, policy=policy, **settings)
    np.testing.assert_allclose(tracks.box_xywh[i], alone.box_xywh, atol=1e-2)  # px: a parabola of float32 noise
    np.testing.assert_array_equal(states.box_xywh[i], tracks.box_xywh[i])


# One program.


@pytest.mark.parametrize("policy", ["xcorr1", "hard"])
def test_an_update_is_one_program_for_all_frames(params, arch, start, moving_target, policy):
  chex.clear_trace_counter()
  bound = policy_named(policy, arch=arch, readout=SUBCELL)
  traced_once = functools.partial(chex.assert_max_traces(bound.func, n=1), **bound.keywords)
  state, window_hw = start, windows(60.0, moving_target.frames[0])
  for frame in moving_target.frames[1:4]:
    state, _ = compiled_update(
      params, state, frame, policy=traced_once, arch=arch, readout=SUBCELL, window_hw=window_hw
    )


def test_an_update_uploads_the_frame_and_nothing_else(start, step, moving_target):
  frame = jax.device_put(moving_target.frames[1])
  with jax.transfer_guard("disallow"):
    step(start, frame)
  with jax.transfer_guard("disallow_explicit"), pytest.raises(Exception, match="Disallowed host-to-device"):
    step(start, moving_target.frames[1])


def test_an_update_never_calls_back_to_the_host(params, arch, start, moving_target):
  frame = moving_target.frames[1]
  bound = policy_named("hard", arch=arch, readout=SUBCELL)
  text = compiled_update.lower(
    params, start, frame, policy=bound, arch=arch, readout=SUBCELL, window_hw=windows(60.0, frame)
  ).as_text()
  assert "callback" not in text


# Errors.


def test_a_frame_must_be_bytes(params, arch, moving_target):
  with pytest.raises(Exception, match="UInt8"):
    box = jnp.asarray(moving_target.boxes_xywh[0])
    init(params, jnp.zeros((96, 128, 3)), box, threshold=0.5, arch=arch, window_hw=(64, 64))
