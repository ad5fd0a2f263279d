"""Does a process that tracks for hours stay as small and as fast as it was?

python -m experiments.reliability.long_run runs/long --frames 100000

Four parts, each a line of long.json, written as soon as it is done:
one     a target in a rendered video that plays forwards and backwards again and again
many    64 targets at once
large   a video of 3840 x 2160, decoded and tracked
hours   a video of ten hours: what its opening costs in memory, and how reading and tracking go on from there
"""

import argparse
import itertools
import json
import pathlib
import resource
import time
from collections.abc import Iterable, Iterator

import av
import jax
import numpy as np

from adadepth.data.render import Difficulty, render_sequence
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.io.video import read_frames
from adadepth.io.video_frames import VideoFrames
from adadepth.io.video_writer import VideoWriter
from adadepth.tracking.tracker import Tracker

COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
CLIP, TARGETS, LARGE_HW, HOURS_S, FPS = 120, 64, (2160, 3840), 36_000, 25
WARM = 0.1  # of the frames, before memory is looked at


def rss_bytes() -> int:
  """The memory that this process holds now."""
  return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def forth_and_back(frames: np.ndarray) -> Iterator[np.ndarray]:
  """Frames without an end in which nothing jumps."""
  return itertools.cycle([*frames, *frames[-2:0:-1]])


def follow(tracker: Tracker, frames: Iterable[np.ndarray], boxes, *, count: int) -> dict:
  """Tracks so many frames; how memory, speed and the number of compiled programs went."""
  compiled: list[float] = []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: compiled.append(seconds) if event == COMPILE_EVENT else None
  )
  frames, every = iter(frames), max(1, count // 200)
  target = tracker.init(next(frames), boxes)
  target, _ = tracker.update(target, next(frames))
  first, lost, rows = len(compiled), 0, []
  began = time.perf_counter()
  for t, frame in enumerate(itertools.islice(frames, count)):
    target, track = tracker.update(target, frame)
    lost += bool(np.any(track.lost))
    if t % every == 0:
      rows.append((t, rss_bytes(), time.perf_counter() - began))
  at, rss, seconds = np.array(rows, float).T
  warm = at >= WARM * count
  tenth = max(2, len(rows) // 10)
  fps = [
    (at[part][-1] - at[part][0]) / (seconds[part][-1] - seconds[part][0])
    for part in (slice(tenth), slice(-tenth, None))
  ]
  return {
    "frames": t + 1,
    "rss_mib_after_the_first_tenth": rss[warm][0] / 2**20,
    "rss_mib_at_the_end": rss[-1] / 2**20,
    "rss_bytes_a_frame": np.polyfit(at[warm], rss[warm], 1)[0],
    "fps_first_tenth": fps[0],
    "fps_last_tenth": fps[1],
    "seconds": seconds[-1],
    "compiled_before": first,
    "compiled_after_the_second_frame": len(compiled) - first,
    "frames_lost": lost,
  }


def measure_one(frames: int, folder: pathlib.Path) -> dict:
  clip = render_sequence(seed=1, name="long", frames=CLIP, difficulty=Difficulty.graded(0.3))
  return follow(Tracker(), forth_and_back(clip.frames), clip.boxes_xywh[0], count=frames)


def measure_many(frames: int, folder: pathlib.Path) -> dict:
  clip = render_sequence(seed=1, name="many", frames=CLIP, height=480, width=640, difficulty=Difficulty.graded(0.3))
  x, y = np.meshgrid(np.linspace(20, 560, 8), np.linspace(20, 400, 8))
  boxes = np.stack([x.ravel(), y.ravel(), np.full(TARGETS, 50), np.full(TARGETS, 50)], axis=-1)
  return {"targets": TARGETS, **follow(Tracker(), forth_and_back(clip.frames), boxes, count=frames // 100)}


def measure_large(frames: int, folder: pathlib.Path) -> dict:
  height, width = LARGE_HW
  clip = render_sequence(seed=1, name="4K", frames=24, height=height // 8, width=width // 8, difficulty=Difficulty())
  with VideoWriter(folder / "large.mp4", fps=FPS) as video:
    for frame in itertools.islice(forth_and_back(clip.frames), max(48, frames // 200)):
      video.write(frame.repeat(8, axis=0).repeat(8, axis=1))
  read = read_frames(folder / "large.mp4")
  return {"size_wh": (read.info.width, read.info.height)} | follow(
    Tracker(), read, 8 * clip.boxes_xywh[0], count=read.info.count - 2
  )


def write_hours(path: pathlib.Path, clip: np.ndarray, seconds: int) -> None:
  """A video of so many seconds: one coded clip again and again, each frame a packet of its own."""
  short = path.with_name("short.mp4")
  with VideoWriter(short, fps=FPS) as video:
    for frame in clip:
      video.write(frame)
  with av.open(str(short)) as source, av.open(str(path), "w") as out:
    packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
    stream = out.add_stream_from_template(source.streams.video[0])
    step = int(packets[1].pts - packets[0].pts)
    data = [(bytes(packet), packet.is_keyframe) for packet in packets]
    for t in range(seconds * FPS):
      packet = av.Packet(data[t % len(data)][0])
      packet.pts = packet.dts = t * step
      packet.duration, packet.time_base = step, packets[0].time_base
      packet.is_keyframe, packet.stream = data[t % len(data)][1], stream
      out.mux(packet)


def measure_hours(frames: int, folder: pathlib.Path) -> dict:
  clip = render_sequence(seed=1, name="hours", frames=CLIP, difficulty=Difficulty())
  path = folder / "hours.mp4"
  write_hours(path, np.concatenate([clip.frames, clip.frames[-2:0:-1]]), HOURS_S)
  before, began = rss_bytes(), time.perf_counter()
  stream = read_frames(path)
  opened_s, opened = time.perf_counter() - began, rss_bytes()
  numbered = VideoFrames(stream)
  numbered[0]
  reading = rss_bytes()
  return {
    "file_mib": path.stat().st_size / 2**20,
    "listed_frames": len(numbered),
    "opened_s": opened_s,
    "opened_mib": (opened - before) / 2**20,
    "reading_mib": (reading - before) / 2**20,
    **follow(Tracker(), (numbered[t] for t in range(len(numbered))), clip.boxes_xywh[0], count=frames // 10),
  }


PARTS = {"one": measure_one, "many": measure_many, "large": measure_large, "hours": measure_hours}


def main(workdir: str, frames: int, parts: list[str]) -> None:
  """Measures each part and writes it to long.json in the folder."""
  enable_compilation_cache()
  folder = pathlib.Path(workdir)
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / "long.json"
  for part in parts:
    found = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, found | {part: PARTS[part](frames, folder)})
    print(json.dumps({part: json.loads(path.read_text())[part]}, indent=1), flush=True)


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir")
  parser.add_argument("--frames", type=int, default=100_000, help="of the part `one`; the others take a share")
  parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=list(PARTS))
  main(**vars(parser.parse_args()))
