"""boxes.csv is written as documented, or not at all."""

import csv
import os

import pytest

from adadepth.io.boxes_csv import BoxRow, write_boxes_csv


def test_boxes_are_written_as_documented(tmp_path):
  rows = [
    BoxRow(0, 0.0, 0, 1.0, 2.5, 30.0, 40.12345, 1.0, 1.0, 5, False),
    BoxRow(1, 1 / 30, 1, -3.0, 2, 30, 40, 0.25, 0.123456, 1, True),
  ]
  write_boxes_csv(tmp_path / "new" / "boxes.csv", iter(rows))
  text = (tmp_path / "new" / "boxes.csv").read_text()
  assert text == (
    "frame,time,target,x,y,w,h,score,confidence,depth,lost\n"
    "0,0.000000,0,1.000,2.500,30.000,40.123,1.0000,1.0000,5,0\n"
    "1,0.033333,1,-3.000,2.000,30.000,40.000,0.2500,0.1235,1,1\n"
  )
  assert [row["depth"] for row in csv.DictReader(text.splitlines())] == ["5", "1"]
  assert os.listdir(tmp_path / "new") == ["boxes.csv"]


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_as_the_code_counts_it_is_refused(tmp_path, depth: int):
  with pytest.raises(ValueError, match=rf"`depth` \(={depth}\) of frame 7 must be at least 1"):
    write_boxes_csv(tmp_path / "boxes.csv", [BoxRow(7, 0.1, 0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.5, depth, False)])
  assert not (tmp_path / "boxes.csv").exists()
