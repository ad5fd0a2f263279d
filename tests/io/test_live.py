"""Cameras and streams: frames come as they are sent, the late ones are dropped and counted."""

import http.server
import pathlib
import threading
import time

import av
import numpy as np
import pytest

from adadepth.errors import InputError
from adadepth.io import live
from adadepth.io.video_writer import VideoWriter

FRAMES = 40
GAP_S = 0.02  # between two frames of the stream


def shade(frame: np.ndarray) -> int:
  """The number of a frame, which is all of one grey."""
  return round(float(frame.mean()) / 5)


def coded(path: pathlib.Path) -> pathlib.Path:
  with av.open(str(path), "w", format="mpegts") as file:
    stream = file.add_stream("mpeg2video", rate=25)
    stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 1
    for t in range(FRAMES):
      grey = np.full((48, 64, 3), 5 * t, np.uint8)
      file.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
    file.mux(stream.encode(None))
  return path


@pytest.fixture(scope="module")
def server(tmp_path_factory):
  """A server of /live.ts, sent bit by bit and without a length, as a camera does, and of /film.mp4, a file."""
  folder = tmp_path_factory.mktemp("served")
  packets = coded(folder / "live.ts").read_bytes()
  with VideoWriter(folder / "film.mp4", fps=25.0) as film:
    for t in range(FRAMES):
      film.write(np.full((48, 64, 3), 5 * t, np.uint8))

  class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
      self.send_response(200)
      data = packets if "live" in self.path else (folder / "film.mp4").read_bytes()
      if "live" not in self.path:
        self.send_header("Content-Length", str(len(data)))
      self.end_headers()
      step = len(data) // FRAMES if "live" in self.path else len(data)
      try:
        for start in range(0, len(data), step):
          self.wfile.write(data[start : start + step])
          time.sleep(GAP_S if "live" in self.path else 0)
      except OSError:  # who listened has gone
        pass

    def log_message(self, *_):
      pass

  served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
  threading.Thread(target=served.serve_forever, daemon=True).start()
  yield f"http://127.0.0.1:{served.server_address[1]}"
  served.shutdown()
  served.server_close()


@pytest.mark.parametrize(
  ("text", "expected"),
  [
    ("0", True),
    ("/dev/video7", True),
    ("rtsp://a/b", True),
    ("http://a/b.mp4", True),
    ("clip.mp4", False),
    ("file:///a.mp4", False),
    ("C:/clip.mp4", False),
    ("frames", False),
  ],
)
def test_what_comes_live_is_known(tmp_path, monkeypatch, text, expected):
  monkeypatch.chdir(tmp_path)
  assert live.is_live(text) == expected


def test_a_folder_named_like_a_camera_is_a_folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "0").mkdir()
  assert not live.is_live("0")


def test_frames_that_come_too_late_are_dropped_and_counted(server):
  stream = live.open_live(f"{server}/live.ts")
  assert (stream.info.width, stream.info.height, stream.info.count) == (64, 48, None)
  shades, times = [], []
  for frame, start_s, _ in stream.timed(threading.Event()):
    shades.append(shade(frame))
    times.append(start_s)
    time.sleep(5 * GAP_S)
  stream.close()
  assert stream.dropped > 0 and len(shades) < FRAMES
  assert times[0] == 0 and (np.diff(times) > 0).all() and (np.diff(shades) > 0).all()
  # Times are the stream's own: 25 frames a second, whenever they were looked at.
  np.testing.assert_allclose(np.diff(times) * 25, np.diff(shades), atol=1.01)


def test_a_recording_behind_a_url_waits_and_loses_nothing(server):
  stream = live.open_live(f"{server}/film.mp4")
  shades = []
  for frame, *_ in stream.timed(threading.Event()):
    shades.append(shade(frame))
    time.sleep(0.002)
  assert shades == list(range(FRAMES)) and stream.dropped == 0


def test_a_box_is_drawn_on_the_frame_that_tracking_begins_with(server):
  stream = live.open_live(f"{server}/live.ts")
  time.sleep(5 * GAP_S)
  first = stream.first_frame()
  time.sleep(3 * GAP_S)
  np.testing.assert_array_equal(next(stream.timed(threading.Event())).frame, first)
  stream.close()


def test_a_person_who_stops_ends_it(server):
  stream, stop = live.open_live(f"{server}/live.ts"), threading.Event()
  frames = stream.timed(stop)
  next(frames)
  stop.set()
  assert list(frames) == []
  stream.close()


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("rtsp://me:secret@127.0.0.1:9/cam", r"`config.video` \(=rtsp://127.0.0.1:9/cam\) cannot be opened \(.*refused\)"),
    ("http://127.0.0.1:9/c.mp4", r"cannot be opened \(Connection refused\)"),
    ("/dev/video77", r"no camera at /dev/video77 \(.*\); give another"),
  ],
)
def test_what_is_not_there_is_told_in_one_line(text, message):
  with pytest.raises(InputError, match=message) as caught:
    live.open_live(text)
  assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
