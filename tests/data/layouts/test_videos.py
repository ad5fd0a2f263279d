"""Any folder of videos: files and folders of pictures with tables of boxes."""

import os

import numpy as np
import pytest
from small_roots import frame_image, write_frames

from adadepth.data.ahead import read_ahead
from adadepth.data.layouts import find_sequences, read_sequences, select_sequences
from adadepth.errors import InputError
from adadepth.io.video_frames import open_frames
from adadepth.io.video_writer import VideoWriter


def write_clip(path, frames: int = 4) -> np.ndarray:
  """Writes a video of flat frames, each lighter than the last; returns their greys."""
  greys = 40 * np.arange(frames) + 30
  path.parent.mkdir(exist_ok=True)
  with VideoWriter(path, fps=25) as video:
    for grey in greys:
      video.write(np.full((24, 32, 3), grey, np.uint8))
  return greys


def table(*rows: str, header: str = "frame,x,y,w,h") -> str:
  return "\n".join((header, *rows)) + "\n"


def test_a_video_file_is_read_by_frame_in_any_order(tmp_path):
  greys = write_clip(tmp_path / "videos" / "clip.mp4")
  (tmp_path / "videos" / "clip.csv").write_text(table(*(f"{t},3,4,10,8" for t in range(4))))
  (sequence,), problems = read_sequences(tmp_path)
  assert (sequence.name, len(sequence), problems.summary()) == ("videos/clip", 4, "")
  np.testing.assert_array_equal(sequence.boxes_xywh, [[3, 4, 10, 8]] * 4)
  for order in ([0, 1, 2, 3], [3, 1, 1, 0], [-1]):
    found = [sequence.frames[t].mean() for t in order]
    np.testing.assert_allclose(found, greys[order], atol=3)  # as H.264 codes flat frames
  ahead = [frame.mean() for frame in read_ahead(sequence.frames, start=1)]
  np.testing.assert_allclose(ahead, greys[1:], atol=3)
  with pytest.raises(IndexError):
    sequence.frames[4]


def test_a_folder_of_pictures_has_its_table_beside_it(tmp_path):
  write_frames(tmp_path / "clip", 3, name="frame {}.png")
  (tmp_path / "clip.csv").write_text(table("1.5;2;3;4", "1,5;2;3;4", header="x;y;w;h").replace("1,5", "2"))
  (sequence,), _ = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh, [[1.5, 2, 3, 4], [2, 2, 3, 4], [np.nan] * 4])
  np.testing.assert_array_equal(sequence.frames[2], np.asarray(frame_image(3)))


@pytest.mark.parametrize("absent", ["1,,,,", "1,nan,nan,nan,nan", "1,0,0,0,0", None])
def test_empty_cells_nan_zeros_and_no_row_are_absence(tmp_path, absent):
  write_frames(tmp_path / "clip", 3)
  rows = ["0,3,4,10,8", *([absent] if absent else []), "2,4,4,10,8"]
  (tmp_path / "clip.csv").write_text(table(*rows))
  (sequence,), problems = read_sequences(tmp_path)
  assert np.isnan(sequence.boxes_xywh).all(axis=1).tolist() == [False, True, False]
  assert problems.summary() == ""


def test_targets_have_a_sequence_each(tmp_path):
  write_frames(tmp_path / "clip", 2)
  header = "frame,target,x,y,w,h,score"
  (tmp_path / "clip.csv").write_text(table("0,1,3,4,10,8,1", "0,2,5,4,10,8,1", "1,1,4,4,10,8,1", header=header))
  one, other = read_sequences(tmp_path).sequences
  assert (one.name, other.name) == ("videos/clip.1", "videos/clip.2")
  np.testing.assert_array_equal(one.boxes_xywh[:, 0], [3, 4])
  np.testing.assert_array_equal(other.boxes_xywh[:, 0], [5, np.nan])


BAD_ROWS = {
  "0,3,4,ten,8": r"clip\.csv:2: .* is no row of frame, x, y, w, h",
  "9,3,4,10,8": r"clip\.csv:2: no frame 9 in .*clip, which has 2",
  "0,3,4,10,-8": r"clip\.csv:2: the box .* must have a width and height above 0",
  "0,0.1,0.2,0.1,0.2": r"clip\.csv:2: the first box .* is below a pixel",
  f"{'9' * 5000},3,4,10,8": r"clip\.csv:2: .* is no row of frame, x, y, w, h",
  f"{'a' * 140_000},3,4,10,8": r"clip\.csv:2: no row of a CSV file",
  "0,3,4,1e39,8": r"clip\.csv:2: the box .* is not finite",
  "0,3,4,10,8\n0,3,4,10,8": r"clip\.csv:3: a second box for frame 0",
}


@pytest.mark.parametrize("rows", BAD_ROWS, ids=lambda rows: rows[:40])
def test_a_bad_row_is_told_with_its_line(tmp_path, rows):
  write_frames(tmp_path / "clip", 2)
  (tmp_path / "clip.csv").write_text(table(rows))
  with pytest.raises(InputError, match=BAD_ROWS[rows]):
    read_sequences(tmp_path)


def test_a_table_of_something_else_makes_no_sequence(tmp_path):
  write_frames(tmp_path / "clip", 1)
  (tmp_path / "clip.csv").write_text("name,size\nclip,3\n")
  with pytest.raises(InputError, match=r"looked for .*<name>\.csv with columns x, y, w, h \(videos\)"):
    find_sequences(tmp_path)


def test_a_targets_name_may_end_as_another_ones(tmp_path):
  write_frames(tmp_path / "clip", 1)
  rows = ("0,1,3,4,10,8", "0,car.1,5,6,7,9", "0,2,1,1,4,4")
  (tmp_path / "clip.csv").write_text(table(*rows, header="frame,target,x,y,w,h"))
  found = {sequence.name: sequence for sequence in read_sequences(tmp_path).sequences}
  np.testing.assert_array_equal(found["videos/clip.1"].boxes_xywh, [[3, 4, 10, 8]])
  np.testing.assert_array_equal(found["videos/clip.car.1"].boxes_xywh, [[5, 6, 7, 9]])


def test_numbered_targets_are_of_one_video(tmp_path):
  write_frames(tmp_path / "clip", 1)
  (tmp_path / "clip.csv").write_text(table("0,1,3,4,10,8", "0,2,1,1,4,4", header="frame,target,x,y,w,h"))
  found = find_sequences(tmp_path)
  assert [files.name for files in select_sequences(found, ["videos/clip"])] == ["videos/clip.1", "videos/clip.2"]


def test_a_video_that_ends_before_it_says_is_told_by_name(tmp_path, monkeypatch):
  write_clip(tmp_path / "clip.mp4")
  frames = open_frames(tmp_path / "clip.mp4")
  monkeypatch.setattr(frames, "_count", 6)
  with pytest.raises(InputError, match=r"clip\.mp4 lists 6 frames and ends before frame 5: it is cut or damaged"):
    frames[5]


def test_a_video_that_was_read_is_closed(tmp_path):
  write_clip(tmp_path / "clip.mp4")
  frames = open_frames(tmp_path / "clip.mp4")
  before = len(os.listdir("/proc/self/fd"))
  assert [len(list(frames)), len(os.listdir("/proc/self/fd"))] == [4, before]
  assert frames[1].shape == (24, 32, 3)


@pytest.mark.parametrize(
  ("text", "says"),
  [
    ("frame,x,y,width,height\n0,1,2,3,4\n", r"bad\.csv:1: no column w, h; its first line must name frame, x, y"),
    ("0,1,2,3,4\n", r"bad\.csv:1: no column x, y, w, h"),
    ("frame,x,y,w,h\n", r"bad\.csv:2: no row below the first line"),
  ],
)
def test_a_table_that_tells_no_box_is_no_silence(tmp_path, text, says):
  for name in ("good", "bad"):
    write_frames(tmp_path / "videos" / name, 1)
  (tmp_path / "videos" / "good.csv").write_text(table("0,3,4,10,8"))
  (tmp_path / "videos" / "bad.csv").write_text(text)
  with pytest.raises(InputError, match=says):
    read_sequences(tmp_path)
  found, problems = read_sequences(tmp_path, on_error="skip")
  assert ([one.name for one in found], problems.summary()) == (["videos/good"], "skipped 1: 1 unusable sequence")
