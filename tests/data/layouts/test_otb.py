"""OTB: its boxes, its targets, and what its official release leaves out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_roots import GOOD, write_lines, write_otb

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.data.layouts.otb import box_from_otb_rectangle
from adadepth.errors import InputError

QUICK = settings(deadline=None, max_examples=30, derandomize=True)

# Quarters below 2**12 are exact in float32, so that equality is the right test.
quarters = st.integers(-200, 6000).map(lambda n: n / 4)
quarter_lengths = st.integers(4, 2000).map(lambda n: n / 4)


@QUICK
@given(quarters, quarters, quarter_lengths, quarter_lengths)
def test_an_otb_box_comes_back_when_counted_from_one_again(x, y, w, h):
  box = box_from_otb_rectangle(np.array([x, y, w, h]))
  np.testing.assert_array_equal(box + np.array([1, 1, 0, 0]), [x, y, w, h])


def test_the_first_otb_pixel_lies_at_the_origin():
  np.testing.assert_array_equal(box_from_otb_rectangle(np.array([1.0, 1.0, 5.0, 6.0])), [0, 0, 5, 6])


@QUICK
@given(separators=st.lists(st.sampled_from([",", "\t", " ", ", ", "  ", ",\t"]), min_size=3, max_size=3))
def test_commas_tabs_and_spaces_separate_alike(tmp_path_factory, separators):
  root = tmp_path_factory.mktemp("root")
  line = "3{}4{}10{}8".format(*separators)
  write_otb(root, [line], frames=1)
  np.testing.assert_array_equal(read_sequences(root).sequences[0].boxes_xywh, [[2, 3, 10, 8]])


@pytest.mark.parametrize(
  "line",
  ["3;4;10;8", "3; 4; 10; 8;", "3,0;4,0;10,0;8,0", "3,0\t4,0\t10,0\t8,0", '"3";"4";"10";"8"', '"3","4","10","8"'],
)
def test_a_spreadsheets_export_is_read(tmp_path, line):
  write_otb(tmp_path, [line], frames=1)
  np.testing.assert_array_equal(read_sequences(tmp_path).sequences[0].boxes_xywh, [[2, 3, 10, 8]])


def test_two_ground_truth_files_are_two_targets_of_one_video(tmp_path):
  folder = write_otb(tmp_path, [GOOD], frames=1)
  for target in (1, 2):
    (folder / f"groundtruth_rect.{target}.txt").write_text(f"{target + 1},2,3,4\n")
  read = read_sequences(tmp_path, ["otb/Toy"]).sequences
  assert {sequence.name: sequence.boxes_xywh[0, 0] for sequence in read} == {"otb/Toy.1": 1, "otb/Toy.2": 2}


@pytest.mark.parametrize(("name", "total", "first", "last"), [("David", 770, 300, 770), ("Football1", 81, 1, 74)])
def test_official_otb_sequences_leave_out_the_frames_without_annotation(tmp_path, name, total, first, last):
  folder = write_otb(tmp_path, [GOOD] * (last - first + 1), frames=1, name=name)
  for number in range(2, total + 1):
    (folder / "img" / f"{number:04d}.png").hardlink_to(folder / "img" / "0001.png")
  paths = read_sequences(tmp_path).sequences[0].frames.paths
  assert [paths[0].stem, paths[-1].stem] == [f"{first:04d}", f"{last:04d}"]


def test_an_empty_ground_truth_beside_a_real_one_is_no_target(tmp_path):
  folder = write_otb(tmp_path, [GOOD], frames=1, name="Human4")
  (folder / "groundtruth_rect.1.txt").write_text("")
  (folder / "groundtruth_rect.2.txt").write_text(GOOD)
  assert [files.name for files in find_sequences(tmp_path)] == ["otb/Human4.2"]


@pytest.mark.parametrize("name", ["Toy.1", "toy-1", "Toy"])
def test_attributes_are_the_benchmarks(tmp_path, name):
  folder = write_otb(tmp_path, [GOOD] * 2, frames=2)
  (folder / "groundtruth_rect.txt").rename(folder / "groundtruth_rect.1.txt")
  write_lines(tmp_path / "otb" / "att" / f"{name}.txt", ["1,0,0,0,0,0,0,0,0,0,1"])
  (sequence,), _ = read_sequences(tmp_path)
  assert list(sequence.attributes) == ["illumination variation", "low resolution"]
  assert all(flags.all() for flags in sequence.attributes.values())


def test_a_file_of_other_attributes_is_refused(tmp_path):
  write_otb(tmp_path, [GOOD], frames=1)
  write_lines(tmp_path / "otb" / "att" / "Toy.txt", ["1,0,0"])
  with pytest.raises(InputError, match=r"att/Toy\.txt must hold 11 numbers, 0 or 1 for each of illumination"):
    read_sequences(tmp_path)
