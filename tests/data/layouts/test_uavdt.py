"""UAVDT: ground truth beside the sequences, and letters before the frames' numbers."""

import numpy as np
from small_roots import GOOD, write_uavdt

from adadepth.data.layouts import read_sequences
from adadepth.data.layouts.uavdt import box_from_uavdt_rectangle


def test_the_first_uavdt_pixel_lies_at_the_origin():
  np.testing.assert_array_equal(box_from_uavdt_rectangle(np.array([1.0, 1.0, 5.0, 6.0])), [0, 0, 5, 6])


def test_lines_pair_up_with_images_by_number(tmp_path):
  write_uavdt(tmp_path / "toy", [GOOD, "4,4,10,8"], frames=2)
  ((sequence,), _) = read_sequences(tmp_path)
  assert (sequence.name, [path.name for path in sequence.frames.paths]) == (
    "uavdt/toy",
    ["img000001.jpg", "img000002.jpg"],
  )
  np.testing.assert_array_equal(sequence.boxes_xywh, [[2, 3, 10, 8], [3, 3, 10, 8]])


def test_the_real_sequences_are_read(wide):
  read = {sequence.name: sequence for sequence in read_sequences(wide / "uavdt").sequences}
  assert {name: len(sequence) for name, sequence in read.items()} == {"uavdt/S1001": 42, "uavdt/S1606": 42}
  np.testing.assert_allclose(read["uavdt/S1001"].boxes_xywh[0], [203.91, 164.92, 15.47, 6.56], rtol=1e-6)
