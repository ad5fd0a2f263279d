"""Readers: box conversions as properties, layouts and bad data on tiny folders, then the real data."""

import pathlib
import re

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adadepth.data.readers import (
  box_from_otb_rectangle,
  box_from_vot_polygon,
  box_from_vot_rectangle,
  find_sequences,
  read_sequences,
)
from adadepth.errors import InputError

QUICK = settings(deadline=None, max_examples=30, derandomize=True)
WIDTH, HEIGHT = 32, 24

coordinates = st.floats(-50, 1500)
lengths = st.floats(1, 500)
# Quarters below 2**12 are exact in float32, so that equality is the right test.
quarters = st.integers(-200, 6000).map(lambda n: n / 4)
quarter_lengths = st.integers(4, 2000).map(lambda n: n / 4)


def frame_image(seed: int = 0) -> Image.Image:
  """A small image of random pixels."""
  return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


def write_frames(folder: pathlib.Path, count: int, *, name: str = "{:04d}.png") -> None:
  """Writes frames 1 .. count."""
  folder.mkdir(parents=True)
  for number in range(1, count + 1):
    frame_image(number).save(folder / name.format(number))


def write_otb(root: pathlib.Path, lines: list[str], *, frames: int, name: str = "Toy") -> pathlib.Path:
  """Writes an OTB sequence with these lines of ground truth; returns its folder."""
  folder = root / "otb" / name
  write_frames(folder / "img", frames)
  (folder / "groundtruth_rect.txt").write_text("\n".join(lines) + "\n")
  return folder


def write_vot(folder: pathlib.Path, lines: list[str], *, frames: int) -> None:
  """Writes a VOT sequence with these lines of ground truth."""
  write_frames(folder, frames, name="{:08d}.jpg")
  (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")


GOOD = "3,4,10,8"


# Conversions


@QUICK
@given(quarters, quarters, quarter_lengths, quarter_lengths, st.permutations(range(4)))
def test_an_axis_aligned_polygon_gives_its_rectangle_for_any_order_of_corners(x, y, w, h, order):
  corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])[list(order)]
  np.testing.assert_array_equal(box_from_vot_polygon(corners.ravel()), [x, y, w, h])


@QUICK
@given(coordinates, coordinates, lengths, lengths, st.floats(-np.pi, np.pi), st.permutations(range(4)))
def test_a_turned_rectangle_gives_the_documented_box_around_its_centre(x, y, w, h, angle, order):
  turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
  offsets = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
  box = box_from_vot_polygon(([x, y] + offsets @ turn)[list(order)].ravel())
  cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
  np.testing.assert_allclose(box[2:], [max(w * cos, h * sin), max(h * cos, w * sin)], rtol=1e-3, atol=1e-3)
  np.testing.assert_allclose(box[:2] + box[2:] / 2, [x, y], atol=1e-3)  # float32 at 1500 px


@QUICK
@given(st.lists(coordinates, min_size=8, max_size=8))
def test_the_box_of_a_polygon_lies_inside_its_bounding_box(corners):
  box = box_from_vot_polygon(np.array(corners)).astype(np.float64)
  bounds = shapely.MultiPoint(np.reshape(corners, (4, 2))).bounds
  slack = 1e-3  # float32 at 1500 px
  assert (box[:2] >= np.array(bounds[:2]) - slack).all()
  assert (box[:2] + box[2:] <= np.array(bounds[2:]) + slack).all()


@QUICK
@given(st.lists(coordinates, min_size=2, max_size=2), st.lists(lengths, min_size=2, max_size=2))
def test_corners_in_the_reference_order_give_the_reference_box(corner, size):
  x, y, w, h = *corner, *size
  x1, y1, x2, y2, x3, y3, x4, y4 = corners = np.array(
    [x, y, x + w, y + h / 8, x + w - w / 8, y + h, x - w / 8, y + h - h / 8]
  )
  left, top = (x1 + x4) / 2, (y1 + y2) / 2
  reference = [left, top, (x2 + x3) / 2 - left, (y3 + y4) / 2 - top]
  np.testing.assert_allclose(box_from_vot_polygon(corners), reference, rtol=1e-5, atol=1e-3)


@QUICK
@given(quarters, quarters, quarter_lengths, quarter_lengths)
def test_an_otb_box_comes_back_when_counted_from_one_again(x, y, w, h):
  box = box_from_otb_rectangle(np.array([x, y, w, h]))
  np.testing.assert_array_equal(box + np.array([1, 1, 0, 0]), [x, y, w, h])


def test_the_first_otb_pixel_lies_at_the_origin():
  np.testing.assert_array_equal(box_from_otb_rectangle(np.array([1.0, 1.0, 5.0, 6.0])), [0, 0, 5, 6])


def test_a_vot_rectangle_keeps_its_numbers():
  np.testing.assert_array_equal(box_from_vot_rectangle(np.array([0.5, 1.0, 5.0, 6.0])), [0.5, 1, 5, 6])


# Layouts


@QUICK
@given(separators=st.lists(st.sampled_from([",", "\t", " ", ", ", "  ", ",\t"]), min_size=3, max_size=3))
def test_commas_tabs_and_spaces_separate_alike(tmp_path_factory, separators):
  root = tmp_path_factory.mktemp("root")
  line = "3{}4{}10{}8".format(*separators)
  write_otb(root, [line], frames=1)
  np.testing.assert_array_equal(read_sequences(root).sequences[0].boxes_xywh, [[2, 3, 10, 8]])


def test_a_root_with_both_layouts_gives_vot_before_otb(tmp_path):
  write_otb(tmp_path, [GOOD], frames=1)
  write_vot(tmp_path / "vot" / "toy", [GOOD], frames=1)
  assert [files.name for files in find_sequences(tmp_path)] == ["vot/toy", "otb/Toy"]


@pytest.mark.parametrize("layout", ["vot", "otb"])
def test_a_root_may_be_the_folder_of_one_layout(tmp_path, layout):
  write_otb(tmp_path, [GOOD], frames=1, name="toy")
  write_vot(tmp_path / "vot" / "toy", [GOOD], frames=1)
  assert [files.name for files in find_sequences(tmp_path / layout)] == [f"{layout}/toy"]


def test_newer_vot_folders_keep_their_frames_in_color(tmp_path):
  write_frames(tmp_path / "toy" / "color", 2, name="{:08d}.jpg")
  (tmp_path / "toy" / "groundtruth.txt").write_text(f"{GOOD}\n{GOOD}\n")
  assert len(read_sequences(tmp_path).sequences[0].frames) == 2


def test_list_txt_chooses_and_orders_the_sequences(tmp_path):
  for name in "abc":
    write_vot(tmp_path / name, [GOOD], frames=1)
  (tmp_path / "list.txt").write_text("c\na\n")
  assert [files.name for files in find_sequences(tmp_path)] == ["vot/c", "vot/a"]


def test_two_ground_truth_files_are_two_targets_of_one_video(tmp_path):
  folder = write_otb(tmp_path, [GOOD], frames=1)
  for target in (1, 2):
    (folder / f"groundtruth_rect.{target}.txt").write_text(f"{target + 1},2,3,4\n")
  read = read_sequences(tmp_path, ["otb/Toy"]).sequences
  assert {sequence.name: sequence.boxes_xywh[0, 0] for sequence in read} == {"otb/Toy.1": 1, "otb/Toy.2": 2}


def test_frames_numbered_from_elsewhere_pair_up_in_order(tmp_path):
  folder = write_otb(tmp_path, [GOOD] * 3, frames=5)
  for number in (1, 2):
    (folder / "img" / f"{number:04d}.png").unlink()
  assert [path.name for path in read_sequences(tmp_path).sequences[0].frames.paths] == [
    "0003.png",
    "0004.png",
    "0005.png",
  ]


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


# Bad lines: kind of problem, line, what the message says

BAD_LINES = [
  ("unparsable line", "3,4,ten,8", "is not numbers"),
  ("unparsable line", "3,,4,10,8", "is not numbers"),
  ("unparsable line", "", "is not numbers"),
  ("wrong count of numbers", "3,4,10", "3 numbers, where otb has 4"),
  ("box not finite", "nan,nan,nan,nan", "is not finite"),
  ("box not finite", "3,4,inf,8", "is not finite"),
  ("box not finite", "3,4,1e300,8", "is not finite"),
  ("box without size", "0,0,0,0", "width and height above 0"),
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


def test_vot_lines_may_have_four_or_eight_numbers_but_not_six(tmp_path):
  write_vot(tmp_path / "toy", ["1,2,3,4", "1,2,4,2,4,6,1,6", "1,2,3,4,5,6"], frames=3)
  with pytest.raises(InputError, match=r"groundtruth\.txt:3: 6 numbers, where vot has 4 or 8"):
    read_sequences(tmp_path)


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
  write_otb(tmp_path, ["0,0,0,0"], frames=1, name="Bad")
  sequences, problems = read_sequences(tmp_path, on_error="skip")
  assert [sequence.name for sequence in sequences] == ["otb/Good"]
  assert problems.summary() == "skipped 2: 1 box without size, 1 unusable sequence"


def test_skip_still_stops_when_nothing_is_left(tmp_path):
  write_otb(tmp_path, ["0,0,0,0"], frames=1)
  with pytest.raises(InputError, match=r"no usable sequence under .*groundtruth_rect\.txt:1"):
    read_sequences(tmp_path, on_error="skip")


def test_a_sequence_without_images_is_named_by_its_ground_truth(tmp_path):
  write_otb(tmp_path, [GOOD], frames=0)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: no images in "):
    read_sequences(tmp_path)


def test_an_empty_ground_truth_file_is_named(tmp_path):
  write_otb(tmp_path, [], frames=1)
  with pytest.raises(InputError, match=r"groundtruth_rect\.txt:1: the boxes end here: 0 boxes, 1 images"):
    read_sequences(tmp_path)


def test_a_listed_name_without_a_sequence_is_named_with_its_line(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  (tmp_path / "list.txt").write_text("toy\nnone\n")
  with pytest.raises(InputError, match=r"list\.txt:2: .*none is no VOT or OTB sequence"):
    read_sequences(tmp_path)


# Bad arguments


def test_a_missing_root_is_named_with_its_cure(tmp_path):
  with pytest.raises(InputError, match="nowhere'\\): no such folder; name one that holds vot/ or otb/"):
    read_sequences(tmp_path / "nowhere")


def test_a_root_without_sequences_says_what_was_looked_for(tmp_path):
  with pytest.raises(InputError, match=r"groundtruth\.txt \(VOT\) and groundtruth_rect\.txt \(OTB\) in "):
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
