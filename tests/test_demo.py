"""The page of docs/demo cuts the crops that Python cuts, exits where Python exits, and tracks what a person boxes."""

import contextlib
import functools
import http.server
import threading
import time

import numpy as np
import pytest
from browser import chromium, tab

from adadepth.data.crops import crop_square
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.export.kept import shipped_onnx
from adadepth.export.runtime import OnnxTracker
from adadepth.io.video_writer import VideoWriter
from adadepth.maths.metrics import iou
from docs.demo.make import FILES, STYLE, fetch_runtime

PAGE = FILES.parent
HEIGHT, WIDTH, FRAMES = 240, 320, 8
CROPS = (  # centre, side, crop: inside, at the edge, wholly outside, and large ones, which are averaged first
  ((150.3, 110.7), 90.4, 64),
  ((12.5, 230.1), 120.9, 160),
  ((-80.0, -90.0), 60.0, 64),
  ((160.2, 120.8), 290.6, 64),
  ((100.1, 20.4), 811.3, 64),
)
pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def film():
  return render_sequence(
    seed=4, name="demo", frames=FRAMES, height=HEIGHT, width=WIDTH, difficulty=Difficulty.graded(0.4)
  )


@pytest.fixture(scope="module")
def served(tmp_path_factory, film):
  """(folder, address) of the page with its files, served as `python -m http.server` does."""
  FILES.mkdir(exist_ok=True)
  try:
    fetch_runtime(FILES)
  except InputError as error:
    pytest.skip(str(error))
  folder = tmp_path_factory.mktemp("demo")
  (folder / "files").mkdir()
  for path in [*PAGE.glob("*.*"), *FILES.glob("ort*")]:
    (folder / path.relative_to(PAGE)).symlink_to(path)
  (folder / "files" / "tracker.onnx").symlink_to(shipped_onnx())
  (folder / "files" / STYLE.name).symlink_to(STYLE)
  opaque = np.full((FRAMES, HEIGHT, WIDTH, 1), 255, np.uint8)
  (folder / "frames.bin").write_bytes(np.concatenate([film.frames, opaque], -1).tobytes())
  with VideoWriter(folder / "clip.mp4", fps=10.0) as video:
    for t, frame in enumerate(film.frames):
      video.write(frame, start_s=t / 10, duration_s=0.1)
  handler = functools.partial(Quiet, directory=str(folder))
  with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *_) -> None:
    pass


@contextlib.contextmanager
def opened(address: str):
  """The page, when its network is there."""
  with tab() as page:
    page.open(address)
    wait_for(page, "Boolean(globalThis.demo)")
    yield page


def wait_for(page, condition: str, seconds: float = 60.0) -> None:
  end = time.monotonic() + seconds
  while not page.value(condition):
    assert time.monotonic() < end, (condition, page.value("document.getElementById('say').textContent"), page.problems)
    time.sleep(0.05)


LOOK = f"""
const bytes = new Uint8ClampedArray(await (await fetch("frames.bin")).arrayBuffer()), size = {4 * WIDTH * HEIGHT};
const frame = (t) => ({{ width: {WIDTH}, height: {HEIGHT}, data: bytes.subarray(t * size, (t + 1) * size) }});
"""


def test_crops_and_exits_are_pythons(served, film):
  tracker = OnnxTracker(served[0] / "files" / "tracker.onnx")
  target, expected = tracker.init(film.frames[0], film.boxes_xywh[0]), []
  for frame in film.frames[1:]:
    target, track = tracker.update(target, frame)
    expected.append(track)
  with opened(served[1]) as page:
    asked = f"[{', '.join(f'[[{x}, {y}], {side}, {px}]' for (x, y), side, px in CROPS)}]"
    crops = page.value(f"""(async () => {{ {LOOK} const {{ cropSquare }} = await import("./crops.js");
      return {asked}.map(([center, side, px]) => [...cropSquare(frame(0), center, side, px)]); }})()""")
    box = film.boxes_xywh[0].tolist()
    found = page.value(f"""(async () => {{ {LOOK} const {{ tracker }} = globalThis.demo, found = [];
      let target = await tracker.init(frame(0), {box}, tracker.settings.threshold), track;
      for (let t = 1; t < {FRAMES}; t++) {{
        ({{ target, track }} = await tracker.update(target, frame(t)));
        found.push(track);
      }}
      return found; }})()""")
    assert page.problems == []
  for (center, side, px), crop in zip(CROPS, crops, strict=True):
    np.testing.assert_array_equal(
      np.uint8(crop).reshape(px, px, 3), crop_square(film.frames[0], np.float32(center), side, px)
    )
  assert [one["depth"] for one in found] == [int(track.depth) for track in expected]
  # Sums of float32 in another order, 1e-4 px; from a box to a crop that makes now and then another byte.
  np.testing.assert_allclose([one["box"] for one in found], [track.box_xywh for track in expected], atol=0.2)
  np.testing.assert_allclose([one["score"] for one in found], [track.score for track in expected], atol=0.02)


def test_a_person_opens_a_video_boxes_the_target_and_sees_its_depths(served, film):
  with opened(served[1]) as page:
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(served[0] / "clip.mp4")], nodeId=node)
    wait_for(page, "document.getElementById('say').textContent.startsWith('Draw')")
    draw(page, film.boxes_xywh[0])
    wait_for(page, "document.getElementById('say').textContent.startsWith('The end')")
    rows = page.value("demo.rows")
    assert FRAMES // 2 <= len(rows) < FRAMES  # a browser may pass over a frame
    overlaps = [max(iou(np.float32(row["box"]), box) for box in film.boxes_xywh) for row in rows]
    assert sum(overlap > 0.5 for overlap in overlaps) >= FRAMES // 2
    assert page.value("document.getElementById('exit').textContent") in ("lost", f"depth {rows[-1]['depth'] + 1}")
    assert page.value("document.querySelectorAll('.depth.exit').length") == 1
    assert float(page.value("document.getElementById('ms').textContent")) > 0
    page.value("document.getElementById('again').click()")
    wait_for(page, "document.getElementById('say').textContent.startsWith('Draw') && demo.video.currentTime === 0")
    assert page.problems == [] and all(url.startswith((served[1], "blob:")) for url in page.requests)


def draw(page, box_xywh: np.ndarray) -> None:
  """Draws a box of the frame on the picture, by mouse."""
  left, top, width = page.value("(({ left, top, width }) => [left, top, width])(picture.getBoundingClientRect())")
  corners = left + box_xywh[0::2] * width / WIDTH, top + box_xywh[1::2] * width / WIDTH
  (x, w), (y, h) = [
    (float(start), float(start + size - at)) for (start, size), at in zip(corners, (left, top), strict=True)
  ]
  for kind, at in (("mousePressed", (x, y)), ("mouseMoved", (w, h)), ("mouseReleased", (w, h))):
    page.call("Input.dispatchMouseEvent", type=kind, x=at[0], y=at[1], button="left", buttons=1, clickCount=1)


def test_npm_that_is_not_there_is_told_in_one_line(tmp_path, monkeypatch):
  monkeypatch.setenv("PATH", str(tmp_path))
  with pytest.raises(InputError, match="npm is not installed"):
    fetch_runtime(tmp_path)
