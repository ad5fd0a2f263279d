"""First boxes are read as they were meant, or refused in a line that says where."""

import re

import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.io.first_boxes import parse_boxes, read_boxes


def test_a_box_is_four_numbers():
  (box,) = parse_boxes(" 1, 2.5,3,4e1", argument="config.box")
  np.testing.assert_array_equal(box.box_xywh, np.float32([1, 2.5, 3, 40]))
  assert box[::2] == (0, "0") and box.origin == "config.box"


def test_several_boxes_have_semicolons_between_them():
  boxes = parse_boxes("1,2,3,4;5,6,7,8;", argument="config.box")
  np.testing.assert_array_equal([box.box_xywh for box in boxes], [[1, 2, 3, 4], [5, 6, 7, 8]])
  assert [box.name for box in boxes] == ["0", "1"] and boxes[1].origin == "config.box[1]"


@pytest.mark.parametrize("text", ["", ";", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,3,4;5,6"])
def test_what_is_no_box_is_refused(text):
  with pytest.raises(InputError, match=r"`config.box` \(=.*\) must be four numbers, x,y,w,h"):
    parse_boxes(text, argument="config.box")


@pytest.mark.parametrize(
  "text",
  [
    "frame,x,y,w,h,target\n0,1,2,3,4,ball\n\n7,5,6,7,8,dog\n",
    "\ufefftarget;Frame;x;y;w;h\nball;0;1;2;3;4\ndog; 7 ;5;6;7;8\n",
  ],
)
def test_a_table_says_where_each_target_begins(tmp_path, text):
  (tmp_path / "a.csv").write_text(text, encoding="utf-8")
  ball, dog = read_boxes(tmp_path / "a.csv", argument="config.boxes")
  assert (ball.frame, ball.name, dog.frame, dog.name) == (0, "ball", 7, "dog")
  np.testing.assert_array_equal([ball.box_xywh, dog.box_xywh], [[1, 2, 3, 4], [5, 6, 7, 8]])
  assert re.fullmatch("config.boxes, line [34]", dog.origin)


def test_targets_without_names_are_counted(tmp_path):
  (tmp_path / "a.csv").write_text("frame,x,y,w,h\n3,1,2,3,4\n3,1,2,3,4\n")
  assert [box.name for box in read_boxes(tmp_path / "a.csv", argument="config.boxes")] == ["0", "1"]


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("", "has no column frame, x, y, w, h"),
    ("frame,x,y,w\n0,1,2,3", "has no column h"),
    ("frame,x,y,w,h\n", "holds no boxes"),
    ("frame,x,y,w,h\n0,1,2,3,4\n0,1,2,3", r"line 3: must be a frame, from 0, and x,y,w,h in pixels"),
    ("frame,x,y,w,h\n-1,1,2,3,4", "line 2: must be a frame, from 0"),
    (f"frame,x,y,w,h\n{'9' * 5000},1,2,3,4", "line 2: must be a frame, from 0"),
    (f"frame,x,y,w,h,target\n0,1,2,3,4,{'a' * 140_000}", r"line 2: no row of a CSV file \(field larger"),
    ("frame,x,y,w,h,target\n0,1,2,3,4,a\n1,1,2,3,4,a\n", "begins the target 'a' more than once"),
  ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path, text, message):
  (tmp_path / "a.csv").write_text(text)
  with pytest.raises(InputError, match=message) as caught:
    read_boxes(tmp_path / "a.csv", argument="config.boxes")
  assert str(caught.value).startswith(f"`config.boxes` (={tmp_path / 'a.csv'})")


def test_a_table_that_cannot_be_read_is_refused(tmp_path):
  with pytest.raises(InputError, match=r"cannot be read .*: give a CSV file"):
    read_boxes(tmp_path / "none.csv", argument="config.boxes")
