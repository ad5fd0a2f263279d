"""LaSOT: sequences in folders of their class, and frames without the target."""

import numpy as np
import pytest
from small_roots import GOOD, write_lasot, write_lines

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.errors import InputError


def test_sequences_lie_in_folders_of_their_class(tmp_path):
  for name in ("airplane-1", "airplane-2", "bear-1"):
    write_lasot(tmp_path / "lasot" / name.split("-")[0] / name, [GOOD])
  names = ["lasot/airplane-1", "lasot/airplane-2", "lasot/bear-1"]
  assert [files.name for files in find_sequences(tmp_path)] == names
  assert [files.name for files in find_sequences(tmp_path / "lasot")] == names
  assert [files.name for files in find_sequences(tmp_path / "lasot" / "bear")] == names[2:]


def test_an_occluded_target_and_one_out_of_view_are_absent_whatever_their_box(tmp_path):
  write_lasot(tmp_path / "cat" / "cat-1", [GOOD] * 4, occluded="0,1,0,0", out_of_view="0,0,0,1")
  (sequence,), problems = read_sequences(tmp_path)
  assert np.isnan(sequence.boxes_xywh).all(axis=1).tolist() == [False, True, False, True]
  np.testing.assert_array_equal(sequence.boxes_xywh[0], [2, 3, 10, 8])  # pixels count from 1
  assert problems.summary() == ""


def test_attributes_are_of_the_whole_video(tmp_path):
  write_lasot(tmp_path / "cat" / "cat-1", [GOOD] * 2)
  write_lines(tmp_path / "att" / "cat-1.txt", ["0,1,0,0,0,0,0,0,0,0,0,0,1,0"])
  (sequence,), _ = read_sequences(tmp_path)
  assert {name: flags.tolist() for name, flags in sequence.attributes.items()} == {
    "partial occlusion": [True, True],
    "low resolution": [True, True],
  }


def test_labels_of_another_length_are_refused(tmp_path):
  write_lasot(tmp_path / "cat" / "cat-1", [GOOD] * 3, occluded="0,1", out_of_view="0,1")
  with pytest.raises(InputError, match=r"cat-1: 2 labels of absence or occlusion for 3 boxes"):
    read_sequences(tmp_path)
  write_lines(tmp_path / "cat" / "cat-1" / "out_of_view.txt", ["0,0,0"])
  with pytest.raises(InputError, match=r"full_occlusion\.txt of 2 frames and out_of_view\.txt of 3 frames"):
    read_sequences(tmp_path)
