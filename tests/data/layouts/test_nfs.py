"""Need for Speed: VATIC's lines, and both speeds."""

import numpy as np
import pytest
from small_roots import write_frames, write_lines

from adadepth.data.layouts import find_sequences, read_sequences


def line(x: float, *, lost: int = 0, occluded: int = 0) -> str:
  return f'0 {x} 4 {x + 10} 12 0 {lost} {occluded} 1 "ball"'


def write_nfs(root, lines: list[str], *, frames: int, fps: int = 30, name: str = "ball") -> None:
  folder = root / name / str(fps) / name
  write_frames(folder, frames, name="{:05d}.jpg")
  write_lines(folder.parent / f"{name}.txt", lines)


def test_corners_become_boxes_and_a_lost_target_is_absent(tmp_path):
  write_nfs(tmp_path, [line(1), line(2, lost=1), line(3, occluded=1)], frames=3)
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh, [[1, 4, 10, 8], [np.nan] * 4, [3, 4, 10, 8]])
  assert sequence.attributes["occlusion"].tolist() == [False, False, True]
  assert (sequence.name, problems.summary()) == ("nfs/ball", "")


@pytest.mark.parametrize("lines", [24, 25, 22])
def test_of_240_lines_a_second_every_eighth_counts_at_30(tmp_path, lines):
  write_nfs(tmp_path, [line(x / 2) for x in range(lines)], frames=3)
  (sequence,), problems = read_sequences(tmp_path)
  np.testing.assert_array_equal(sequence.boxes_xywh[:, 0], [0, 4, 8])
  assert problems.summary() == ""


@pytest.mark.parametrize(("lines", "frames"), [(4, 3), (3, 4)])
def test_one_line_or_one_frame_too_many_is_left_out(tmp_path, lines, frames):
  write_nfs(tmp_path, [line(x) for x in range(lines)], frames=frames)
  assert len(read_sequences(tmp_path).sequences[0]) == 3


def test_of_both_speeds_30_is_read(tmp_path):
  write_nfs(tmp_path, [line(1)], frames=1)
  write_nfs(tmp_path, [line(1)] * 8, frames=8, fps=240)
  write_nfs(tmp_path / "fast", [line(1)] * 8, frames=8, fps=240)
  (files,) = find_sequences(tmp_path)
  assert files.folder.parent.name == "30"
  assert len(read_sequences(tmp_path / "fast").sequences[0]) == 8
