"""Ground truth: lines and images that do not fit, box by box and frame by frame."""

import pathlib
import re

import numpy as np
import pytest
from small_roots import GOOD, HEIGHT, WIDTH, frame_image, write_otb

from adadepth.data.layouts import read_sequences
from adadepth.errors import InputError


def test_frames_numbered_from_elsewhere_pair_up_in_order(tmp_path):
  folder = write_otb(tmp_path, [GOOD] * 3, frames=5)
  for number in (1, 2):
    (folder / "img" / f"{number:04d}.png").unlink()
  assert [path.name for path in read_sequences(tmp_path).sequences[0].frames.paths] == [
    "0003.png",
    "0004.png",
    "0005.png",
  ]


# Bad lines: kind of problem, line, what the message says

BAD_LINES = [
  ("unparsable line", "3,4,ten,8", "is not numbers"),
  ("unparsable line", "3,,4,10,8", "is not numbers"),
  ("unparsable line", "", "is not numbers"),
  ("unparsable line", "m3,4,1,1,0,1", "is a mask, where otb has boxes"),
  ("wrong count of numbers", "3,4,10", "3 numbers, where otb has 4"),
  ("box not finite", "3,4,inf,8", "is not finite"),
  ("box not finite", "3,4,1e300,8", "is not finite"),
  ("box without size", "3,4,0,0", "width and height above 0"),
  ("box without size", "3,4,-10,8", "width and height above 0"),
  ("box outside the image", "33,4,10,8", "outside its image of 32 x 24"),
  ("box outside the image", "-9,4,10,8", "outside its image of 32 x 24"),
]


@pytest.mark.parametrize(("kind", "line", "reason"), BAD_LINES)
def test_stop_names_file_line_and_reason_of_a_bad_line(tmp_path, kind, line, reason):
  folder = write_otb(tmp_path, [GOOD, line, GOOD], frames=3)
  where = re.escape(f"{folder / 'groundtruth_rect.txt'}:2: ")
  with pytest.raises(InputError, match=f"^{where}.*{re.escape(reason)}[^\n]*$"):
    read_sequences(tmp_path)


@pytest.mark.parametrize(("kind", "line", "reason"), BAD_LINES)
def test_skip_leaves_the_frame_without_a_box_and_counts_it(tmp_path, kind, line, reason):
  write_otb(tmp_path, [GOOD, line, GOOD], frames=3)
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  assert np.isnan(sequence.boxes_xywh).all(axis=1).tolist() == [False, True, False]
  assert problems.counts == {kind: 1}


@pytest.mark.parametrize("line", ["nan,nan,nan,nan", "NaN NaN NaN NaN", "0,0,0,0", "0.0000,0.0000,0.0000,0.0000"])
def test_nan_and_zeros_are_absence_and_no_problem(tmp_path, line):
  write_otb(tmp_path, [line, GOOD, line], frames=3)
  (sequence,), problems = read_sequences(tmp_path)
  assert np.isnan(sequence.boxes_xywh).all(axis=1).tolist() == [True, False, True]
  assert (sequence.first_box, problems.summary()) == (1, "")


def test_a_box_that_touches_the_last_pixel_is_inside(tmp_path):
  write_otb(tmp_path, [GOOD, f"{WIDTH},{HEIGHT},10,8"], frames=2)
  np.testing.assert_array_equal(read_sequences(tmp_path).sequences[0].boxes_xywh[1], [31, 23, 10, 8])


def test_a_sequence_begins_with_a_box_that_can_be_tracked(tmp_path):
  across = "-6,4,10,8"  # its centre is 2 px left of the image
  write_otb(tmp_path, [across, GOOD, across], frames=3)
  message = r"groundtruth_rect\.txt:1: the first box x=-7 y=3 w=10 h=8 has its centre outside its image of 32 x 24"
  with pytest.raises(InputError, match=message):
    read_sequences(tmp_path)
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  assert (sequence.first_box, problems.counts) == (1, {"box outside the image": 1})
  np.testing.assert_array_equal(sequence.boxes_xywh[2], [-7, 3, 10, 8])


@pytest.mark.parametrize("header", ["x,y,w,h", "x y width height", '"left";"top";"width";"height"', "# x, y, w, h"])
def test_a_header_is_no_box(tmp_path, header):
  boxes = [f"{x},4,10,8" for x in (1, 2, 3)]
  write_otb(tmp_path, [header, *boxes], frames=3)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: .* is a header and no box; put it right, or pass it"):
    read_sequences(tmp_path)
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  numbers = [int(path.stem) for path in sequence.frames.paths]
  assert dict(zip(numbers, sequence.boxes_xywh[:, 0], strict=True)) == {1: 0, 2: 1, 3: 2}
  assert problems.counts == {"header line": 1}


def test_lines_behind_a_header_keep_their_own_numbers(tmp_path):
  write_otb(tmp_path, ["x,y,w,h", GOOD, "3,4,ten,8"], frames=3)
  _, problems = read_sequences(tmp_path, on_error="skip")
  where = [re.search(r"txt:(\d+)", line)[1] for line in problems.lines]
  assert (where, problems.counts["frame without a box"]) == (["1", "3", "3"], 1)


@pytest.mark.parametrize("line", ["nan,nan,nan,nan", "none,none,none,none", "absent", "n/a;n/a;n/a;n/a"])
def test_a_first_frame_without_a_box_is_no_header(tmp_path, line):
  write_otb(tmp_path, [line, GOOD, GOOD], frames=3)
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  assert (len(sequence), sequence.first_box) == (3, 1) and "header line" not in problems.counts


def test_fractions_in_place_of_pixels_are_refused(tmp_path):
  write_otb(tmp_path, ["1.34,1.46,0.12,0.48"] * 2, frames=2)
  with pytest.raises(InputError, match="is below a pixel; boxes are in pixels, not in fractions"):
    read_sequences(tmp_path)


def test_an_image_and_a_mask_of_one_number_are_refused(tmp_path):
  folder = write_otb(tmp_path, [GOOD] * 2, frames=2)
  frame_image().convert("L").save(folder / "img" / "0001.bmp")
  with pytest.raises(InputError, match=r"img holds two images of one number, 0001\.bmp and 0001\.png"):
    read_sequences(tmp_path, on_error="skip")


# Bad folders: a change to a good sequence of five frames, the kind, the frames left, the place named

BAD_FOLDERS = {
  "a frame in the middle is gone": ("missing frame", 4, r"groundtruth_rect\.txt:3: image 3 is missing"),
  "the first frame is gone": ("missing frame", 4, r"groundtruth_rect\.txt:1: image 1 is missing"),
  "the last frame is gone": ("box without a frame", 4, r"groundtruth_rect\.txt:5: no image for this box"),
  "a box is gone": ("frame without a box", 4, r"groundtruth_rect\.txt:4: the boxes end here"),
  "a frame is no image": ("unreadable image", 4, r"0003\.png \(frame of .*groundtruth_rect\.txt:3\)"),
  "a frame is cut off": ("unreadable image", 4, r"0003\.jpg \(frame of .*groundtruth_rect\.txt:3\)"),
  "a frame is smaller": ("image of another size", 4, r"0003\.png .*\.txt:3\) is 16 x 12, the first .* 32 x 24"),
}


def write_bad_folder(root: pathlib.Path, what: str) -> None:
  """Writes a good sequence of five frames, then does `what` to it."""
  folder = write_otb(root, [GOOD] * (4 if what == "a box is gone" else 5), frames=5)
  if what.endswith("frame is gone") or what == "a frame in the middle is gone":
    number = {"a frame in the middle": 3, "the first frame": 1, "the last frame": 5}[what[: -len(" is gone")]]
    (folder / "img" / f"{number:04d}.png").unlink()
  elif what == "a frame is no image":
    (folder / "img" / "0003.png").write_text("no image")
  elif what == "a frame is smaller":
    frame_image().resize((16, 12)).save(folder / "img" / "0003.png")
  elif what == "a frame is cut off":
    (folder / "img" / "0003.png").unlink()
    whole = folder / "img" / "0003.jpg"
    frame_image().save(whole)
    whole.write_bytes(whole.read_bytes()[:-100])


@pytest.mark.parametrize("what", BAD_FOLDERS)
def test_stop_names_file_and_line_of_a_frame_without_partner(tmp_path, what):
  write_bad_folder(tmp_path, what)
  with pytest.raises(InputError, match=f"{BAD_FOLDERS[what][2]}[^\n]*$"):
    read_sequences(tmp_path)


@pytest.mark.parametrize("what", BAD_FOLDERS)
def test_skip_leaves_out_a_frame_without_partner_and_counts_it(tmp_path, what):
  kind, left, _ = BAD_FOLDERS[what]
  write_bad_folder(tmp_path, what)
  (sequence,), problems = read_sequences(tmp_path, on_error="skip")
  assert (len(sequence.frames), len(sequence), dict(problems.counts)) == (left, left, {kind: 1})


def test_frames_after_a_missing_one_keep_their_own_boxes(tmp_path):
  folder = write_otb(tmp_path, [f"{x},4,10,8" for x in (1, 2, 3, 4)], frames=4)
  (folder / "img" / "0002.png").unlink()
  (sequence,), _ = read_sequences(tmp_path, on_error="skip")
  numbers = [int(path.stem) for path in sequence.frames.paths]
  assert dict(zip(numbers, sequence.boxes_xywh[:, 0], strict=True)) == {1: 0, 3: 2, 4: 3}


def test_skip_leaves_out_a_sequence_without_a_usable_box(tmp_path):
  write_otb(tmp_path, [GOOD], frames=1, name="Good")
  write_otb(tmp_path, ["3,4,0,0"], frames=1, name="Bad")
  sequences, problems = read_sequences(tmp_path, on_error="skip")
  assert [sequence.name for sequence in sequences] == ["otb/Good"]
  assert problems.summary() == "skipped 2: 1 box without size, 1 unusable sequence"


def test_a_sequence_without_images_is_named_by_its_ground_truth(tmp_path):
  write_otb(tmp_path, [GOOD], frames=0)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: no images in "):
    read_sequences(tmp_path)


def test_an_empty_ground_truth_file_is_named(tmp_path):
  write_otb(tmp_path, [], frames=1)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: the boxes end here: 0 boxes, 1 images"):
    read_sequences(tmp_path)
