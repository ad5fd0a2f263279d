"""Tracks targets through a video: boxes.csv, an annotated mp4, a timeline, and result files for toolkits."""

import pathlib
import signal
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.io.first_boxes import FirstBox
from adadepth.io.interruption import Stopped, stop_when_asked
from adadepth.io.json_files import write_json
from adadepth.io.live import LiveStream
from adadepth.io.progress import progress
from adadepth.io.run_record import run_record
from adadepth.io.toolkit_formats import parse_formats
from adadepth.io.video import FrameStream, TimedFrame, VideoInfo
from adadepth.io.video_writer import VideoWriter
from adadepth.io.window import Window
from adadepth.io.workdir import PAGE, all_or_none, files_under, put_aside
from adadepth.jobs.track_inputs import (
  BOXES,
  RUN,
  VIDEO,
  Engine,
  check_config_policy,
  check_drawable,
  check_earlier,
  check_settings,
  drawn_box,
  earlier_files,
  first_boxes_of,
  made_from,
  open_frames,
  open_window,
  record_to_go_on,
  video_in_full,
)
from adadepth.jobs.track_results import (
  not_begun,
  shown_targets,
  summary,
  trails_of,
  video_name,
  write_formats,
  write_tables,
  write_track_page,
)
from adadepth.reports.overlay import draw_targets
from adadepth.reports.stills import Stills
from adadepth.reports.viewer import Film
from adadepth.tracking.record import Record
from adadepth.tracking.targets import Batch, Follows, begin_batch, follow_all, state_of


class Run(NamedTuple):
  """All that a run is made of; `record` is what it has tracked so far."""

  config: ConfigDict
  workdir: pathlib.Path
  stream: FrameStream | LiveStream
  first_boxes: list[FirstBox]
  engine: Engine
  record: Record
  window: Window | None


STOPPING = "stopping after this frame; what was tracked is written (Ctrl-C again: it is not)"


def run_track(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes what was tracked to the workdir, all files or none; after Ctrl-C, what was tracked until then."""
  check_settings(config)
  runtime = runtime_named(config.runtime)
  check_config_policy(config, runtime.KNOWN)
  stream = open_frames(config)
  window = None
  try:
    first_boxes = first_boxes_of(config, stream.info)
    check_earlier(config, workdir)
    window = open_window(config)
    check_drawable(first_boxes, window)
    engine = runtime.engine_of(config, workdir)
    if isinstance(stream, LiveStream):
      warm_up(engine.tracker, stream.info, first_boxes)
    first_boxes = first_boxes or drawn_box(stream, window)
    record = record_to_go_on(config, workdir, made_from(config, stream, first_boxes, engine))
    track_and_write(Run(config, workdir, stream, first_boxes, engine, record, window))
  finally:
    for opened in (window, stream if isinstance(stream, LiveStream) else None):
      if opened is not None:
        opened.close()


def runtime_named(name: str) -> types.ModuleType:
  """What tracks with a runtime; the other one, and what it is made of, is not imported."""
  if name == "onnx":
    from adadepth.jobs import track_with_onnx as runtime
  else:
    from adadepth.jobs import track_with_xla as runtime
  return runtime


def warm_up(tracker: Follows, info: VideoInfo, first_boxes: list[FirstBox]) -> None:
  """Compiles for a camera before it is looked at: its targets do not wait."""
  center = np.array((info.width / 4, info.height / 4, info.width / 2, info.height / 2), np.float32)
  boxes = first_boxes or [FirstBox(0, center, "", "")]
  begin_batch(tracker, np.zeros((info.height, info.width, 3), np.uint8), boxes, tuple(range(len(boxes))))


def track_and_write(run: Run) -> None:
  """All files of the run, and a line that sums it up."""
  config, workdir, record, first_boxes = run.config, run.workdir, run.record, run.first_boxes
  formats = parse_formats(config.format, argument="config.format")
  stills = Stills()
  with all_or_none(workdir, older=earlier_files(workdir)) as folder:
    with stop_when_asked(STOPPING) as stop:
      track_stream(run, folder, stop, stills)
    if not record.found:
      raise InputError(f"`config.video` (={video_in_full(config.video)}) was stopped before its first frame")
    if len(not_begun(record, first_boxes)) == len(first_boxes):
      raise InputError(
        f"`config.boxes` (={config.boxes}): none begins in the {len(record.found)} frames that there are"
      )
    write_tables(folder, record, first_boxes)
    write_formats(folder, formats, video_name(video_in_full(config.video)), record, first_boxes)
    written = run_record(folder, {**config.to_dict(), "video": video_in_full(config.video)}, 0, name=RUN)
    draw_page(folder, run, stills, written)
    write_json(folder / RUN, {**written, "files": files_under(folder)})
    if PAGE not in earlier_files(workdir):  # a page of the model's own run, say
      put_aside(workdir / PAGE)
  tell(run, stopped=stop.is_set())
  if stop.number == signal.SIGTERM:
    raise Stopped(stop.number, f"{len(record.found)} frames are tracked")


def draw_page(folder: pathlib.Path, run: Run, stills: Stills, record: dict) -> None:
  """report.html."""
  stream, tracker = run.stream, run.engine.tracker
  film = Film(
    name=video_name(video_in_full(run.config.video)),
    size_wh=(stream.info.width, stream.info.height),
    first=0,
    jpegs=stills.jpegs,
    shown=stills.numbers,
    fps=min(15.0, stream.info.fps / stills.every),
  )
  if tracker.policy == "hard" and tracker.budget is None:
    film = film._replace(threshold=np.full(len(run.record.found), tracker.threshold, np.float32))
  lead = summary(run.record, run.engine.cost_by_exit)
  write_track_page(folder, film, trails_of(run.record, run.first_boxes), lead, record)


def track_stream(run: Run, folder: pathlib.Path, stop: threading.Event, stills: Stills) -> None:
  """Tracks what the record does not hold yet, into it, writes track.mp4 to the folder, and keeps stills."""
  stream, record = run.stream, run.record
  times: list[tuple[float, float]] = []
  batches: list[Batch] | None = None
  timed = stream.timed(stop) if isinstance(stream, LiveStream) else stream.timed()
  frames = progress(noting_times(timed, times), "tracking", total=stream.info.count)
  with VideoWriter(folder / VIDEO, fps=stream.info.fps) as video:
    for t, step in enumerate(follow_all(run.engine.tracker, frames, run.first_boxes, earlier=record.earlier)):
      if step.found is not None:
        record.found.append(step.found)
        record.seconds.append(step.seconds)
        batches = step.batches
      stills.add(step.frame)
      shown = shown_targets(record.found[t], run.first_boxes)
      annotated = draw_targets(step.frame, shown, confidences=run.config.confidences)
      video.write(annotated, start_s=times[t][0], duration_s=times[t][1])
      if run.window is not None and not run.window.show(annotated):
        stop.set()
      if stop.is_set() and t + 1 >= len(record.found):
        break
  record.times = times
  record.states = record.states if batches is None else [state_of(batch) for batch in batches]


def noting_times(frames: Iterable[TimedFrame], times: list[tuple[float, float]]) -> Iterator[np.ndarray]:
  """The frames alone; when each is shown, and for how long, is appended to `times` before it is yielded."""
  for frame, start_s, duration_s in frames:
    times.append((start_s, duration_s))
    yield frame


def tell(run: Run, *, stopped: bool) -> None:
  """The summary on stdout, and on stderr what a person may not expect."""
  stream, record = run.stream, run.record
  info, count = stream.info, len(record.found)
  if isinstance(stream, LiveStream):
    dropped = f"{stream.dropped} frames came too late and were dropped"
    print(f"{dropped}; {stream.name} ended: {stream.ended}" if stream.ended else dropped, file=sys.stderr)
  elif stopped:
    print("stopped; the same command goes on from here", file=sys.stderr)
  elif info.exact and count < info.count:
    print(f"{run.config.video} lists {info.count} frames, {count} could be read", file=sys.stderr)
  if never := not_begun(record, run.first_boxes):
    print(f"{len(never)} targets begin after frame {count - 1}, the last: {', '.join(never)}", file=sys.stderr)
  print(f"{summary(record, run.engine.cost_by_exit)}; wrote {run.workdir / BOXES} and {run.workdir / VIDEO}")
