"""Video in and out: what is written comes back, and what cannot be read is refused with a clear line."""

import logging
import os

import numpy as np
import pytest
from PIL import Image

from adadepth.errors import InputError
from adadepth.io import video

# imageio-ffmpeg leaves ffmpeg's pipes for the garbage collector to close.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def smooth_frames(count: int, height: int, width: int) -> list[np.ndarray]:
  """Frames whose colours change gently over place and time, as a codec likes them."""
  rows, columns = np.mgrid[:height, :width]
  planes = [(rows * 200 // height + 5 * t, columns * 200 // width, np.full_like(rows, 20 * t)) for t in range(count)]
  return [np.stack(plane, -1).astype(np.uint8) for plane in planes]


def write_video(path, frames: list[np.ndarray], fps: float = 30.0) -> None:
  with video.VideoWriter(path, fps=fps) as writer:
    for frame in frames:
      writer.write(frame)


def write_images(folder, names: list[str], size: tuple[int, int] = (12, 8)) -> None:
  folder.mkdir(exist_ok=True)
  for i, name in enumerate(names):
    Image.new("RGB", size, (10 * i, 0, 0)).save(folder / name)


def test_written_frames_come_back_in_number_order_and_value(tmp_path):
  frames = smooth_frames(10, 64, 96)
  write_video(tmp_path / "new" / "a.mp4", frames)
  back = list(video.read_frames(tmp_path / "new" / "a.mp4"))
  assert len(back) == len(frames)
  for written, read in zip(frames, back, strict=True):
    assert read.dtype == np.uint8 and read.shape == written.shape
    # yuv420p halves the resolution of colour and H.264 rounds: a few grey levels on gentle slopes.
    assert np.abs(read.astype(int) - written).mean() < 4


def test_info_tells_speed_size_and_count(tmp_path):
  write_video(tmp_path / "a.mp4", smooth_frames(10, 64, 96), fps=12.5)
  assert video.read_frames(tmp_path / "a.mp4").info == video.VideoInfo(12.5, 96, 64, 10)


def test_odd_sizes_are_padded_by_repeating_and_nothing_is_resized(tmp_path, caplog):
  frames = smooth_frames(3, 37, 51)
  with caplog.at_level(logging.WARNING):
    write_video(tmp_path / "odd.mp4", frames)
  assert not caplog.records
  back = list(video.read_frames(tmp_path / "odd.mp4"))
  assert back[0].shape == (38, 52, 3)
  assert np.abs(back[1][:37, :51].astype(int) - frames[1]).mean() < 4
  assert np.abs(back[1][37, :51].astype(int) - frames[1][36]).mean() < 6


def test_a_stream_can_be_read_twice_and_left_early(tmp_path):
  frames = smooth_frames(6, 32, 32)
  write_video(tmp_path / "a.mp4", frames)
  stream = video.read_frames(tmp_path / "a.mp4")
  first = next(iter(stream))
  again = list(stream)
  assert len(again) == 6
  np.testing.assert_array_equal(first, again[0])


def test_nothing_is_left_after_an_error_and_an_older_video_survives(tmp_path):
  path = tmp_path / "a.mp4"
  write_video(path, smooth_frames(2, 32, 32))
  before = path.read_bytes()
  with pytest.raises(RuntimeError, match="stop"), video.VideoWriter(path, fps=10.0) as writer:
    writer.write(smooth_frames(1, 32, 32)[0])
    raise RuntimeError("stop")
  assert path.read_bytes() == before
  assert os.listdir(tmp_path) == ["a.mp4"]


def test_a_writer_without_frames_writes_no_file(tmp_path):
  write_video(tmp_path / "a.mp4", [])
  assert os.listdir(tmp_path) == []


def test_a_frame_of_another_size_is_refused(tmp_path):
  with (
    pytest.raises(ValueError, match=r"shape \(8, 8, 3\), the frames before it \(16, 16, 3\)"),
    video.VideoWriter(tmp_path / "a.mp4", fps=10.0) as writer,
  ):
    writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.write(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_not_positive_is_refused(tmp_path, fps: float):
  with pytest.raises(ValueError, match="`fps`"):
    video.VideoWriter(tmp_path / "a.mp4", fps=fps)


def test_pictures_of_a_folder_come_in_natural_order(tmp_path):
  names = ["f1.png", "f2.PNG", "f10.bmp", "f11.png", "g1.png"]
  write_images(tmp_path / "frames", names)
  (tmp_path / "frames" / "notes.txt").write_text("not a picture")
  (tmp_path / "frames" / "._f3.png").write_text("what macOS leaves behind")
  stream = video.read_frames(tmp_path / "frames")
  assert stream.info == video.VideoInfo(25.0, 12, 8, 5)
  assert [int(frame[0, 0, 0]) for frame in stream] == [0, 10, 20, 30, 40]


def test_names_of_mixed_kinds_can_be_sorted():
  names = ["b", "a10", "a9", "10", "9", "a"]
  assert sorted(names, key=video.natural_key) == ["9", "10", "a", "a9", "a10", "b"]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_any_mode_become_rgb(tmp_path, mode: str):
  suffix = "jpg" if mode == "CMYK" else "png"
  # 102 is a level of the web palette, which mode P rounds to.
  Image.new("RGB", (6, 4), (102, 102, 102)).convert(mode).save(tmp_path / f"a.{suffix}")
  (frame,) = video.read_frames(tmp_path)
  assert frame.shape == (4, 6, 3) and frame.dtype == np.uint8
  assert np.abs(frame.astype(int) - 102).max() <= 2  # JPEG rounds


def test_sixteen_bit_grey_keeps_its_upper_eight_bits(tmp_path):
  grey = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
  Image.fromarray(grey).save(tmp_path / "a.png")
  (frame,) = video.read_frames(tmp_path)
  np.testing.assert_array_equal(frame, np.repeat(grey[..., None] // 256, 3, axis=-1))


def test_an_orientation_flag_is_applied(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6  # shown turned by a quarter
  Image.new("RGB", (12, 8)).save(tmp_path / "a.jpg", exif=exif)
  assert video.read_frames(tmp_path).info[1:3] == (8, 12)


def test_a_missing_path_names_argument_value_and_cure(tmp_path):
  with pytest.raises(InputError, match=r"^`path` \(=.*nowhere\.mp4\) does not exist; give a video"):
    video.read_frames(tmp_path / "nowhere.mp4")
  with pytest.raises(InputError, match=r"^`config\.other` "):
    video.read_frames(str(tmp_path / "nowhere.mp4"), argument="config.other")


@pytest.mark.parametrize("content", [b"", b"this is no video " * 100])
def test_a_file_that_is_no_video_is_refused_in_one_line(tmp_path, content: bytes):
  (tmp_path / "a.mp4").write_bytes(content)
  with pytest.raises(InputError, match=r"^`path` \(=.*a\.mp4\) cannot be read as a video") as caught:
    video.read_frames(tmp_path / "a.mp4")
  assert "\n" not in str(caught.value)


def test_a_truncated_video_is_refused(tmp_path):
  write_video(tmp_path / "a.mp4", smooth_frames(5, 32, 32))
  whole = (tmp_path / "a.mp4").read_bytes()
  (tmp_path / "b.mp4").write_bytes(whole[: len(whole) // 3])
  with pytest.raises(InputError, match=r"b\.mp4"):
    video.read_frames(tmp_path / "b.mp4")


def test_a_folder_without_pictures_is_refused(tmp_path):
  (tmp_path / "notes.txt").write_text("none here")
  with pytest.raises(InputError, match=r"^`path` .* holds no jpg, png or bmp picture"):
    video.read_frames(tmp_path)


def test_a_corrupt_picture_is_named(tmp_path):
  write_images(tmp_path, ["1.png", "2.png"])
  data = (tmp_path / "2.png").read_bytes()
  (tmp_path / "2.png").write_bytes(data[: len(data) // 2])
  with pytest.raises(InputError, match=r"2\.png: cannot read the image .*; restore or remove it"):
    video.read_frames(tmp_path)


def test_a_picture_of_another_size_is_named(tmp_path):
  write_images(tmp_path, ["1.png"])
  Image.new("RGB", (8, 12)).save(tmp_path / "2.png")
  frames = iter(video.read_frames(tmp_path))
  next(frames)
  with pytest.raises(InputError, match=r"2\.png is 8 x 12 px, the first picture 12 x 8"):
    next(frames)
  Image.new("RGB", (5, 5)).save(tmp_path / "3.png")
  with pytest.raises(InputError, match=r"3\.png is 5 x 5 px, the first picture 12 x 8"):
    video.read_frames(tmp_path)
