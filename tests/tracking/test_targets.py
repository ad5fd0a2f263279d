"""Several targets, each from its own frame; what was stopped goes on as if it had not been."""

import dataclasses

import numpy as np
import pytest

from adadepth.io.first_boxes import FirstBox
from adadepth.models.model import Model
from adadepth.tracking import record as record_file
from adadepth.tracking.record import Record, load_record, save_record
from adadepth.tracking.targets import follow_all, state_of
from adadepth.tracking.track import Track
from adadepth.tracking.tracker import Tracker

FRAMES = 8


@pytest.fixture(scope="module")
def tracker(params, arch) -> Tracker:
  return Tracker(Model(params, arch, threshold=0.4), "xcorr1")


@pytest.fixture(scope="module")
def first_boxes(moving_target) -> list[FirstBox]:
  """The target, from frame 0, from frame 3 and from 3 on again, a little aside."""
  boxes = moving_target.boxes_xywh
  return [FirstBox(t, boxes[t] + np.float32(x), name, "") for t, x, name in ((3, 0, "a"), (0, 0, "b"), (3, 2, "c"))]


def run(tracker, frames, first_boxes, record: Record | None = None) -> Record:
  """A record of the frames, or one that goes on."""
  record = Record({}) if record is None else record
  for step in follow_all(tracker, frames, first_boxes, earlier=record.earlier):
    if step.found is not None:
      record.found.append(step.found)
      record.seconds.append(step.seconds)
      record.times.append((0.0, 0.0))
      record.states = [state_of(batch) for batch in step.batches]
  return record


@pytest.fixture(scope="module")
def whole(tracker, moving_target, first_boxes) -> Record:
  return run(tracker, moving_target.frames[:FRAMES], first_boxes)


def assert_same(found: Record, expected: Record) -> None:
  assert [[one[::2] for one in row] for row in found.found] == [[one[::2] for one in row] for row in expected.found]
  for number, target in expected.targets().items():
    for name, ours, theirs in zip(Track._fields, found.targets()[number].track, target.track, strict=True):
      np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_a_target_is_there_from_its_first_frame_on(whole):
  assert [[one.target for one in row] for row in whole.found] == [[1]] * 3 + [[0, 1, 2]] * (FRAMES - 3)
  assert [one.target for row in whole.found for one in row if one.given] == [1, 0, 2]


def test_each_target_is_found_as_it_is_alone(tracker, whole, moving_target, first_boxes):
  for number, first in enumerate(first_boxes):
    alone = tracker.track(moving_target.frames[first.frame : FRAMES], first.box_xywh)
    track = whole.targets()[number].track
    # Two targets are another program than one, whose sums have another order; pixels, fed back.
    np.testing.assert_allclose(track.box_xywh, alone.box_xywh, atol=0.05)
    np.testing.assert_array_equal(track.missed, alone.missed)


def test_taking_a_template_is_not_counted(whole):
  assert whole.seconds[0] == 0 and min(whole.seconds[1:]) > 0
  # Compiling for two targets in frame 3 would be a second and more; the one that goes on takes milliseconds.
  assert whole.seconds[3] < 20 * np.median(whole.seconds[1:])


@pytest.mark.parametrize("stop", [1, 3, 4, FRAMES])
def test_what_was_stopped_goes_on_as_if_it_had_not_been(tracker, whole, moving_target, first_boxes, tmp_path, stop):
  begun = run(tracker, moving_target.frames[:stop], first_boxes)
  save_record(tmp_path / "track.npz", begun)
  loaded = load_record(tmp_path / "track.npz")
  assert_same(loaded, begun)
  assert_same(run(tracker, moving_target.frames[:FRAMES], first_boxes, loaded), whole)


def test_frames_that_were_tracked_are_not_tracked_again(tracker, whole, moving_target, first_boxes, monkeypatch):
  monkeypatch.setattr(Tracker, "init", None)
  steps = list(follow_all(tracker, moving_target.frames[:FRAMES], first_boxes, earlier=whole.earlier))
  assert [step.found for step in steps] == [None] * FRAMES


def test_a_record_holds_what_it_was_made_from_and_its_times(whole, tmp_path):
  whole = Record({"config.box": "1"}, whole.found, whole.seconds, [(t / 3, 1 / 3) for t in range(FRAMES)], whole.states)
  save_record(tmp_path / "a.npz", whole)
  loaded = load_record(tmp_path / "a.npz")
  assert (loaded.made_from, loaded.times, loaded.seconds) == (whole.made_from, whole.times, whole.seconds)


@pytest.mark.parametrize("chunk", [1, 3])
def test_frames_come_back_from_their_chunks_as_they_went_in(whole, monkeypatch, chunk):
  monkeypatch.setattr(record_file, "CHUNK", chunk)
  found = record_file.FoundFrames()
  for frame in whole.found:
    found.append(frame)
  assert len(found) == FRAMES and len(found[-1]) == len(whole.found[-1])
  assert_same(dataclasses.replace(whole, found=found), whole)


def test_half_a_record_is_none(whole, tmp_path):
  save_record(tmp_path / "a.npz", whole)
  data = (tmp_path / "a.npz").read_bytes()
  (tmp_path / "a.npz").write_bytes(data[: len(data) // 2])
  assert load_record(tmp_path / "a.npz") is None and load_record(tmp_path / "none.npz") is None
