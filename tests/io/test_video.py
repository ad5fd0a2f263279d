"""Video in and out: what is written comes back, and what cannot be read is refused with a clear line."""

import errno
import fractions
import os
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from adadepth.errors import InputError
from adadepth.io import video
from adadepth.io.images import Levels
from adadepth.io.video_writer import VideoWriter


def smooth_frames(count: int, height: int, width: int) -> list[np.ndarray]:
  """Frames whose colours change gently over place and time, as a codec likes them."""
  rows, columns = np.mgrid[:height, :width]
  planes = [(rows * 200 // height + 5 * t, columns * 200 // width, np.full_like(rows, 20 * t)) for t in range(count)]
  return [np.stack(plane, -1).astype(np.uint8) for plane in planes]


def write_video(path, frames: list[np.ndarray], fps: float = 30.0) -> None:
  with VideoWriter(path, fps=fps) as writer:
    for frame in frames:
      writer.write(frame)


def encode(path, frames: list[np.ndarray], times_s: list[float], **stream) -> None:
  """Writes frames with PyAV alone, each at its time."""
  with av.open(str(path), "w") as file:
    encoder = file.add_stream(stream.pop("codec", "libx264"), rate=fractions.Fraction(25))
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt, encoder.options = stream.pop("pix_fmt", "yuv420p"), stream.pop("options", {"bf": "0"})
    encoder.codec_context.time_base = fractions.Fraction(1, 90_000)
    for pixels, time_s in zip(frames, times_s, strict=True):
      frame = av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.ndim == 3 else "gray16le")
      frame.pts, frame.time_base = round(time_s * 90_000), fractions.Fraction(1, 90_000)
      file.mux(encoder.encode(frame))
    file.mux(encoder.encode(None))


def length_s(path) -> float:
  with av.open(str(path)) as file:
    return file.duration / av.time_base


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
  assert video.read_frames(tmp_path / "a.mp4").info == video.VideoInfo(12.5, 96, 64, 10, True)


def test_odd_sizes_are_padded_by_repeating_and_nothing_is_resized(tmp_path):
  frames = smooth_frames(3, 37, 51)
  write_video(tmp_path / "odd.mp4", frames)
  back = list(video.read_frames(tmp_path / "odd.mp4"))
  assert back[0].shape == (38, 52, 3)
  assert np.abs(back[1][:37, :51].astype(int) - frames[1]).mean() < 4
  assert np.abs(back[1][37, :51].astype(int) - frames[1][36]).mean() < 6


# A phone's, a burst at the end, a screen that stands still: seconds.
UNEVEN = {
  "uneven": [0, 0.133, 0.166, 0.2, 0.4, 0.533, 0.55, 0.9],
  "burst": [0, 0.033, 0.066, 0.1, 0.104, 0.108, 0.112, 0.116],
  "standing": [0, 0.04, 3.0, 3.04, 3.08, 7.5, 7.54, 7.58],
}


@pytest.mark.parametrize("times", UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_each_coded_frame_comes_once_at_its_own_time(tmp_path, times, suffix):
  frames = smooth_frames(8, 32, 48)
  encode(tmp_path / f"a.{suffix}", frames, times)
  back = list(video.read_frames(tmp_path / f"a.{suffix}").timed())
  # Matroska counts in milliseconds.
  np.testing.assert_allclose([frame.start_s for frame in back], times, atol=6e-4)
  for written, (read, _, _) in zip(frames, back, strict=True):
    assert np.abs(read.astype(int) - written).mean() < 4


@pytest.mark.parametrize("times", UNEVEN.values(), ids=UNEVEN)
def test_a_copy_has_the_times_and_the_length_of_the_original(tmp_path, times):
  encode(tmp_path / "a.mp4", smooth_frames(8, 32, 48), times)
  with VideoWriter(tmp_path / "b.mp4", fps=25.0) as writer:
    for frame, start_s, duration_s in video.read_frames(tmp_path / "a.mp4").timed():
      writer.write(frame, start_s=start_s, duration_s=duration_s)
  copied = [frame.start_s for frame in video.read_frames(tmp_path / "b.mp4").timed()]
  np.testing.assert_allclose(copied, times, atol=1e-4)
  assert length_s(tmp_path / "b.mp4") == pytest.approx(length_s(tmp_path / "a.mp4"), abs=2e-3)


def test_the_last_frame_is_shown_for_as_long_as_it_was(tmp_path):
  with VideoWriter(tmp_path / "a.mp4", fps=25.0) as writer:
    for t, frame in enumerate(smooth_frames(3, 32, 48)):
      writer.write(frame, start_s=t * 0.1, duration_s=0.1 if t < 2 else 2.5)
  assert length_s(tmp_path / "a.mp4") == pytest.approx(2.7, abs=2e-3)


def test_times_count_from_the_start_of_the_sound(tmp_path):
  with av.open(str(tmp_path / "a.mp4"), "w") as file:
    picture, sound = file.add_stream("libx264", rate=10), file.add_stream("aac", rate=16_000)
    picture.width, picture.height, picture.pix_fmt = 48, 32, "yuv420p"
    silence = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
    silence.sample_rate, silence.pts, silence.time_base = 16_000, 0, fractions.Fraction(1, 16_000)
    file.mux(sound.encode(silence))
    for t, pixels in enumerate(smooth_frames(5, 32, 48)):
      frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
      frame.pts, frame.time_base = 5 + t, fractions.Fraction(1, 10)
      file.mux(picture.encode(frame))
    file.mux(picture.encode(None))
    file.mux(sound.encode(None))
  times = [frame.start_s for frame in video.read_frames(tmp_path / "a.mp4").timed()]
  np.testing.assert_allclose(times, [0.5, 0.6, 0.7, 0.8, 0.9], atol=0.07)  # AAC begins a block of 1024 early
  with VideoWriter(tmp_path / "b.mp4", fps=10.0) as writer:
    for frame, start_s, duration_s in video.read_frames(tmp_path / "a.mp4").timed():
      writer.write(frame, start_s=start_s, duration_s=duration_s)
  # The first frame stands while the sound of the original is alone.
  assert length_s(tmp_path / "b.mp4") == pytest.approx(1.0, abs=0.07)


def test_frames_without_a_clock_follow_at_the_mean_rate(tmp_path):
  encode(tmp_path / "a.h264", smooth_frames(4, 32, 48), [0, 0.04, 0.08, 0.12])
  times = [frame.start_s for frame in video.read_frames(tmp_path / "a.h264").timed()]
  np.testing.assert_allclose(np.diff(times), 1 / 25)


def test_a_browsers_recording_has_no_rate_of_a_thousand(tmp_path):
  frames, times = smooth_frames(4, 32, 48), [0, 0.017, 0.09, 0.1]
  with av.open(str(tmp_path / "a.webm"), "w", options={"live": "1"}) as file:
    encoder = file.add_stream("libvpx", rate=1000, options={"lag-in-frames": "0"})
    encoder.width, encoder.height, encoder.pix_fmt = 48, 32, "yuv420p"
    for pixels, time_s in zip(frames, times, strict=True):
      frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
      frame.pts, frame.time_base = round(time_s * 1000), fractions.Fraction(1, 1000)
      file.mux(encoder.encode(frame))
    file.mux(encoder.encode(None))
  stream = video.read_frames(tmp_path / "a.webm")
  assert stream.info == video.VideoInfo(25.0, 48, 32, None, False)
  np.testing.assert_allclose([frame.start_s for frame in stream.timed()], times, atol=6e-4)


@pytest.mark.parametrize(
  ("matrix", "shown"),
  [
    ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    ((0, -1, 1, 0), np.rot90),
    ((-1, 0, 0, -1), lambda frame: frame[::-1, ::-1]),
    ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    ((1, 0, 0, -1), lambda frame: frame[::-1]),
    ((0, 1, 1, 0), lambda frame: frame.swapaxes(0, 1)),
    ((-(1 << 15), 0, 0, -(1 << 15)), lambda frame: frame[::-1, ::-1]),  # the lowest numbers there are
  ],
)
def test_a_turned_or_mirrored_video_comes_as_it_is_shown(tmp_path, matrix, shown):
  frames = smooth_frames(2, 32, 48)
  encode(tmp_path / "a.mp4", frames, [0, 0.04])
  data = bytearray((tmp_path / "a.mp4").read_bytes())
  unit = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4")
  place = data.rindex(unit.tobytes())  # the track's, behind the film's own
  a, b, c, d = matrix
  turned = np.array([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
  data[place : place + len(turned)] = turned
  (tmp_path / "a.mp4").write_bytes(data)
  stream = video.read_frames(tmp_path / "a.mp4")
  first = next(iter(stream))
  assert first.shape == (stream.info.height, stream.info.width, 3) == shown(frames[0]).shape
  assert np.abs(first.astype(int) - shown(frames[0])).mean() < 4


def test_a_video_that_ends_early_gives_the_frames_that_it_has(tmp_path):
  noise = np.random.default_rng(0).integers(0, 256, (20, 32, 48, 3), np.uint8)
  with av.open(str(tmp_path / "a.mp4"), "w", options={"movflags": "faststart"}) as file:
    encoder = file.add_stream("libx264", rate=25, options={"bf": "0"})
    encoder.width, encoder.height, encoder.pix_fmt = 48, 32, "yuv420p"
    for pixels in noise:
      file.mux(encoder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
    file.mux(encoder.encode(None))
  whole = list(video.read_frames(tmp_path / "a.mp4"))
  data = (tmp_path / "a.mp4").read_bytes()
  (tmp_path / "b.mp4").write_bytes(data[: len(data) * 2 // 3])
  stream = video.read_frames(tmp_path / "b.mp4")
  part = list(stream)
  assert (stream.info.count, stream.info.exact) == (20, True) and 8 <= len(part) <= 15
  np.testing.assert_array_equal(part[:8], whole[:8])


def test_sixteen_bits_of_a_video_are_stretched_by_its_first_frames(tmp_path):
  grey = np.linspace(28_000, 30_000, 32 * 48).reshape(32, 48)
  frames = [(grey + 100 * t).astype(np.uint16) for t in range(8)]
  encode(tmp_path / "a.mkv", frames, [t / 25 for t in range(8)], codec="ffv1", pix_fmt="gray16le", options={})
  back = np.array(list(video.read_frames(tmp_path / "a.mkv")), int)
  want = np.clip((np.array(frames) - 28_000.0) / 2_400 * 255, 0, 255)  # the first five hold 28000 to 30400
  assert np.abs(back - want[..., None]).max() <= 1
  told = next(iter(video.read_frames(tmp_path / "a.mkv", levels=Levels(0, 65_535))))
  assert np.abs(told[..., 0] - frames[0] / 257).max() <= 1


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
  with pytest.raises(RuntimeError, match="stop"), VideoWriter(path, fps=10.0) as writer:
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
    VideoWriter(tmp_path / "a.mp4", fps=10.0) as writer,
  ):
    writer.write(np.zeros((16, 16, 3), np.uint8))
    writer.write(np.zeros((8, 8, 3), np.uint8))


def test_a_disk_that_is_full_is_told_and_leaves_nothing(tmp_path):
  code = f"""
import resource, signal
import numpy as np
from adadepth.io.video_writer import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
with VideoWriter({str(tmp_path / "a.mp4")!r}, fps=25.0) as writer:
  for frame in np.random.default_rng(0).integers(0, 256, (80, 64, 64, 3), np.uint8):
    writer.write(frame)
"""
  done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
  assert done.returncode == 1
  assert done.stderr.splitlines()[-1].startswith(f"OSError: [Errno {errno.EFBIG}] FFmpeg: File too large: ")
  assert not list(tmp_path.iterdir())


def test_a_python_whose_ffmpeg_cannot_write_is_told_so_before_the_work(tmp_path, monkeypatch):
  monkeypatch.setattr(av, "codecs_available", {"h264"})
  with pytest.raises(InputError, match=r"^the FFmpeg of this Python \(PyAV .*\) has no libx264; run `pip install av`$"):
    VideoWriter(tmp_path / "a.mp4", fps=25.0)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_not_positive_is_refused(tmp_path, fps: float):
  with pytest.raises(ValueError, match="`fps`"):
    VideoWriter(tmp_path / "a.mp4", fps=fps)


def test_pictures_of_a_folder_come_in_natural_order(tmp_path):
  names = ["f1.png", "f2.PNG", "f10.bmp", "f11.webp", "f12.tiff"]
  write_images(tmp_path / "frames", names)
  (tmp_path / "frames" / "notes.txt").write_text("not a picture")
  (tmp_path / "frames" / "._f3.png").write_text("what macOS leaves behind")
  stream = video.read_frames(tmp_path / "frames")
  assert stream.info == video.VideoInfo(25.0, 12, 8, 5, True)
  assert [int(frame[0, 0, 0]) for frame in stream] == pytest.approx([0, 10, 20, 30, 40], abs=3)  # WebP's loss
  np.testing.assert_allclose([frame.start_s for frame in stream.timed()], np.arange(5) / 25)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_any_mode_become_rgb(tmp_path, mode: str):
  suffix = "jpg" if mode == "CMYK" else "png"
  # 102 is a level of the web palette, which mode P rounds to.
  Image.new("RGB", (6, 4), (102, 102, 102)).convert(mode).save(tmp_path / f"a.{suffix}")
  (frame,) = video.read_frames(tmp_path)
  assert frame.shape == (4, 6, 3) and frame.dtype == np.uint8
  assert np.abs(frame.astype(int) - 102).max() <= 2  # JPEG rounds


def test_sixteen_bit_pictures_are_stretched_by_the_first_of_them(tmp_path):
  grey = np.linspace(28_000, 30_000, 32 * 32).reshape(32, 32)
  for t in range(8):
    Image.fromarray((grey + 100 * t).astype(np.uint16)).save(tmp_path / f"{t}.png")
  frames = np.array(list(video.read_frames(tmp_path)), int)
  want = np.clip((grey + 100 * np.arange(8)[:, None, None] - 28_000) / 2_400 * 255, 0, 255)
  assert np.abs(frames - want[..., None]).max() <= 1
  told = next(iter(video.read_frames(tmp_path, levels=Levels(0, 65_535))))
  assert np.abs(told[..., 0] - grey / 257).max() <= 1


def test_an_orientation_flag_is_applied(tmp_path):
  exif = Image.Exif()
  exif[0x0112] = 6  # shown turned by a quarter
  Image.new("RGB", (12, 8)).save(tmp_path / "a.jpg", exif=exif)
  assert video.read_frames(tmp_path).info[1:3] == (8, 12)


def test_a_second_picture_that_is_damaged_is_told(tmp_path):
  pages = [Image.new("RGB", (8, 8)) for _ in range(2)]
  pages[0].save(tmp_path / "1.tif", save_all=True, append_images=pages[1:])
  content = bytearray((tmp_path / "1.tif").read_bytes())
  content[content.rindex(struct.pack("<HHI", 256, 4, 1))] = 254  # the second one's width is called something else
  (tmp_path / "1.tif").write_bytes(content)
  with pytest.raises(InputError, match=r"1\.tif: cannot read the image \(Missing dimensions\)"):
    video.read_frames(tmp_path)


def test_several_pictures_in_one_file_are_refused(tmp_path):
  pages = [Image.new("RGB", (12, 8), (10 * i, 0, 0)) for i in range(3)]
  write_images(tmp_path, ["1.tif"])
  pages[0].save(tmp_path / "2.tif", save_all=True, append_images=pages[1:])
  with pytest.raises(InputError, match=r"2\.tif holds 3 pictures; write each to a numbered file of its own"):
    video.read_frames(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp", "gif", "avif"])
def test_one_picture_is_refused_for_its_folder(tmp_path, suffix: str):
  write_images(tmp_path, [f"1.{suffix}"], size=(64, 64))
  with pytest.raises(InputError, match=rf"is a picture; give the folder of the frames, {tmp_path}$"):
    video.read_frames(tmp_path / f"1.{suffix}")


def test_a_picture_is_known_by_what_it_holds(tmp_path):
  write_images(tmp_path, ["1.png"])
  (tmp_path / "1.png").rename(tmp_path / "clip.mp4")
  with pytest.raises(InputError, match="is a picture"):
    video.read_frames(tmp_path / "clip.mp4")


def test_an_animated_picture_is_a_video(tmp_path):
  pages = [Image.new("RGB", (12, 8), (80 * i, 0, 0)) for i in range(3)]
  pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=100)
  assert [int(frame[0, 0, 0]) for frame in video.read_frames(tmp_path / "a.gif")] == [0, 80, 160]


@pytest.mark.parametrize("name", ["a.txt", "a.nfo"])
def test_a_text_is_not_drawn_as_a_video(tmp_path, name: str):
  (tmp_path / name).write_text("frames/0001.jpg\n" * 50)
  with pytest.raises(InputError, match="is a text file; give a video file"):
    video.read_frames(tmp_path / name)


def test_sound_is_no_video(tmp_path):
  with av.open(str(tmp_path / "a.wav"), "w") as file:
    sound = file.add_stream("pcm_s16le", rate=8_000)
    silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
    silence.sample_rate = 8_000
    file.mux(sound.encode(silence))
  with pytest.raises(InputError, match="holds sound or text and no video"):
    video.read_frames(tmp_path / "a.wav")


@pytest.mark.parametrize(
  ("path", "reason"),
  [
    ("nosuch.mp4", "does not exist; give a video file"),
    ("/dev/null", "is a device or a pipe; give a video file"),
    ("frames/*.jpg", "is a pattern, which is not taken: give the folder of the pictures, frames"),
    ("frames/%04d.jpg", "is a pattern, which is not taken: give the folder of the pictures, frames"),
  ],
)
def test_what_is_no_file_is_told_as_what_it_is(tmp_path, monkeypatch, path: str, reason: str):
  monkeypatch.chdir(tmp_path)
  with pytest.raises(InputError) as caught:
    video.read_frames(path, argument="config.video")
  assert str(caught.value).startswith(f"`config.video` (={path}) ") and reason in str(caught.value)


def test_the_home_folder_and_file_urls_are_understood(tmp_path, monkeypatch):
  monkeypatch.setenv("HOME", str(tmp_path))
  write_video(tmp_path / "a clip%d.mp4", smooth_frames(2, 32, 32))
  for path in ("~/a clip%d.mp4", (tmp_path / "a clip%d.mp4").as_uri()):
    assert len(list(video.read_frames(path))) == 2


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
  with pytest.raises(InputError, match=r"^`path` .* holds no picture \(\.jpg, "):
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
