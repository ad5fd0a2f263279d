"""TColor-128: boxes of some of the images, as its table of frames says."""

import numpy as np
import pytest
from small_roots import GOOD, write_lines, write_tc128

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.errors import InputError


def test_boxes_lie_where_the_table_of_frames_says(tmp_path):
  write_tc128(tmp_path / "Ball_ce", [GOOD, "4,4,10,8"], frames=5, table="3,4")
  (sequence,), problems = read_sequences(tmp_path)
  assert [path.stem for path in sequence.frames.paths] == ["0003", "0004"]
  np.testing.assert_array_equal(sequence.boxes_xywh, [[2, 3, 10, 8], [3, 3, 10, 8]])
  assert (sequence.name, problems.summary()) == ("tc128/Ball_ce", "")


def test_boxes_and_a_table_that_do_not_fit_are_refused(tmp_path):
  write_tc128(tmp_path / "Ball_ce", [GOOD] * 3, frames=5, table="3,4")
  with pytest.raises(InputError, match=r"Ball_ce_gt\.txt:3: no image for this box: 3 boxes, 2 images"):
    read_sequences(tmp_path)


def test_a_table_that_is_none_is_refused(tmp_path):
  write_tc128(tmp_path / "Ball_ce", [GOOD], frames=1, table="one")
  with pytest.raises(InputError, match=r"Ball_ce_frames\.txt must hold the first and the last image"):
    read_sequences(tmp_path)


def test_a_folder_of_ground_truth_alone_is_no_sequence(tmp_path):
  write_tc128(tmp_path / "Ball_ce", [GOOD], frames=1, table="1,1")
  write_lines(tmp_path / "anno" / "toy_gt.txt", [GOOD])
  assert [files.name for files in find_sequences(tmp_path)] == ["tc128/Ball_ce"]
