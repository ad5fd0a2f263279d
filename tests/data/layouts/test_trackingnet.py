"""TrackingNet: frames from 0, in chunks."""

import numpy as np
from small_roots import write_trackingnet

from adadepth.data.layouts import find_sequences, read_sequences


def test_frames_are_paired_by_number_from_0_on(tmp_path):
  write_trackingnet(tmp_path / "TRAIN_0", "a_1", [f"{x}.5,4,10,8" for x in range(11)])
  write_trackingnet(tmp_path / "TRAIN_1", "b_1", ["1,4,10,8", "0,0,0,0"])
  one, other = read_sequences(tmp_path).sequences
  assert ([path.stem for path in one.frames.paths], one.name) == ([str(n) for n in range(11)], "trackingnet/a_1")
  np.testing.assert_array_equal(one.boxes_xywh[10], [10.5, 4, 10, 8])
  assert np.isnan(other.boxes_xywh[1]).all()


def test_a_chunk_may_be_the_root(tmp_path):
  write_trackingnet(tmp_path, "a_1", ["1,4,10,8"])
  assert [files.name for files in find_sequences(tmp_path)] == ["trackingnet/a_1"]


def test_a_first_image_that_is_missing_leaves_with_its_box(tmp_path):
  write_trackingnet(tmp_path, "a_1", [f"{x},4,10,8" for x in range(8)])
  next(tmp_path.rglob("0.jpg")).unlink()
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  assert [path.stem for path in sequence.frames.paths] == [str(n) for n in range(1, 8)]
  np.testing.assert_array_equal(sequence.boxes_xywh[:, 0], np.arange(1, 8))
  assert problems.summary() == "skipped 1: 1 missing frame"
