"""Data roots: what lies under one or several, what is wrong with them, then the real data."""

import numpy as np
import pytest
from small_roots import GOOD, write_frames, write_lines, write_otb, write_tlp, write_uav123, write_uavdt, write_vot

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.data.problems import Problems
from adadepth.errors import InputError


def test_a_root_with_both_layouts_gives_vot_before_otb(tmp_path):
  write_otb(tmp_path, [GOOD], frames=1)
  write_vot(tmp_path / "vot" / "toy", [GOOD], frames=1)
  assert [files.name for files in find_sequences(tmp_path)] == ["vot/toy", "otb/Toy"]


def test_a_root_may_hold_every_layout_and_photos(tmp_path):
  write_otb(tmp_path, [GOOD], frames=1)
  write_vot(tmp_path / "vot" / "toy", [GOOD], frames=1)
  write_tlp(tmp_path / "tlp" / "Toy", ["1,3,4,10,8,0"], frames=1)
  write_uav123(tmp_path / "uav123" / "toy", [GOOD], frames=1)
  write_uavdt(tmp_path / "uavdt" / "toy", [GOOD], frames=1)
  write_frames(tmp_path / "photos", 2)
  names = ["vot/toy", "tlp/Toy", "otb/Toy", "uav123/toy", "uavdt/toy"]
  assert [sequence.name for sequence in read_sequences(tmp_path).sequences] == names


def test_photos_beside_sequences_are_passed_over(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  write_frames(tmp_path / "photos", 2)
  assert [files.name for files in find_sequences(tmp_path)] == ["vot/toy"]


@pytest.mark.parametrize("layout", ["vot", "otb"])
def test_a_root_may_be_the_folder_of_one_layout(tmp_path, layout):
  write_otb(tmp_path, [GOOD], frames=1, name="toy")
  write_vot(tmp_path / "vot" / "toy", [GOOD], frames=1)
  assert [files.name for files in find_sequences(tmp_path / layout)] == [f"{layout}/toy"]


def test_list_txt_chooses_and_orders_the_sequences(tmp_path):
  for name in "abc":
    write_vot(tmp_path / name, [GOOD], frames=1)
  (tmp_path / "list.txt").write_text("c\na\n")
  assert [files.name for files in find_sequences(tmp_path)] == ["vot/c", "vot/a"]


def test_skip_still_stops_when_nothing_is_left(tmp_path):
  write_otb(tmp_path, ["3,4,0,0"], frames=1)
  with pytest.raises(InputError, match=r"no usable sequence under .*groundtruth_rect\.txt:1"):
    read_sequences(tmp_path, on_error="skip")


def test_a_listed_name_without_a_sequence_is_named_with_its_line(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  (tmp_path / "list.txt").write_text("toy\nnone\n")
  with pytest.raises(InputError, match=r"list\.txt:2: .*none is no sequence of a known layout"):
    read_sequences(tmp_path)


@pytest.mark.parametrize("name", ["a" * 300, "../elsewhere", "{}/elsewhere", "toy/../../elsewhere"])
def test_a_listed_name_leads_out_of_no_folder_and_is_one_that_a_folder_can_hold(tmp_path, name):
  write_vot(tmp_path / "root" / "toy", [GOOD], frames=1)
  write_vot(tmp_path / "elsewhere", [GOOD], frames=1)
  (tmp_path / "root" / "list.txt").write_text(name.format(tmp_path) + "\ntoy\n")
  with pytest.raises(InputError, match=r"list\.txt:1: .* is no sequence of a known layout"):
    read_sequences(tmp_path / "root")
  assert [files.name for files in find_sequences(tmp_path / "root", Problems("skip"))] == ["vot/toy"]


# Several roots


@pytest.fixture
def two(tmp_path):
  """Two roots as one argument: "a" with a VOT sequence, "b" with an OTB sequence."""
  write_vot(tmp_path / "a" / "toy", [GOOD], frames=1)
  write_otb(tmp_path / "b", [GOOD], frames=1)
  return f"{tmp_path / 'a'},{tmp_path / 'b'}"


def test_several_roots_are_read_one_after_the_other(two):
  assert [sequence.name for sequence in read_sequences(two).sequences] == ["vot/toy", "otb/Toy"]
  assert [sequence.name for sequence in read_sequences(two, ["otb/Toy"]).sequences] == ["otb/Toy"]


def test_a_folder_with_a_comma_in_its_name_is_one_root(tmp_path):
  write_vot(tmp_path / "a,b" / "toy", [GOOD], frames=1)
  assert [files.name for files in find_sequences(str(tmp_path / "a,b"))] == ["vot/toy"]


def test_a_name_under_two_roots_is_an_error_that_names_both(two, tmp_path):
  write_vot(tmp_path / "b" / "vot" / "toy", [GOOD], frames=1)
  with pytest.raises(InputError, match=r"vot/toy is under .*/a and under .*/b; rename one, or leave out a root"):
    find_sequences(two)


def test_a_name_twice_in_one_root_is_an_error_that_names_both(tmp_path):
  for rate in ("UAV123", "UAV123_10fps"):
    write_frames(tmp_path / "data_seq" / rate / "bike1", 1)
    (tmp_path / "anno" / rate).mkdir(parents=True)
    write_lines(tmp_path / "anno" / rate / "bike1.txt", ["2,3,10,8"])
  with pytest.raises(InputError, match=r"uav123/bike1 is .*/UAV123/bike1 and .*/UAV123_10fps/bike1; rename one, or"):
    find_sequences(tmp_path)


@pytest.mark.parametrize("twice", ["{a},{a}", "{a}, {a},"])
def test_a_root_given_twice_is_an_error(two, twice):
  with pytest.raises(InputError, match=r"vot/toy is under .*/a and under .*/a;"):
    find_sequences(twice.format(a=two.split(",")[0]))


def test_the_missing_one_of_several_roots_is_named(two):
  with pytest.raises(InputError, match=r"`root` \(='/no/such'\): no such folder"):
    find_sequences(f"{two},/no/such")


# Bad arguments


def test_a_missing_root_is_named_with_its_cure(tmp_path):
  with pytest.raises(InputError, match="nowhere'\\): no such folder; name one that holds any of vot/, tlp/, otb/"):
    read_sequences(tmp_path / "nowhere")


def test_a_root_without_sequences_says_what_was_looked_for(tmp_path):
  with pytest.raises(
    InputError, match=r"looked for <name>/groundtruth\.txt \(vot\), .*/groundtruth_rect\.txt \(otb\), "
  ):
    read_sequences(tmp_path)


def test_a_root_that_is_one_sequence_points_to_the_folder_above(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  with pytest.raises(InputError, match="is a single sequence; name the folder above it"):
    read_sequences(tmp_path / "toy")


def test_an_unknown_name_is_an_error_that_lists_it(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  with pytest.raises(InputError, match="no sequence vot/other under the data root"):
    read_sequences(tmp_path, ["vot/toy", "vot/other"])


def test_an_unknown_policy_is_an_error(tmp_path):
  with pytest.raises(InputError, match=r"`on_error` \(='ignore'\) must be 'stop' or 'skip'"):
    read_sequences(tmp_path, on_error="ignore")


# Real data


@pytest.fixture(scope="module")
def real(shared):
  """The 29 real targets, by name."""
  return {sequence.name: sequence for sequence in read_sequences(shared / "data").sequences}


def test_the_real_data_has_29_targets_of_28_videos(shared):
  found = find_sequences(shared / "data")
  assert (len(found), len({files.video for files in found})) == (29, 28)


def outside_px(sequence) -> np.ndarray:
  """How far each box sticks out of its frame, in pixels, [t]; 0 or less: not at all."""
  height, width, _ = sequence.frames[0].shape
  low, high = sequence.boxes_xywh[:, :2], sequence.boxes_xywh[:, :2] + sequence.boxes_xywh[:, 2:]
  return np.maximum(-low, high - np.float32([width, height])).max(axis=1)


def test_every_real_frame_has_a_finite_box(real):
  assert all(np.isfinite(sequence.boxes_xywh).all() for sequence in real.values())


def test_every_real_box_lies_inside_its_frame_but_for_a_leap_of_motocross1(real):
  outside = {name: int((outside_px(sequence) > 0).sum()) for name, sequence in real.items()}
  assert {name: count for name, count in outside.items() if count} == {"vot/motocross1": 4}


@pytest.mark.parametrize(
  ("name", "box_xywh"),
  [
    ("otb/Jogging.1", [110, 97, 25, 101]),
    ("otb/Jogging.2", [179, 78, 37, 114]),
    ("otb/Girl", [56, 20, 31, 45]),
    ("vot/book", [199, 49, 88, 64]),
    ("vot/bag", [313.125, 158.57, 104.165, 72.05]),
    ("vot/ball2", [532, 53, 13, 13]),
  ],
)
def test_the_first_real_boxes_are_the_known_ones(real, name, box_xywh):
  np.testing.assert_allclose(real[name].boxes_xywh[0], box_xywh, rtol=1e-6)


def test_a_grey_real_frame_has_three_equal_channels(real):
  frame = real["otb/Car1"].frames[0]
  assert frame.shape == (240, 320, 3)
  assert (frame == frame[..., :1]).all()
