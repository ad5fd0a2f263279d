"""Result files: what is written comes back, other toolkits' names are found, and what does not fit is refused."""

import numpy as np
import pytest

from adadepth.data.result_files import (
  ResultRows,
  read_multi_start,
  read_one_pass,
  read_supervised,
  trackers_in,
  write_one_pass,
  write_vot,
)
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.maths.expected_overlap import FAILED, SKIPPED, STARTED, TRACKED


def sequence(name: str = "otb/Jogging.1", frames: int = 4) -> Sequence:
  boxes = np.array([(10 + t, 10, 20, 40) for t in range(frames)], np.float32)
  return Sequence(name, np.zeros((frames, 60, 60, 3), np.uint8), boxes)


@pytest.mark.parametrize("name", ["otb/Girl", "vot/ball", "got10k/a", "rendered/test-001"])
def test_one_pass_comes_back_in_the_one_convention(tmp_path, name):
  boxes = sequence(name).boxes_xywh + np.float32([0, 0.25, 0.5, 0.75])
  boxes[2] = np.nan
  path = write_one_pass(tmp_path / "mine", sequence(name), boxes)
  found = read_one_pass(tmp_path / "mine", sequence(name))
  np.testing.assert_allclose(found[1:], boxes[1:])
  np.testing.assert_array_equal(found[0], sequence(name).boxes_xywh[0])  # the given one
  assert path.relative_to(tmp_path).as_posix() == f"mine/{name}.txt"


def test_otbs_pixels_count_from_one_in_its_files(tmp_path):
  path = write_one_pass(tmp_path, sequence(), sequence().boxes_xywh)
  assert path.read_text().splitlines()[0] == "11.0000,11.0000,20.0000,40.0000"


@pytest.mark.parametrize(
  "place", ["Jogging.1.txt", "jogging-1.txt", "Jogging_1.txt", "Jogging.1/Jogging.1_001.txt", "otb/Jogging.1.txt"]
)
@pytest.mark.parametrize("separator", [",", "\t", " "])
def test_other_toolkits_names_and_separators_are_understood(tmp_path, place, separator):
  file = tmp_path / "theirs" / place
  file.parent.mkdir(parents=True)
  file.write_text("\n".join(separator.join(("5", "6", "7", "8.5")) for _ in range(4)))
  np.testing.assert_array_equal(read_one_pass(tmp_path / "theirs", sequence())[1], [4, 5, 7, 8.5])


def test_trackers_are_folders_or_the_folder_itself(tmp_path):
  for name in ("b", "a"):
    write_one_pass(tmp_path / name, sequence(), sequence().boxes_xywh)
  (tmp_path / "notes").mkdir()
  assert list(trackers_in(tmp_path, [sequence()])) == ["a", "b"]
  assert trackers_in(tmp_path / "a", [sequence()]) == {"a": tmp_path / "a"}


def test_a_supervised_pass_comes_back_with_its_marks(tmp_path):
  boxes = np.full((6, 4), np.nan)
  boxes[[1, 5]] = [(1, 2, 3, 4), (5, 6, 7, 8)]
  marks = np.array([STARTED, TRACKED, FAILED, SKIPPED, STARTED, TRACKED])
  ball = sequence("vot/ball", 6)
  write_vot(tmp_path, ball, "001", boxes, marks)
  (found,) = read_supervised(tmp_path, ball)
  np.testing.assert_array_equal(found.boxes_xywh, boxes)
  np.testing.assert_array_equal(found.marks, marks)
  text = (tmp_path / "baseline" / "ball" / "ball_001.txt").read_text().split()
  assert text[0] == "1" and text[2:5] == ["2", "0", "1"]


def test_all_repetitions_are_read(tmp_path):
  ball = sequence("vot/ball")
  rows = ResultRows(ball.boxes_xywh.astype(np.float64), np.array([STARTED, TRACKED, TRACKED, TRACKED]))
  for name in ("001", "002"):
    write_vot(tmp_path, ball, name, *rows)
  assert len(read_supervised(tmp_path, ball)) == 2


def test_a_multi_start_run_is_found_by_its_anchor(tmp_path):
  ball = sequence("vot/ball")
  write_vot(tmp_path, ball, "00000002", ball.boxes_xywh[2::-1], np.array([STARTED, TRACKED, TRACKED]))
  found = read_multi_start(tmp_path, ball, 2, 3)
  np.testing.assert_array_equal(found[1:], ball.boxes_xywh[1::-1])
  with pytest.raises(InputError, match=r"holds no ball_00000000\.txt of VOT's multi-start protocol"):
    read_multi_start(tmp_path, ball, 0, 4)


def test_a_folder_without_results_is_named(tmp_path):
  with pytest.raises(InputError, match=r"`config\.results` \(=.*nowhere\): no such folder"):
    trackers_in(tmp_path / "nowhere", [sequence()])
  with pytest.raises(
    InputError, match=r"holds no result file of otb/Jogging\.1; name a folder that holds <tracker>/Jog"
  ):
    trackers_in(tmp_path, [sequence()])


BAD = {
  "1,2,3,4\n1,2,3,4": r"has 2 lines, where otb/Jogging\.1 has 4 frames",
  "x,y,w,h\n" + "1,2,3,4\n" * 3: r":1: 'x,y,w,h' is no box",
  "1,2,3\n" + "1,2,3,4\n" * 3: r":1: 3 numbers, where a box",
}


@pytest.mark.parametrize("text", BAD)
def test_a_file_that_does_not_fit_is_told_with_its_line(tmp_path, text):
  (tmp_path / "Jogging.1.txt").write_text(text)
  with pytest.raises(InputError, match=BAD[text]):
    read_one_pass(tmp_path, sequence())


def test_one_pass_is_no_supervised_one(tmp_path):
  ball = sequence("vot/ball")
  (tmp_path / "ball").mkdir()
  (tmp_path / "ball" / "ball_001.txt").write_text("1,2,3,4\n" * 4)
  with pytest.raises(InputError, match=r"has no line that is 1, where the tracker starts"):
    read_supervised(tmp_path, ball)


def test_a_name_that_ends_like_a_repetition_is_a_sequences_own(tmp_path):
  one, other = sequence("videos/clip"), sequence("videos/clip_001")
  write_one_pass(tmp_path, other, other.boxes_xywh + np.float32(1))
  np.testing.assert_allclose(read_one_pass(tmp_path, other)[1:], other.boxes_xywh[1:] + 1)
  with pytest.raises(InputError, match=r"holds no result file of videos/clip; add clip\.txt"):
    read_one_pass(tmp_path, one)
