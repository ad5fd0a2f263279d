"""Tracks one target through a video: boxes.csv and an annotated mp4."""

import pathlib
import re

import numpy as np
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.evaluation.one_pass import follow
from adadepth.io.boxes_csv import BoxRow, write_boxes_csv
from adadepth.io.progress import progress
from adadepth.io.run_record import run_record
from adadepth.io.video import VideoWriter, read_frames
from adadepth.jobs.from_config import model_of
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model, check_gates
from adadepth.reports.drawing import annotate_frame
from adadepth.tracking.budget import Budget, budget_for
from adadepth.tracking.policies import FIXED
from adadepth.tracking.step import Track
from adadepth.tracking.tracker import Tracker, check_box, check_policy, computed_confidences


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


def run_track(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes boxes.csv and track.mp4 to the workdir."""
  box = parse_box(config.box)
  check_config_policy(config)
  check_threshold(config)
  if not config.video:
    raise InputError("`config.video` (='') must name a video file or a folder of frames")
  stream = read_frames(config.video, argument="config.video")
  check_box(box, (stream.info.height, stream.info.width), "config.box")
  model = chosen_model(config, workdir)
  tracker = Tracker(model, config.policy, chosen_budget(config, model))
  workdir.mkdir(parents=True, exist_ok=True)
  run_record(workdir, config.to_dict(), 0, name="track.json")
  rows, seconds = [], []
  frames = progress(stream, "tracking", total=stream.info.count)
  try:
    with VideoWriter(workdir / "track.mp4", fps=stream.info.fps) as video:
      for frame, track, elapsed in follow(tracker, frames, box):
        figures = shown_figures(track, config.policy, given=not rows)
        rows.append(csv_row(len(rows), track))
        seconds.append(elapsed)
        video.write(annotate_frame(frame, predicted_xywh=track.box_xywh, **figures))
  finally:  # what was tracked is kept if a later frame cannot be read
    if rows:
      write_boxes_csv(workdir / "boxes.csv", rows)
  speed = f", {len(seconds[1:]) / sum(seconds[1:]):.1f} FPS from decoded frame to box" if seconds[1:] else ""
  print(f"{len(rows)} frames{speed}; wrote {workdir / 'boxes.csv'} and {workdir / 'track.mp4'}")


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
