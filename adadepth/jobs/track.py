"""Tracks one target through a video: boxes.csv and an annotated mp4."""

import json
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

import numpy as np
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.evaluation.one_pass import follow
from adadepth.io.boxes_csv import BoxRow, write_boxes_csv
from adadepth.io.images import Levels
from adadepth.io.progress import progress
from adadepth.io.run_record import run_record
from adadepth.io.video import FrameStream, TimedFrame, VideoWriter, local_path, read_frames
from adadepth.io.workdir import all_or_none
from adadepth.jobs.from_config import model_of
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model, check_gates
from adadepth.reports.drawing import annotate_frame
from adadepth.tracking.budget import Budget, budget_for
from adadepth.tracking.policies import FIXED
from adadepth.tracking.step import Track
from adadepth.tracking.tracker import Tracker, check_box, check_policy, computed_confidences

BOXES, VIDEO, RECORD = OUTPUTS = ("boxes.csv", "track.mp4", "track.json")


def parse_box(text: str) -> np.ndarray:
  """ "x,y,w,h" as float32 [4].

  Raises:
    InputError: not four numbers.
  """
  try:
    box = np.array([float(part) for part in text.split(",")], np.float32)
  except ValueError:
    box = np.zeros(0, np.float32)
  if box.shape != (4,):
    raise InputError(f"`config.box` (={text!r}) must be four numbers, x,y,w,h: the target in the first frame")
  return box


def parse_levels(text: str) -> Levels | None:
  """ "low,high" as levels, "" as None.

  Raises:
    InputError: not two numbers, the lower one first.
  """
  try:
    levels = Levels(*(float(part) for part in text.split(","))) if text else None
  except (TypeError, ValueError):
    levels = Levels(0, 0)
  if levels and not levels.low < levels.high:
    raise InputError(f"`config.levels` (={text!r}) must be two numbers, low,high: what becomes black and white")
  return levels


def run_track(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes boxes.csv, track.mp4 and track.json to the workdir, all of them or none."""
  if not config.video:
    raise InputError("`config.video` (='') must name a video file or a folder of frames")
  check_config_policy(config)
  check_threshold(config)
  stream = read_frames(config.video, argument="config.video", levels=parse_levels(config.levels))
  box = parse_box(config.box)
  check_box(box, (stream.info.height, stream.info.width), "config.box")
  check_earlier(config, workdir)
  model = chosen_model(config, workdir)
  tracker = Tracker(model, config.policy, chosen_budget(config, model))
  with all_or_none(workdir) as folder:
    run_record(folder, {**config.to_dict(), "video": str(local_path(config.video).resolve())}, 0, name=RECORD)
    count, fps = track_stream(tracker, stream, box, config.policy, folder)
  if stream.info.exact and count < stream.info.count:
    print(f"{config.video} lists {stream.info.count} frames, {count} could be read", file=sys.stderr)
  speed = f", {fps:.1f} FPS from decoded frame to box" if fps else ""
  print(f"{count} frames{speed}; wrote {workdir / BOXES} and {workdir / VIDEO}")


def track_stream(
  tracker: Tracker, stream: FrameStream, box: np.ndarray, policy: str, folder: pathlib.Path
) -> tuple[int, float | None]:
  """Writes boxes.csv and track.mp4 to the folder; returns how many frames there were, and how many a second."""
  rows, seconds, times = [], [], []
  frames = progress(noting_times(stream.timed(), times), "tracking", total=stream.info.count)
  with VideoWriter(folder / VIDEO, fps=stream.info.fps) as video:
    for frame, track, elapsed in follow(tracker, frames, box):
      figures = shown_figures(track, policy, given=not rows)
      start_s, duration_s = times[len(rows)]
      rows.append(csv_row(len(rows), track))
      seconds.append(elapsed)
      annotated = annotate_frame(frame, predicted_xywh=track.box_xywh, **figures)
      video.write(annotated, start_s=start_s, duration_s=duration_s)
  write_boxes_csv(folder / BOXES, rows)
  return len(rows), len(seconds[1:]) / sum(seconds[1:]) if seconds[1:] else None


def noting_times(frames: Iterable[TimedFrame], times: list[tuple[float, float]]) -> Iterator[np.ndarray]:
  """The frames alone; when each is shown, and for how long, is appended to `times` before it is yielded."""
  for frame, start_s, duration_s in frames:
    times.append((start_s, duration_s))
    yield frame


def check_earlier(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Raises InputError for a workdir with results of another video, or whose results are the video itself."""
  video, there = local_path(config.video), [workdir / name for name in OUTPUTS if (workdir / name).exists()]
  if any(video.samefile(path) for path in there):
    raise InputError(f"`config.video` (={config.video}) would be overwritten by its own annotation; name a --workdir")
  if not there or config.overwrite:
    return
  tracked = tracked_video(workdir / RECORD)
  if tracked != video.resolve():
    raise InputError(
      f"`--workdir` (={workdir}) holds {there[0].name} of {tracked or 'an unknown video'}: give another --workdir, or "
      "--config.overwrite=True"
    )


def tracked_video(record: pathlib.Path) -> pathlib.Path | None:
  """The video that a track.json is of; None where there is no such file, or it does not say."""
  try:
    return pathlib.Path(json.loads(record.read_text())["config"]["video"]).resolve()
  except (OSError, ValueError, TypeError, KeyError):
    return None


def check_config_policy(config: ConfigDict) -> None:
  """`check_policy` of `config.policy` and `config.budget`, by their names in the config."""
  try:
    check_policy(config.policy, config.budget or None)
  except InputError as error:
    raise InputError(re.sub(r"^`", "`config.", str(error))) from None


def check_threshold(config: ConfigDict) -> None:
  """Raises InputError for a `config.threshold` that cannot be, or that nothing would use."""
  if not config.threshold < 1:
    raise InputError(f"`config.threshold` (={config.threshold}) must lie below 1; negative: the model's own")
  if config.threshold >= 0 and (config.policy != "hard" or config.budget):
    used = f"config.budget = {config.budget:g} moves T" if config.budget else f"{config.policy!r} has no T"
    raise InputError(f'`config.threshold` (={config.threshold}) is for the policy "hard" without a budget: {used}')


def chosen_model(config: ConfigDict, workdir: pathlib.Path) -> Model:
  """The model that config names, with its own threshold or config's.

  Raises:
    InputError: see `model_of`, or no gates for a policy that asks them.
  """
  model = model_of(config, workdir)
  if config.policy not in FIXED:
    check_gates(model, f"`config.model` (={config.model or workdir})")
  return model if config.threshold < 0 else model._replace(threshold=config.threshold)


def chosen_budget(config: ConfigDict, model: Model) -> Budget | None:
  """`config.budget`, if there is one."""
  return budget_for(model.calibration, config.budget, argument="config.budget") if config.budget else None


def shown_figures(track: Track, policy: str, *, given: bool) -> dict:
  """`confidences` and `depth` of `annotate_frame`: nothing was computed for a given box, and "soft" has no exit."""
  confidences = np.full(DEPTHS, np.nan, np.float32) if given else computed_confidences(track)
  return {"confidences": confidences, "depth": None if given or policy == "soft" else int(track.depth)}


def csv_row(frame: int, track: Track) -> BoxRow:
  """One line of boxes.csv; the given first box has confidence 1 at depth xcorr1."""
  confidence = float(track.confidences.max()) if frame else 1.0
  return BoxRow(frame, *(float(v) for v in track.box_xywh), confidence, int(track.depth) + 1)
