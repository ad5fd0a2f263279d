"""TLP: its lines of six numbers, and where its targets are lost."""

import numpy as np
import pytest
from small_roots import write_otb, write_tlp

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.data.layouts.tlp import box_from_tlp_line
from adadepth.errors import InputError


def test_the_first_tlp_pixel_lies_at_the_origin():
  np.testing.assert_array_equal(box_from_tlp_line(np.array([7.0, 1.0, 1.0, 5.0, 6.0, 0.0])), [0, 0, 5, 6])


def test_a_lost_target_has_no_box_and_is_no_problem(tmp_path):
  write_tlp(tmp_path / "Toy", ["1,3,4,10,8,0", "2,0,0,0,0,1", "3,4,4,10,8,0"], frames=3)
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh, [[2, 3, 10, 8], [np.nan] * 4, [3, 3, 10, 8]])
  assert (sequence.name, problems.summary()) == ("tlp/Toy", "")


def test_six_numbers_tell_tlp_from_otb(tmp_path):
  write_otb(tmp_path, ["3,4,10,8"], frames=1, name="Four")
  write_tlp(tmp_path / "otb" / "Six", ["1,3,4,10,8,0"], frames=1)
  assert [files.name for files in find_sequences(tmp_path / "otb")] == ["otb/Four", "tlp/Six"]


def test_the_real_sequences_are_read(wide):
  read = {sequence.name: sequence for sequence in read_sequences(wide / "tlp").sequences}
  assert {name: len(sequence) for name, sequence in read.items()} == {"tlp/CarChase2": 120, "tlp/Mohiniyattam": 120}
  np.testing.assert_allclose(read["tlp/CarChase2"].boxes_xywh[0], [174.85, 81.9, 115.38, 82.88], rtol=1e-6)


def test_boxes_of_other_frames_are_refused(tmp_path):
  write_tlp(tmp_path / "Toy", ["2,3,4,10,8,0", "3,4,4,10,8,0"], frames=2)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: the line says that it is of frame 2, and lies at im"):
    read_sequences(tmp_path)
