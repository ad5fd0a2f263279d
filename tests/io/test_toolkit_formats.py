"""Result files have the lines that toolkits read."""

import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.io.toolkit_formats import Result, parse_formats, result_files, write_files


def result(start: int = 0) -> Result:
  boxes = np.float32([[1, 2, 3, 4], [1.5, 2, 3, 4], [2, 2.25, 3, 4]])
  score, lost = np.float32([1, 0.5, 0.125]), np.array([False, False, True])
  return Result(start, boxes, score, lost, np.array([0.0, 0.5, 0.25]))


def test_otb_counts_pixels_from_one():
  files = result_files("otb", "Ball", {"0": result()})
  assert files["otb/Ball.txt"] == "2.000,3.000,3.000,4.000\n2.500,3.000,3.000,4.000\n3.000,3.250,3.000,4.000\n"
  np.testing.assert_allclose([float(line) for line in files["otb/times/Ball_time.txt"].split()], [0, 0.5, 0.25])


def test_got10k_has_a_folder_a_sequence():
  files = result_files("got10k", "Val_1", {"0": result()})
  assert sorted(files) == ["got10k/Val_1/Val_1_001.txt", "got10k/Val_1/Val_1_time.txt"]
  assert files["got10k/Val_1/Val_1_001.txt"].splitlines()[1] == "1.500,2.000,3.000,4.000"


def test_vot_marks_the_first_frame_and_what_lies_before():
  files = result_files("vot", "ball", {"0": result(start=2)})
  stem = "vot/baseline/ball/ball_001"
  assert files[f"{stem}.txt"].splitlines() == [
    *("0", "0", "1", "1.5000,2.0000,3.0000,4.0000", "2.0000,2.2500,3.0000,4.0000")
  ]
  assert files[f"{stem}_confidence.value"].splitlines() == ["", "", "", "0.5000", "0.1250"]
  assert len(files[f"{stem}_time.value"].splitlines()) == 5


def test_mot_is_one_file_by_frame_without_what_is_lost():
  (text,) = result_files("mot", "street", {"dog": result(), "cat": result(start=1)}).values()
  assert text.splitlines() == [
    "1,1,2.00,3.00,3.00,4.00,1.0000,-1,-1,-1",
    "2,1,2.50,3.00,3.00,4.00,0.5000,-1,-1,-1",
    "2,2,2.00,3.00,3.00,4.00,1.0000,-1,-1,-1",
    "3,2,2.50,3.00,3.00,4.00,0.5000,-1,-1,-1",
  ]


@pytest.mark.parametrize("format", ["otb", "got10k", "vot"])
def test_several_targets_are_a_sequence_each(tmp_path, format):
  files = result_files(format, "street", {"dog": result(), "cat": result(start=1)})
  write_files(tmp_path, files)
  written = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.*")}
  assert (
    written == files and any("street_dog" in name for name in files) and any("street_cat" in name for name in files)
  )


def test_formats_are_named_or_refused():
  assert parse_formats("", argument="config.format") == []
  assert parse_formats("OTB, mot", argument="config.format") == ["otb", "mot"]
  with pytest.raises(InputError, match=r"`config.format` \(='otb,coco'\) names 'coco'; the formats are otb, got10k"):
    parse_formats("otb,coco", argument="config.format")


def test_a_targets_name_leads_to_no_other_folder_and_is_no_other_targets():
  files = result_files("otb", "clip", {"../../out": result(), ".._.._out": result(), "Müller": result()})
  assert [name for name in files if "time" not in name] == [
    *("otb/clip__.._out-1.txt", "otb/clip_.._.._out.txt", "otb/clip_Müller.txt")
  ]
