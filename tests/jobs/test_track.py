"""Tracking, as people run it: inputs that went wrong give what is right, a run's files are whole or absent."""

import csv
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
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
from adadepth.io.video_writer import VideoWriter
from adadepth.io.workdir import PAGE
from adadepth.jobs import track as job
from adadepth.jobs import track_inputs
from adadepth.jobs.track import run_track
from adadepth.jobs.track_inputs import OUTPUTS, parse_levels
from adadepth.jobs.track_results import video_name
from adadepth.maths.metrics import iou
from adadepth.models.model import Model, save_model
from adadepth.tracking.tracker import Tracker
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


def test_a_box_stays_where_it_was_while_nothing_is_seen(inputs, tmp_path):
  rows = tracked(inputs / "black" / "clip.mp4", tmp_path)
  boxes, seen = boxes_of(rows), 5  # then ten black frames
  np.testing.assert_allclose(boxes[seen:], boxes[seen - 1 : seen].repeat(10, axis=0), atol=3)
  highest = max(float(row["confidence"]) for row in rows[1:seen])
  assert all(float(row["confidence"]) < highest for row in rows[seen:])
  assert rows[-1]["lost"] == "1" and rows[seen - 1]["lost"] == "0"


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
  assert sorted(path.name for path in (tmp_path / "runs" / "x").iterdir()) == sorted([*OUTPUTS, PAGE])
  assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("workdir", ["a-file", "a-file/below", "/proc/x"])
def test_a_workdir_that_cannot_be_written_is_told_in_one_line(frames, tmp_path, workdir):
  (tmp_path / "a-file").touch()
  done = command(f"--config.video={frames[0]}", f"--config.box={frames[1]}", f"--workdir={workdir}", HOME=str(tmp_path))
  assert check_one_line(done).startswith(f"error: `--workdir` (={workdir}) cannot be written (")


def test_a_stream_that_is_not_there_is_told_in_one_line(tmp_path):
  done = command("--config.video=rtsp://127.0.0.1:8554/cam", "--config.box=1,2,3,4", HOME=str(tmp_path))
  assert "(=rtsp://127.0.0.1:8554/cam) cannot be opened (Connection refused)" in check_one_line(done)


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


# Several targets.


def test_targets_are_tracked_from_their_first_frames_and_written_for_toolkits(frames, tmp_path, capsys):
  x, y, w, h = (float(v) for v in frames[1].split(","))
  table = f"frame,x,y,w,h,target\n0,{frames[1]},dog\n2,{x + 4},{y},{w},{h},cat\n"
  (tmp_path / "first.csv").write_text(table)
  rows = tracked(
    frames[0], tmp_path / "run", "", boxes=str(tmp_path / "first.csv"), policy="xcorr1", format="mot,vot,otb,got10k"
  )
  assert [(row["frame"], row["target"]) for row in rows] == [
    *(("0", "0"), ("1", "0"), ("2", "0"), ("2", "1"), ("3", "0"), ("3", "1"), ("4", "0"), ("4", "1"))
  ]
  assert [row["time"] for row in rows if row["target"] == "1"] == ["0.080000", "0.120000", "0.160000"]
  assert len((tmp_path / "run" / "mot" / f"{frames[0].name}.txt").read_text().splitlines()) == len(rows)
  assert (tmp_path / "run" / "vot" / "baseline" / f"{frames[0].name}_cat").is_dir()
  told = capsys.readouterr().out
  assert (
    "5 frames, 2 targets, " in told and "mean depth 1.00, " in told and "% of the full network's cost, 0 % lost" in told
  )
  # Another run's result files go.
  tracked(frames[0], tmp_path / "run", frames[1], policy="xcorr1", format="otb")
  files = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
  assert files == {*OUTPUTS, PAGE, f"otb/{frames[0].name}.txt", f"otb/times/{frames[0].name}_time.txt"}


@pytest.mark.parametrize(
  ("table", "message"),
  [
    ("0,10,10,20,20\n5,10,10,20,20", r"`config.boxes, line 3` begins in frame 5; the video has frames 0 to 4"),
    ("0,10,10,20,20\n1,0.1,0.1,0.2,0.2", r"`config.boxes, line 3` \(=0.1,0.1,0.2,0.2\) must be x,y,w,h in pixels"),
  ],
)
def test_a_first_box_that_cannot_be_is_refused_by_its_line(frames, tmp_path, table, message):
  (tmp_path / "first.csv").write_text(f"frame,x,y,w,h\n{table}\n")
  with pytest.raises(InputError, match=message):
    tracked(frames[0], tmp_path / "run", "", boxes=str(tmp_path / "first.csv"))


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"boxes": "a.csv"}, r"`config.box` \(=1,2,3,4\) and `config.boxes` \(=a.csv\): give one of them"),
    ({"format": "coco"}, r"`config.format` \(='coco'\) names 'coco'"),
    ({"box": ""}, r"`config.box` \(=''\) names no target: give x,y,w,h .*, or draw it with --config.show=True"),
  ],
)
def test_settings_that_cannot_be_are_refused_before_work_starts(frames, tmp_path, changes, message):
  with pytest.raises(InputError, match=message):
    tracked(frames[0], tmp_path, **{"box": "1,2,3,4", **changes})


def test_the_name_of_a_video_is_its_sequences():
  names = {
    "/a/Ball/img": "Ball",
    "/a/my clip.mp4": "my clip",
    "/a/frames.d": "frames",
    "rtsp://h/c.sdp?u=1": "c",
    "0": "0",
  }
  assert {video: video_name(video) for video in names} == names


# Stop, and go on.


class StoppedAfter(job.VideoWriter):
  """Writes as ever; a person presses Ctrl-C in the given frame."""

  def write(self, *arguments, **named):
    super().write(*arguments, **named)
    type(self).written += 1
    if type(self).written == type(self).stop:
      signal.raise_signal(signal.SIGINT)


def test_what_was_stopped_is_whole_and_goes_on_after_its_last_row(frames, tmp_path, monkeypatch, capsys):
  once = tracked(frames[0], tmp_path / "once", frames[1], policy="xcorr1", confidences=True)
  StoppedAfter.written, StoppedAfter.stop = 0, 3
  with monkeypatch.context() as patched:
    patched.setattr(job, "VideoWriter", StoppedAfter)
    stopped = tracked(frames[0], tmp_path / "run", frames[1], policy="xcorr1")
  assert stopped == once[:3] and "the same command goes on from here" in capsys.readouterr().err
  with av.open(str(tmp_path / "run" / "track.mp4")) as annotated:
    assert annotated.streams.video[0].frames == 3
  calls = []
  with monkeypatch.context() as patched:
    update = Tracker.update
    patched.setattr(Tracker, "update", lambda *given: calls.append(0) or update(*given))
    again = tracked(frames[0], tmp_path / "run", frames[1], policy="xcorr1", confidences=True)
  assert again == once and len(calls) == 3  # one compiles, two frames were left
  assert "holds 3 frames that are tracked; tracking goes on after them" in capsys.readouterr().err
  whole, joined = (decoded(tmp_path / name / "track.mp4") for name in ("once", "run"))
  np.testing.assert_array_equal(joined, whole)


def decoded(path: pathlib.Path) -> np.ndarray:
  with av.open(str(path)) as video:
    return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])


def test_why_a_run_begins_anew_is_told(frames, tmp_path, capsys):
  tracked(frames[0], tmp_path, frames[1], policy="xcorr1")
  tracked(frames[0], tmp_path, frames[1], policy="xcorr2")
  err = capsys.readouterr().err
  assert "was tracked with another config.policy: it was xcorr1, and is xcorr2; tracking begins anew" in err
  (tmp_path / "track.npz").write_bytes(b"half")
  tracked(frames[0], tmp_path, frames[1], policy="xcorr2")
  assert "track.npz cannot be read: tracking begins anew" in capsys.readouterr().err


# Cameras and windows.


@pytest.fixture
def camera(monkeypatch, frames) -> type:
  """A camera 0 that has seen the frames."""

  class Camera(track_inputs.LiveStream):
    closed = False

    def __init__(self):
      self.name, self.dropped, self.ended, self.levels = "0", 2, "", None
      self.info = track_inputs.VideoInfo(25.0, 128, 96, None, False)

    def first_frame(self):
      return np.array(Image.open(frames[0] / "1.png"))

    def timed(self, stop):
      for t in range(5):
        yield job.TimedFrame(np.array(Image.open(frames[0] / f"{t + 1}.png")), t / 25, 1 / 25)

    def close(self):
      type(self).closed = True

  monkeypatch.setattr(track_inputs, "open_live", lambda *_, **__: Camera())
  return Camera


def test_a_camera_is_tracked_and_cannot_be_gone_on_with(camera, frames, tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tmp_path)
  rows = tracked("0", tmp_path / "run", frames[1], policy="xcorr1")
  assert len(rows) == 5 and camera.closed
  assert "2 frames came too late and were dropped" in capsys.readouterr().err
  with pytest.raises(InputError, match=r"holds boxes\.csv of 0; to go on is not possible, since its frames are gone"):
    tracked("0", tmp_path / "run", frames[1], policy="xcorr1")


def test_without_a_display_all_else_works(frames, tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(track_inputs, "why_no_window", lambda: "there is no display")
  assert len(tracked(frames[0], tmp_path, frames[1], policy="xcorr1", show=True)) == 5
  assert "`config.show` (=True): there is no display; there is no window" in capsys.readouterr().err


def test_a_box_is_drawn_in_the_window_which_stops_tracking_when_it_is_closed(frames, tmp_path, monkeypatch):
  class Drawn(track_inputs.Window):
    shown, closed = 0, False

    def __init__(self):
      pass

    def draw_box(self, frame):
      return np.array([float(v) for v in frames[1].split(",")], np.float32) if Drawn.shown == 0 else None

    def show(self, frame):
      Drawn.shown += 1
      return Drawn.shown < 3

    def close(self):
      Drawn.closed = True

  monkeypatch.setattr(track_inputs, "why_no_window", lambda: "")
  monkeypatch.setattr(track_inputs, "Window", Drawn)
  assert len(tracked(frames[0], tmp_path, "", policy="xcorr1", show=True)) == 3 and Drawn.closed
  with pytest.raises(InputError, match="no box was drawn"):
    tracked(frames[0], tmp_path, "", policy="xcorr1", show=True)


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


# The runtime.


@pytest.fixture(scope="module")
def small_model(tmp_path_factory, boxed, box_params) -> pathlib.Path:
  """A tiny model, whose first static exit is quickly exported."""
  folder = tmp_path_factory.mktemp("model")
  save_model(folder / "model.safetensors", Model(box_params, boxed, 0.4))
  return folder


def test_onnxruntime_finds_the_boxes_that_jax_finds_and_goes_on_where_it_stopped(
  frames, small_model, tmp_path, monkeypatch, capsys
):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  settings = {"model": str(small_model), "policy": "xcorr1"}
  theirs = tracked(frames[0], tmp_path / "xla", frames[1], **settings)
  rows = tracked(frames[0], tmp_path / "onnx", frames[1], runtime="onnx", **settings)
  # Sums of float32 in another order; from a box to a crop that makes now and then another byte.
  np.testing.assert_allclose(boxes_of(rows), boxes_of(theirs), atol=0.2)
  assert [row["depth"] for row in rows] == [row["depth"] for row in theirs]
  assert json.loads((tmp_path / "onnx" / "track.json").read_text())["config"]["runtime"] == "onnx"
  assert "as ONNX, once" in capsys.readouterr().err
  assert tracked(frames[0], tmp_path / "onnx", frames[1], runtime="onnx", **settings) == rows
  assert "5 frames that are tracked; tracking goes on" in (said := capsys.readouterr().err) and "once" not in said
  tracked(frames[0], tmp_path / "onnx", frames[1], **settings)
  assert "another config.runtime: it was onnx, and is xla" in capsys.readouterr().err


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"runtime": "tflite"}, r"`config.runtime` \(='tflite'\) must be one of xla, onnx"),
    ({"runtime": "onnx", "model": "nowhere"}, r"`config.model` \(=nowhere\) is neither"),
    ({"runtime": "onnx", "model": "vgg19"}, r"`config.backbone.weights` \(=''\) names no backbone"),
  ],
)
def test_a_runtime_or_model_that_is_none_is_refused(frames, tmp_path, monkeypatch, changes, says):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  with pytest.raises(InputError, match=says):
    tracked(frames[0], tmp_path / "run", frames[1], **changes)


@pytest.mark.parametrize("package", ["onnxruntime", "jax", "onnx"])
def test_a_package_that_the_runtime_needs_is_named(frames, small_model, tmp_path, monkeypatch, package):
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  find = importlib.util.find_spec
  monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == package else find(n, *a))
  with pytest.raises(InputError, match=rf"`config.runtime` \(=onnx\) needs {package} to .*: pip install"):
    tracked(frames[0], tmp_path / "run", frames[1], runtime="onnx", model=str(small_model), policy="xcorr1")


LACKS = ("jax", "jaxlib", "flax", "optax", "orbax", "onnx", "h5py", "safetensors", "scipy", "tensorboardX")


def without_jax(video, workdir: pathlib.Path, *boxes: str, first: str = "", **changes) -> subprocess.CompletedProcess:
  """`adadepth track` with onnxruntime, of a process where what a light installation lacks does not import."""
  flags = [f"--config.{name}={value}" for name, value in {"video": video, "runtime": "onnx", **changes}.items()]
  code = f"import sys; sys.modules.update(dict.fromkeys({LACKS})){first}\nfrom adadepth.command import run; run()"
  line = [sys.executable, "-c", code, "track", f"--workdir={workdir}", *(f"--config.box={b}" for b in boxes)]
  return subprocess.run([*line, *flags], cwd=ROOT, capture_output=True, text=True)


def rows_of(workdir: pathlib.Path) -> list[dict]:
  with (workdir / "boxes.csv").open() as file:
    return list(csv.DictReader(file))


STOPPED = """
import itertools, signal
from adadepth.jobs import track
write, written = track.VideoWriter.write, itertools.count(1)
def write_and_stop(*arguments, **named):
  write(*arguments, **named)
  if next(written) == 3:
    signal.raise_signal(signal.SIGINT)
track.VideoWriter.write = write_and_stop
"""


def test_boxes_are_jaxs_where_there_is_none_and_a_run_goes_on_where_it_stopped(frames, tmp_path):
  stopped = without_jax(frames[0], tmp_path / "onnx", frames[1], first=STOPPED)
  assert "stopped; the same command goes on from here" in stopped.stderr and len(rows_of(tmp_path / "onnx")) == 3
  went_on = without_jax(frames[0], tmp_path / "onnx", frames[1])
  assert "holds 3 frames that are tracked; tracking goes on" in went_on.stderr
  rows, theirs = rows_of(tmp_path / "onnx"), tracked(frames[0], tmp_path / "xla", frames[1])
  np.testing.assert_allclose(boxes_of(rows), boxes_of(theirs), atol=0.01)
  same = ("frame", "time", "target", "depth", "lost")
  assert [[row[name] for name in same] for row in rows] == [[row[name] for name in same] for row in theirs]


def test_targets_and_a_budget_are_tracked_and_all_is_written_where_there_is_no_jax(frames, tmp_path):
  done = without_jax(frames[0], tmp_path, frames[1], "20,20,30,30", budget=3, format="mot")
  assert done.returncode == 0 and "5 frames, 2 targets, " in done.stdout, done.stderr
  files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
  assert files == {*OUTPUTS, PAGE, f"{frames[0].name}.txt"}


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"policy": "soft"}, r"`config.runtime` \(=onnx\) needs jax to make the file of .*embedded\) with 'soft'"),
    ({"policy": "hrad"}, r"`config.policy` \(='hrad'\) must be one of xcorr1"),
    ({"budget": 99}, r"`config.budget` \(=99, relative to xcorr1\) must be above 1.0002 and below 18.29"),
    ({"policy": "xcorr1", "budget": 3}, r"`config.budget` \(=3.0\) is for the policy \"hard\" alone"),
    (
      {"runtime": "xla"},
      r"`config.task` \(=track\) needs jax, .*: pip install adadepth, or give --config.runtime=onnx",
    ),
    ({"model": "nowhere"}, r"`config.model` \(=nowhere\) is neither a model"),
    ({"backbone.weights": "download"}, r"needs jax to take `config.backbone.weights` \(=download\)"),
    ({"backbone.weights": "nowhere"}, r"`config.backbone.weights` \(=nowhere\) is no file"),
  ],
)
def test_what_needs_jax_or_cannot_be_is_told_in_a_line_where_there_is_none(frames, tmp_path, changes, says):
  assert re.search(says, check_one_line(without_jax(frames[0], tmp_path / "run", frames[1], **changes)))
