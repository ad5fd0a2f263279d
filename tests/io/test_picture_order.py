"""Pictures come in the order of their numbers, and what stands in the way of one is named."""

import pytest

from adadepth.errors import InputError
from adadepth.io.picture_order import pictures_in_order


def in_order(folder, names: list[str]) -> list[str]:
  for name in names:
    (folder / name).touch()
  return [path.name for path in pictures_in_order(folder, named="`a`")]


@pytest.mark.parametrize(
  "names",
  [
    ["1.jpg", "2.jpg", "10.jpg"],
    ["0001.jpg", "0002.jpg"],
    ["frame 1.JPG", "Frame 2.jpg", "frame 4.webp", "frame 12.tiff"],
    ["5.jpg", "5.1.jpg", "5.9.jpg", "6.jpg"],
    ["5.jpg", "5.04.jpg", "5.08.jpg", "5.12.jpg", "5.2.jpg"],
    ["t=5,04s.png", "t=5,2s.png"],
    ["1305031102.175304.png", "1305031102.211214.png"],
    ["5.08.png", "5.09.png", "5.10.png"],
    ["IMG_20240105_235959.jpg", "IMG_20240106_000001.jpg"],
    ["2024-01-05 12-59-58.jpg", "2024-01-05 12-59-59.jpg", "2024-01-05 13-00-58.jpg"],
    ["cam1_0001.png", "cam1_0002.png"],
    ["shot.0001.png", "shot.0010.png"],
    ["12_0.48.png", "13_0.52.png"],
    ["any name.png"],
  ],
)
def test_names_alike_are_ordered_by_their_numbers(tmp_path, names):
  assert in_order(tmp_path, list(reversed(names))) == names


def test_what_is_no_picture_is_passed_over(tmp_path):
  (tmp_path / "3.jpg").mkdir()
  assert in_order(tmp_path, ["1.jpg", "2.jpg", "._1.jpg", "2.txt", "1.xml", "Thumbs.db"]) == ["1.jpg", "2.jpg"]


FRAMES = ["0001.jpg", "0002.jpg", "0003.jpg"]


@pytest.mark.parametrize(
  ("names", "message"),
  [
    ([*FRAMES, "Thumb.jpg", "0002 (1).jpg"], r"holds 0002 \(1\)\.jpg, Thumb\.jpg beside 3 pictures named like 0001"),
    ([*FRAMES, "0001.png"], r"holds pictures of one number, 0001\.jpg, 0001\.png; keep the frames"),
    ([*FRAMES, "1.jpg"], r"holds pictures of one number, 0001\.jpg, 1\.jpg"),
    ([*FRAMES, "0001_mask.png", "0002_mask.png"], r"holds 0001_mask\.png, 0002_mask\.png beside 3 pictures"),
    (["1_1.png", "1_2.png", "2_1.png", "2_2.png"], r"holds pictures of one number, 1_1\.png, 2_1\.png"),
    (["5.1.jpg", "5.10.jpg"], r"holds pictures of one number, 5\.1\.jpg, 5\.10\.jpg"),
    (["2.8.jpg", "2.9.jpg", "2.10.jpg"], r"5\.10 may be before 5\.9 or after it; give all numbers as many digits"),
    (["a.jpg", "b.jpg"], r"without a number in the name; number the frames"),
    ([*FRAMES, "0004.heic"], r"holds 0004\.heic, which cannot be read here; write them as png or jpg"),
    (["notes.txt"], r"holds no picture \(\.jpg, .*\); name the folder that holds the frames"),
  ],
)
def test_what_has_no_order_is_refused_by_name(tmp_path, names, message):
  with pytest.raises(InputError, match=f"^`a` .*{message}") as caught:
    in_order(tmp_path, names)
  assert "\n" not in str(caught.value)
