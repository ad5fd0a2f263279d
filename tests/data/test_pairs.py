"""Key and search pairs: which frames are paired, where the crops lie, and what is true in them."""

import dataclasses

import numpy as np
import pytest

from adadepth.data.pairs import (
  PairSampler,
  cut_group,
  evaluation_keys,
  evenly_spaced,
  key_frames,
  search_frames,
)
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.maths.metrics import iou
from adadepth.models.architecture import Architecture

ARCH = Architecture(template_px=64, search_px=128, pools=3)
BOX = dataclasses.replace(ARCH, reader="box")
SIZE = 40  # of the target: its template crop has a side of 40 + 80 / 4 = 60 px, its search crop one of 120 px


def boxes_along(xs, y: float = 50.0) -> np.ndarray:
  """Boxes of one size whose left edges are at xs."""
  return np.array([(x, y, SIZE, SIZE) for x in xs], np.float32)


def crop_scale(key_xywh: np.ndarray) -> float:
  """Crop pixels per image pixel, by the paper's words: template_px over max(w, h) + 2 * (w + h) / 8."""
  _, _, w, h = key_xywh.tolist()
  return ARCH.template_px / (max(w, h) + 2 * (w + h) / 8)


def walk(frames: int, name: str = "walk") -> Sequence:
  """A target that wanders and grows over noise, so that every crop and every box differs."""
  rng = np.random.default_rng(frames)
  centers = 80 + np.cumsum(rng.uniform(-4, 4, (frames, 2)), axis=0)
  sizes = SIZE + np.cumsum(rng.uniform(0, 1, (frames, 2)), axis=0)
  images = rng.integers(0, 256, (frames, 160, 160, 3), np.uint8)
  return Sequence(name, images, np.concatenate([centers - sizes / 2, sizes], axis=1).astype(np.float32))


def assert_same_group(one, two):
  assert (one.sequence, one.key) == (two.sequence, two.key)
  for name in ("template", "search", "truth_in_search", "last_size", "size_in_crop", "frames_after_key"):
    np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


# Which frames are paired: invariants.


def test_every_tenth_frame_is_a_key():
  assert key_frames(boxes_along(np.zeros(35)), ARCH) == [0, 10, 20, 30]


def test_an_epoch_is_as_many_keys_as_there_are():
  sampler = PairSampler([walk(35), walk(12)], ARCH, seed=0, frames=1, jitter_px=0.0)
  assert sampler.keys == 4 + 2


def test_the_25_frames_after_a_key_are_searched():
  assert search_frames(boxes_along(np.zeros(60)), 10, ARCH) == list(range(11, 36))


def test_a_search_ends_with_the_sequence():
  assert search_frames(boxes_along(np.zeros(14)), 10, ARCH) == [11, 12, 13]


def test_a_longer_look_is_100_frames():
  assert len(search_frames(boxes_along(np.zeros(200)), 10, ARCH, 100)) == 100


def test_a_run_ends_where_the_target_leaves_the_search_crop():
  # The crop reaches 60 px from its centre, the previous frame's.
  assert search_frames(boxes_along([0, 59, 118, 178, 178]), 0, ARCH) == [1, 2]


def test_a_key_that_loses_its_target_at_once_is_no_key():
  boxes = boxes_along(np.repeat([0, 100], [11, 20]))
  assert key_frames(boxes, ARCH) == [0, 20]


def test_frames_without_a_box_here_or_just_before_are_passed_over():
  boxes = boxes_along(np.zeros(8))
  boxes[3] = np.nan
  assert search_frames(boxes, 0, ARCH) == [1, 2, 5, 6, 7]


def test_a_frame_without_a_box_is_no_key():
  boxes = boxes_along(np.zeros(35))
  boxes[10] = np.nan
  assert key_frames(boxes, ARCH) == [0, 20, 30]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10])
def test_a_spread_keeps_order_and_starts_with_the_first(count):
  chosen = evenly_spaced(list(range(10)), count)
  assert len(chosen) == count
  assert chosen[0] == 0
  assert chosen == sorted(set(chosen))


def test_a_spread_reaches_both_ends():
  assert evenly_spaced(list(range(0, 100, 10)), 4) == [0, 30, 60, 90]


@pytest.mark.parametrize("count", [0, 3, 8])
def test_a_spread_of_0_or_of_more_than_there_are_is_everything(count):
  assert evenly_spaced([4, 5, 6], count) == [4, 5, 6]


def test_evaluation_spreads_its_keys_and_takes_the_first_frames_after_each():
  keys = evaluation_keys(walk(50), ARCH, keys=2, frames=3)
  assert keys == [(0, [1, 2, 3]), (40, [41, 42, 43])]


def test_evaluation_takes_every_key_and_25_frames_for_0():
  keys = evaluation_keys(walk(50), ARCH, keys=0, frames=0)
  assert [(key, len(frames)) for key, frames in keys] == [(0, 25), (10, 25), (20, 25), (30, 19), (40, 9)]


def test_evaluation_leaves_out_a_key_without_a_box_in_the_frames_it_looks_at():
  sequence = walk(30)
  sequence.boxes_xywh[11] = np.nan
  assert evaluation_keys(sequence, ARCH, keys=0, frames=2) == [(0, [1, 2]), (20, [21, 22])]


# What a group holds: invariants.


def test_a_search_crops_centre_is_the_previous_boxs_centre():
  sequence = walk(6)
  for t, color in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]):
    # Marks in frame t where the box of frame t - 1 was.
    x, y = sequence.boxes_xywh[max(t - 1, 0), :2] + sequence.boxes_xywh[max(t - 1, 0), 2:] / 2
    sequence.frames[t, int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5] = color
  group = cut_group(sequence, 0, [1, 2, 5], ARCH)
  expected = np.array([(0, 255, 0), (0, 0, 255), (0, 255, 255)], np.uint8)
  np.testing.assert_array_equal(group.search[:, 64, 64], expected)
  np.testing.assert_array_equal(group.template[32, 32], (255, 0, 0))


def test_the_true_box_lies_on_the_targets_pixels():
  sequence = walk(4)
  target = (255, 0, 0)
  for t, (x, y, w, h) in enumerate(sequence.boxes_xywh):
    sequence.frames[t] = 0
    sequence.frames[t, round(y) : round(y + h), round(x) : round(x + w)] = target
  group = cut_group(sequence, 0, [1, 2, 3], ARCH)
  for crop, (x, y, w, h) in zip(group.search, group.truth_in_search, strict=True):
    rows, cols = np.nonzero(crop[..., 0] > 127)
    edges = cols.min(), rows.min(), cols.max() + 1, rows.max() + 1
    # Half an image pixel of rounding is 0.53 px of the crop, and the crop's own edge half a pixel.
    np.testing.assert_allclose(edges, (x, y, x + w, y + h), atol=1.1)


def test_iou_is_the_same_in_the_crop_as_in_the_image():
  sequence = walk(8)
  group = cut_group(sequence, 2, [4, 7], ARCH)
  for truth_in_search, t in zip(group.truth_in_search, (4, 7), strict=True):
    before, now = sequence.boxes_xywh[t - 1], sequence.boxes_xywh[t]
    # The key's box, put where the target was in the frame before: the crop's centre.
    size_in_image = sequence.boxes_xywh[2, 2:]
    in_image = np.concatenate([before[:2] + before[2:] / 2 - size_in_image / 2, size_in_image])
    in_crop = np.concatenate([64 - group.size_in_crop / 2, group.size_in_crop])
    assert iou(in_crop, truth_in_search) == pytest.approx(iou(in_image, now), rel=1e-4)  # float32 pixels


def test_displacements_are_the_step_from_frame_to_frame_in_crop_pixels():
  sequence = walk(8)
  centers = sequence.boxes_xywh[:, :2] + sequence.boxes_xywh[:, 2:] / 2
  group = cut_group(sequence, 2, [4, 7], ARCH)
  scale = crop_scale(sequence.boxes_xywh[2])
  expected = (centers[[4, 7]] - centers[[3, 6]]) * scale
  np.testing.assert_allclose(group.displacement_in_search, expected, atol=1e-4)  # float32 pixels of up to 128


def test_jitter_moves_the_crop_one_way_and_the_target_the_other():
  sequence = walk(4)
  jitter = np.array([[3.0, -5.0]], np.float32)
  still, shifted = cut_group(sequence, 0, [2], ARCH), cut_group(sequence, 0, [2], ARCH, jitter)
  moved = shifted.displacement_in_search - still.displacement_in_search
  np.testing.assert_allclose(moved, -jitter, atol=1e-4)  # float32 pixels of up to 128
  assert not np.array_equal(shifted.search, still.search)


def test_the_keys_box_sets_the_scale_of_every_crop():
  sequence = walk(30)
  group = cut_group(sequence, 0, [25, 29], ARCH)
  scale = crop_scale(sequence.boxes_xywh[0])
  np.testing.assert_allclose(group.size_in_crop, sequence.boxes_xywh[0, 2:] * scale, rtol=1e-6)
  np.testing.assert_array_equal(group.last_size, np.tile(group.size_in_crop, (2, 1)))
  np.testing.assert_allclose(group.truth_in_search[:, 2:], sequence.boxes_xywh[[25, 29], 2:] * scale, rtol=1e-6)
  np.testing.assert_array_equal(group.frames_after_key, [25, 29])


def test_for_box_heads_the_box_before_sets_the_scale_of_each_crop():
  sequence = walk(30)
  boxes, frames = sequence.boxes_xywh, [1, 15, 29]
  group = cut_group(sequence, 0, frames, BOX)
  scales = np.array([crop_scale(boxes[t - 1]) for t in frames])[:, None]
  np.testing.assert_allclose(group.last_size, boxes[[0, 14, 28], 2:] * scales, rtol=1e-5)
  np.testing.assert_allclose(group.truth_in_search[:, 2:], boxes[frames, 2:] * scales, rtol=1e-5)
  centers = boxes[:, :2] + boxes[:, 2:] / 2
  np.testing.assert_allclose(
    group.displacement_in_search, (centers[frames] - centers[[0, 14, 28]]) * scales, atol=1e-4
  )  # float32 pixels of up to 128
  np.testing.assert_allclose(group.size_in_crop, boxes[0, 2:] * crop_scale(boxes[0]), rtol=1e-6)
  for field in ("template", "size_in_crop"):
    np.testing.assert_array_equal(getattr(group, field), getattr(cut_group(sequence, 0, frames, ARCH), field))


def test_a_size_that_is_taken_wrongly_is_the_last_size_and_sets_the_scale():
  sequence = walk(4)
  wrong = np.log(np.float32([[2, 2], [1, 1.5]]))
  right, group = (cut_group(sequence, 0, [2, 3], BOX, size_error=error) for error in (None, wrong))
  for i in range(2):
    taken = sequence.boxes_xywh[i + 1] * np.concatenate([np.ones(2), np.exp(wrong[i])])
    np.testing.assert_allclose(group.last_size[i], taken[2:] * crop_scale(taken), rtol=1e-5)
  # Twice the size is half the scale.
  np.testing.assert_allclose(group.truth_in_search[0, 2:], right.truth_in_search[0, 2:] / 2, rtol=1e-5)
  np.testing.assert_allclose(group.displacement_in_search[0], right.displacement_in_search[0] / 2, atol=1e-4)


# The sampler.


@pytest.fixture(scope="module")
def sampler() -> PairSampler:
  return PairSampler([walk(30, "a"), walk(22, "b")], ARCH, seed=3, frames=4, jitter_px=8.0, key_every=1)


def test_a_training_group_depends_on_seed_and_index_alone(sampler):
  again = PairSampler(sampler.sequences, ARCH, seed=3, frames=4, jitter_px=8.0, key_every=1)
  again[5]
  for index in (7, 0, 2**40):
    assert_same_group(sampler[index], again[index])


def test_training_groups_differ_by_index_and_by_seed(sampler):
  other = PairSampler(sampler.sequences, ARCH, seed=4, frames=4, jitter_px=8.0, key_every=1)
  groups = [sampler[0], sampler[1], other[0]]
  assert len({group.search.tobytes() for group in groups}) == 3


def test_training_groups_have_as_many_frames_as_asked_for(sampler):
  # A late key has fewer frames after it than are asked for, and repeats some.
  assert {len(sampler[index]) for index in range(20)} == {4}


def test_training_groups_come_from_every_sequence(sampler):
  assert {sampler[index].sequence for index in range(20)} == {"a", "b"}


def test_training_targets_are_no_further_off_than_their_step_and_the_jitter(sampler):
  # Steps of walk() are at most 4 px and a scale of at most 64 / 60 makes them 4.3 crop pixels.
  offsets = np.concatenate([np.abs(sampler[index].displacement_in_search) for index in range(20)])
  assert offsets.max() < 8 + 4.3
  assert offsets.max() > 8


def test_without_jitter_training_crops_are_evaluations(sampler):
  group = PairSampler(sampler.sequences, ARCH, seed=3, frames=4, jitter_px=0.0)[0]
  sequence = next(s for s in sampler.sequences if s.name == group.sequence)
  assert_same_group(group, cut_group(sequence, group.key, (group.key + group.frames_after_key).tolist(), ARCH))


def test_sequences_without_pairs_are_passed_over_and_refused_where_there_are_no_others(sampler):
  empty = Sequence("empty", np.zeros((3, 160, 160, 3), np.uint8), np.full((3, 4), np.nan, np.float32))
  mixed = PairSampler([empty, sampler.sequences[0]], ARCH, seed=3, frames=4, jitter_px=0.0)
  assert {mixed[index].sequence for index in range(5)} == {"a"}
  with pytest.raises(InputError, match="no training sequence has two frames in a row with a box"):
    PairSampler([empty], ARCH, seed=3, frames=4, jitter_px=0.0)[0]
