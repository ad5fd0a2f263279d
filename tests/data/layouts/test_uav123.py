"""UAV123: ground truth beside the sequences, and absent targets."""

import numpy as np
import pytest
from small_roots import GOOD, write_frames, write_lines, write_uav123

from adadepth.data.layouts import find_sequences, read_sequences
from adadepth.data.layouts.uav123 import box_from_uav123_rectangle
from adadepth.errors import InputError


def test_the_first_uav123_pixel_lies_at_the_origin():
  np.testing.assert_array_equal(box_from_uav123_rectangle(np.array([1.0, 1.0, 5.0, 6.0])), [0, 0, 5, 6])


def test_an_absent_target_has_no_box_and_is_no_problem(tmp_path):
  write_uav123(tmp_path / "toy", [GOOD, "NaN,NaN,NaN,NaN"], frames=2)
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh, [[2, 3, 10, 8], [np.nan] * 4])
  assert (sequence.name, problems.summary()) == ("uav123/toy", "")


def test_a_box_that_is_not_finite_in_part_is_a_problem(tmp_path):
  write_uav123(tmp_path / "toy", [GOOD, "3,4,NaN,8"], frames=2)
  with pytest.raises(InputError, match=r"anno/toy\.txt:2: the box x=2 y=3 w=nan h=8 is not finite"):
    read_sequences(tmp_path)


def test_the_parts_of_a_long_video_are_one_video(tmp_path):
  for name in ("group1_1", "group1_4", "uav10"):
    write_uav123(tmp_path / name, [GOOD], frames=1)
  assert [files.video for files in find_sequences(tmp_path)] == ["uav123/group1", "uav123/group1", "uav123/uav10"]


def test_the_real_sequence_is_read(wide):
  (sequence,) = read_sequences(wide / "uav123").sequences
  assert (sequence.name, len(sequence)) == ("uav123/group1_4", 50)
  np.testing.assert_allclose(sequence.boxes_xywh[0], [230.62, 78.75, 10.5, 37.5], rtol=1e-6)


def write_released(root, video: str, *, frames: int, parts: dict[str, int]) -> None:
  """Writes a video as UAV123 is released, with this many boxes in each file of ground truth."""
  folder = root / "data_seq" / "UAV123" / video
  write_frames(folder, 1, name="{:06d}.jpg")
  for number in range(2, frames + 1):
    (folder / f"{number:06d}.jpg").hardlink_to(folder / "000001.jpg")
  for name, count in parts.items():
    (root / "anno" / "UAV123").mkdir(parents=True, exist_ok=True)
    write_lines(root / "anno" / "UAV123" / f"{name}.txt", [GOOD] * count)


@pytest.mark.parametrize(("frames", "first", "last"), [(1530, 1075, 1525), (510, 359, 509)])
def test_parts_lie_where_the_benchmarks_table_says(tmp_path, frames, first, last):
  """At 30 fps, and at 10, whose frames are every third of them."""
  write_released(tmp_path, "person8", frames=frames, parts={"person8_2": last - first + 1})
  (sequence,), problems = read_sequences(tmp_path)
  numbers = [int(path.stem) for path in sequence.frames.paths]
  assert (numbers[0], numbers[-1], len(numbers)) == (first, last, last - first + 1)
  assert (sequence.name, problems.summary()) == ("uav123/person8_2", "")


def test_a_part_of_another_length_is_refused(tmp_path):
  write_released(tmp_path, "person8", frames=1530, parts={"person8_2": 400})
  with pytest.raises(InputError, match=r"person8_2\.txt:400: the boxes end here: 400 boxes, 451 images"):
    read_sequences(tmp_path)


def test_attributes_are_of_the_whole_video(tmp_path):
  write_uav123(tmp_path / "toy", [GOOD] * 2, frames=2)
  (tmp_path / "anno" / "att").mkdir()
  write_lines(tmp_path / "anno" / "att" / "toy.txt", ["0,0,1,0,0,0,0,0,0,0,0,0"])
  (sequence,), _ = read_sequences(tmp_path)
  assert {name: flags.tolist() for name, flags in sequence.attributes.items()} == {"low resolution": [True, True]}
