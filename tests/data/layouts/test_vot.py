"""VOT: its polygons and rectangles as properties, then the layout."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from small_roots import GOOD, write_frames, write_vot

from adadepth.data.layouts import read_sequences
from adadepth.data.layouts.vot import box_from_vot_mask, box_from_vot_polygon, box_from_vot_rectangle
from adadepth.errors import InputError

QUICK = settings(deadline=None, max_examples=30, derandomize=True)

coordinates = st.floats(-50, 1500)
lengths = st.floats(1, 500)
# Quarters below 2**12 are exact in float32, so that equality is the right test.
quarters = st.integers(-200, 6000).map(lambda n: n / 4)
quarter_lengths = st.integers(4, 2000).map(lambda n: n / 4)


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


def test_a_vot_rectangle_keeps_its_numbers():
  np.testing.assert_array_equal(box_from_vot_rectangle(np.array([0.5, 1.0, 5.0, 6.0])), [0.5, 1, 5, 6])


def test_newer_vot_folders_keep_their_frames_in_color(tmp_path):
  write_frames(tmp_path / "toy" / "color", 2, name="{:08d}.jpg")
  (tmp_path / "toy" / "groundtruth.txt").write_text(f"{GOOD}\n{GOOD}\n")
  assert len(read_sequences(tmp_path).sequences[0].frames) == 2


def test_vot_lines_may_have_four_or_eight_numbers_but_not_six(tmp_path):
  write_vot(tmp_path / "toy", ["1,2,3,4", "1,2,4,2,4,6,1,6", "1,2,3,4,5,6"], frames=3)
  with pytest.raises(InputError, match=r"groundtruth\.txt:3: 6 numbers, where vot has 4 or 8"):
    read_sequences(tmp_path)


def mask_line(pixels: np.ndarray, x: int, y: int) -> str:
  """A mask as VOT writes it, run by run."""
  runs, value = [0], False
  for pixel in pixels.ravel():
    if pixel != value:
      runs.append(0)
      value = pixel
    runs[-1] += 1
  return f"m{x},{y},{pixels.shape[1]},{pixels.shape[0]}," + ",".join(map(str, runs))


@QUICK
@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 9))
def test_the_box_of_a_mask_holds_all_its_pixels_and_no_empty_border(seed, w, h):
  pixels = np.random.default_rng(seed).random((h, w)) < 0.2
  box = box_from_vot_mask(mask_line(pixels, 5, 7))
  if box is None:
    assert not pixels.any()
    return
  left, top, width, height = (box - [5, 7, 0, 0]).astype(int)
  inside = pixels[top : top + height, left : left + width]
  assert inside.shape == (height, width) and inside.sum() == pixels.sum()
  assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_a_mask_leaves_out_the_zeros_at_its_end():
  np.testing.assert_array_equal(box_from_vot_mask("m10,20,4,3,5,2"), [11, 21, 2, 1])


def test_a_mask_takes_no_room_for_its_window(tmp_path):
  np.testing.assert_array_equal(box_from_vot_mask("m0,0,1000000,1000000,999999,2"), [0, 0, 1_000_000, 2])
  write_vot(tmp_path / "toy", [GOOD, "m1,1,99999999,99999999,3,9"], frames=2)
  with pytest.raises(InputError, match=r"groundtruth\.txt:2: .*a window of 99999999 x 99999999"):
    read_sequences(tmp_path)


def test_masks_are_read_and_an_empty_one_is_absence(tmp_path):
  write_vot(tmp_path / "vot" / "Toy", ["m3,4,10,8,0,80", "m3,4,10,8,80", "m0,0,0,0", "m4,4,10,8,0,80"], frames=4)
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh[[0, 3]], [[3, 4, 10, 8], [4, 4, 10, 8]])
  assert np.isnan(sequence.boxes_xywh[1:3]).all() and not problems.counts


@pytest.mark.parametrize("line", ["m3,4,10", "m3,4,10,8,0,81", "m3,4,10,8,-1,5", "m3,4,x,8,0,80"])
def test_what_is_no_mask_is_named(tmp_path, line):
  write_vot(tmp_path / "vot" / "Toy", ["m3,4,10,8,0,80", line], frames=2)
  with pytest.raises(InputError, match=r"groundtruth\.txt:2: 'm3.*' is no mask m<x>,<y>,<w>,<h>,<runs>"):
    read_sequences(tmp_path)


def test_an_anchor_that_is_no_number_is_told(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  (tmp_path / "toy" / "anchor.value").write_text("nan\n")
  with pytest.raises(InputError, match=r"anchor\.value must hold a number a line"):
    read_sequences(tmp_path)


def test_corners_tags_and_anchors_are_read(tmp_path):
  write_vot(tmp_path / "toy", ["1,2,5,2,5,6,1,6", "nan,nan,nan,nan,nan,nan,nan,nan", "1,2,4,4"], frames=3)
  (tmp_path / "toy" / "camera_motion.tag").write_text("0\n1\n")
  (tmp_path / "toy" / "anchor.value").write_text("1\n0\n-1\n")
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.corners[0], [[1, 2], [5, 2], [5, 6], [1, 6]])
  assert np.isnan(sequence.corners[1:]).all() and problems.summary() == ""
  assert sequence.attributes["camera motion"].tolist() == [False, True, False]
  assert sequence.anchors.tolist() == [1, 0, -1]


def test_rectangles_have_no_corners(tmp_path):
  write_vot(tmp_path / "toy", [GOOD], frames=1)
  (sequence,), _ = read_sequences(tmp_path)
  assert sequence.corners is None and sequence.anchors is None and sequence.attributes == {}
