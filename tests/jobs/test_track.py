"""Tracking, as people run it: inputs that went wrong give what is right, a run's files are whole or absent."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys

import av
import jax
import numpy as np
import pytest
from PIL import Image

from adadepth.data.layouts import read_sequences
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.io.images import Levels
from adadepth.io.video import VideoWriter
from adadepth.jobs.track import parse_levels, run_track
from adadepth.maths.metrics import iou
from configs import track as config_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOX = "109,110,37,116"  # the target of most inputs in their first frame


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
    yield


@pytest.fixture(scope="session")
def inputs() -> pathlib.Path:
  """The folder of inputs that went wrong beside the checkout; tests that use it skip where it is absent."""
  folder = ROOT.parent / "shared" / "inputs"
  if not folder.is_dir():
    pytest.skip(f"no inputs at {folder}")
  return folder


def tracked(video, workdir: pathlib.Path, box: str = BOX, **changes) -> list[dict]:
  """The rows of boxes.csv."""
  config = config_file.get_config()
  config.update({"video": str(video), "box": box, **changes})
  run_track(config, workdir)
  with (workdir / "boxes.csv").open() as file:
    return list(csv.DictReader(file))


def boxes_of(rows: list[dict]) -> np.ndarray:
  return np.array([[float(row[name]) for name in "xywh"] for row in rows], np.float32)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
  """`python run.py track` as a person runs it, with a home folder and a working folder of one's own."""
  env = {**os.environ, **environment}
  env.pop("XLA_FLAGS", None)
  line = [sys.executable, str(ROOT / "run.py"), "track", *arguments]
  return subprocess.run(line, env=env, cwd=environment.get("HOME"), capture_output=True, text=True)


def check_one_line(done: subprocess.CompletedProcess) -> str:
  """The line of a refusal; what a bar or JAX wrote may stand before it."""
  assert done.returncode == 1 and "Traceback" not in done.stderr
  assert done.stderr.splitlines()[-1].startswith("error: "), done.stderr
  return done.stderr.splitlines()[-1]


# Inputs that went wrong.


@pytest.mark.parametrize(
  ("name", "frames"), [("burst", 20), ("vfr_phone", 20), ("decimal_names", 14), ("mixed_suffixes", 14)]
)
def test_row_i_is_frame_i(inputs, tmp_path, name, frames):
  video = next(path for path in (inputs / name / "clip.mp4", inputs / name / "frames") if path.exists())
  rows = tracked(video, tmp_path)
  truth = np.loadtxt(inputs / name / "truth.csv", delimiter=",", skiprows=1, dtype=np.float32)
  assert [int(row["frame"]) for row in rows] == list(range(frames)) and len(truth) == frames
  assert iou(boxes_of(rows)[1:], truth[1:]).mean() > 0.8
  with av.open(str(tmp_path / "track.mp4")) as annotated:
    assert annotated.streams.video[0].frames == frames
    if video.is_file():
      with av.open(str(video)) as original:
        assert annotated.duration == pytest.approx(original.duration, abs=1_000)  # microseconds


@pytest.mark.parametrize(
  ("name", "path", "box", "message"),
  [
    ("strays", "frames", BOX, r"holds 0008 \(1\)\.jpg, Thumb\.jpg beside 14 pictures named like 0001\.jpg"),
    ("masks_beside_frames", "frames", BOX, r"holds pictures of one number, 0001\.jpg, 0001\.png"),
    ("first_picture", "frames/1.jpg", BOX, r"is a picture; give the folder of the frames, .*first_picture/frames$"),
    ("text_as_video", "frames.txt", BOX, "is a text file; give a video file"),
    ("sub_pixel_box", "clip.mp4", "0.34,0.46,0.12,0.48", "must be x,y,w,h in pixels; .* these are 109,110,38,115"),
  ],
)
def test_what_cannot_be_tracked_is_refused(inputs, tmp_path, name, path, box, message):
  with pytest.raises(InputError, match=message) as caught:
    tracked(inputs / name / path, tmp_path, box)
  assert str(caught.value).startswith("`config.") and "\n" not in str(caught.value)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "on_error"), [("header_skip", "skip"), ("semicolons", "stop"), ("rle_masks", "stop")])
def test_ground_truth_is_read_as_it_was_meant(inputs, name, on_error):
  (sequence,), _ = read_sequences(inputs / name, on_error=on_error)
  assert len(sequence) == 12
  # OTB's lines count from 1, VOT's masks from 0.
  np.testing.assert_array_equal(
    sequence.boxes_xywh[[0, 1, 11], :], [[212, 120, 21, 95], [212, 118, 21, 95], [213, 107, 21, 96]]
  )
  assert int(sequence.frames.paths[0].stem) == 1


# Commands.


def test_a_clip_in_the_home_folder_is_tracked_to_the_home_folder(inputs, tmp_path):
  shutil.copy(inputs / "sub_pixel_box" / "clip.mp4", tmp_path / "clip.mp4")
  (tmp_path / "bad").mkdir()
  (tmp_path / "bad" / "torch.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')\n")
  # Neither a PyTorch that cannot be loaded nor an ffmpeg that is not there is asked for.
  environment = {"PYTHONPATH": str(tmp_path / "bad"), "IMAGEIO_FFMPEG_EXE": "/nonexistent/ffmpeg"}
  flags = ("--config.video=~/clip.mp4", "--config.box=109,110,38,115", "--workdir=~/runs/x")
  done = command(*flags, HOME=str(tmp_path), **environment)
  assert done.returncode == 0, done.stderr
  assert sorted(path.name for path in (tmp_path / "runs" / "x").iterdir()) == ["boxes.csv", "track.json", "track.mp4"]
  assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("workdir", ["a-file", "a-file/below", "/proc/x"])
def test_a_workdir_that_cannot_be_written_is_told_in_one_line(frames, tmp_path, workdir):
  (tmp_path / "a-file").touch()
  done = command(f"--config.video={frames[0]}", f"--config.box={frames[1]}", f"--workdir={workdir}", HOME=str(tmp_path))
  assert check_one_line(done).startswith(f"error: `--workdir` (={workdir}) cannot be written (")


def test_a_stream_is_refused_in_one_line(tmp_path):
  done = command("--config.video=rtsp://127.0.0.1:8554/cam", "--config.box=1,2,3,4", HOME=str(tmp_path))
  assert "(=rtsp://127.0.0.1:8554/cam) is a URL; streams are not taken" in check_one_line(done)


# A run's files.


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> tuple[pathlib.Path, str]:
  """A folder of five rendered frames, and the first box."""
  folder = tmp_path_factory.mktemp("frames")
  film = render_sequence(seed=3, name="film", frames=5, height=96, width=128, difficulty=Difficulty())
  for t in range(5):
    Image.fromarray(film.frames[t]).save(folder / f"{t + 1}.png")
  return folder, ",".join(f"{v:.1f}" for v in film.boxes_xywh[0])


def files_of(workdir: pathlib.Path) -> dict[str, bytes]:
  return {path.name: path.read_bytes() for path in workdir.iterdir()}


def test_a_damaged_picture_leaves_the_older_results_whole(frames, tmp_path):
  folder, run = tmp_path / "frames", tmp_path / "run"
  shutil.copytree(frames[0], folder)
  tracked(folder, run, frames[1])
  before = files_of(run)
  whole = (folder / "4.png").read_bytes()
  (folder / "4.png").write_bytes(whole[:1000] + bytes(1000) + whole[2000:])
  for workdir in (run, tmp_path / "new"):
    with pytest.raises(InputError, match=r"4\.png: cannot read the image"):
      tracked(folder, workdir, frames[1])
  assert files_of(run) == before and not files_of(tmp_path / "new")


def test_an_encoder_that_fails_leaves_the_older_results_whole(frames, tmp_path, monkeypatch):
  tracked(frames[0], tmp_path, frames[1])
  before = files_of(tmp_path)

  def full(*_):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(VideoWriter, "_encode", full)
  with pytest.raises(InputError, match=r"`--workdir` \(=.*\) cannot be written \(No space left on device\)"):
    tracked(frames[0], tmp_path, frames[1])
  assert files_of(tmp_path) == before


def test_a_workdir_of_another_video_is_refused_unless_told_to_overwrite(frames, tmp_path):
  copy, run = tmp_path / "copy", tmp_path / "run"
  shutil.copytree(frames[0], copy)
  tracked(frames[0], run, frames[1])
  tracked(frames[0], run, frames[1])  # again is no other
  before = files_of(run)
  with pytest.raises(
    InputError, match=rf"holds boxes\.csv of {frames[0]}: give another --workdir, or --config\.overwrite"
  ):
    tracked(copy, run, frames[1])
  assert files_of(run) == before
  tracked(copy, run, frames[1], overwrite=True)
  assert json.loads((run / "track.json").read_text())["config"]["video"] == str(copy)


def test_files_of_unknown_origin_are_not_overwritten(frames, tmp_path):
  (tmp_path / "boxes.csv").write_text("my own")
  with pytest.raises(InputError, match=r"holds boxes\.csv of an unknown video"):
    tracked(frames[0], tmp_path, frames[1])
  assert files_of(tmp_path) == {"boxes.csv": b"my own"}


@pytest.mark.parametrize("link", [False, True])
def test_a_video_is_never_overwritten_by_its_own_annotation(tmp_path, link):
  film = render_sequence(seed=3, name="film", frames=3, height=96, width=128, difficulty=Difficulty())
  clip = tmp_path / "clip.mp4" if link else tmp_path / "run" / "track.mp4"
  with VideoWriter(clip, fps=25.0) as video:
    for t in range(3):
      video.write(film.frames[t])
  if link:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "track.mp4").symlink_to(clip)
  with pytest.raises(InputError, match=r"`config\.video` \(=.*\) would be overwritten by its own annotation"):
    tracked(clip, tmp_path / "run", "40,30,20,20", overwrite=True)


def test_a_video_that_ends_early_says_how_much_of_it_was_read(tmp_path, capsys):
  film = render_sequence(seed=3, name="film", frames=12, height=96, width=128, difficulty=Difficulty())
  with VideoWriter(tmp_path / "whole.mp4", fps=25.0) as video:
    for t in range(12):
      video.write(film.frames[t])
  data = (tmp_path / "whole.mp4").read_bytes()
  (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 3 // 4])
  rows = tracked(tmp_path / "cut.mp4", tmp_path / "run", ",".join(f"{v:.1f}" for v in film.boxes_xywh[0]))
  assert 0 < len(rows) < 12
  assert f"lists 12 frames, {len(rows)} could be read" in capsys.readouterr().err


# 16 bits.


def test_a_thermal_film_is_tracked_like_its_eight_bits(frames, tmp_path):
  for folder in ("8", "16"):
    (tmp_path / folder).mkdir()
  for path in frames[0].iterdir():
    grey = Image.open(path).convert("L")
    grey.save(tmp_path / "8" / path.name)
    counts = 29_000 + 4 * np.asarray(grey).astype(np.uint16)  # of a sensor, all in one upper byte or two
    Image.fromarray(counts).save(tmp_path / "16" / path.name)
  plain = boxes_of(tracked(tmp_path / "8", tmp_path / "a", frames[1]))
  told = boxes_of(tracked(tmp_path / "16", tmp_path / "b", frames[1], levels="29000,30020"))
  found = boxes_of(tracked(tmp_path / "16", tmp_path / "c", frames[1]))
  np.testing.assert_allclose(told, plain, atol=1e-3)
  assert iou(found, plain).min() > 0.8


def test_levels_are_two_numbers_or_none():
  assert parse_levels("") is None and parse_levels("29000, 31000.5") == Levels(29_000, 31_000.5)
  for text in ("1", "1,2,3", "a,b", "2,1", "1,1", "nan,2"):
    with pytest.raises(InputError, match=r"`config\.levels` \(=.*\) must be two numbers, low,high"):
      parse_levels(text)
