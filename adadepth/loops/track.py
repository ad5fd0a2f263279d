"""Tracks one target through a video: boxes.csv and an annotated mp4."""

import pathlib
import time

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.io.drawing import annotate_frame
from adadepth.io.models import load_model
from adadepth.io.video import BoxRow, VideoWriter, read_frames, write_boxes_csv
from adadepth.io.writers import progress, run_record
from adadepth.loops.tracking import Tracker, check_box


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
  if not config.video:
    raise InputError("`config.video` (='') must name a video file or a folder of frames")
  stream = read_frames(config.video)
  check_box(box, (stream.info.height, stream.info.width), "config.box")
  model = load_model(config.model)
  if config.threshold >= 1:
    raise InputError(f"`config.threshold` (={config.threshold}) must lie below 1; negative: the model's own")
  if config.threshold >= 0:
    model = model._replace(threshold=config.threshold)
  tracker = Tracker(model, config.policy)
  workdir.mkdir(parents=True, exist_ok=True)
  run_record(workdir, config.to_dict(), 0)
  rows, seconds, target = [], [], None
  with VideoWriter(workdir / "track.mp4", fps=stream.info.fps) as video:
    for t, frame in enumerate(progress(stream, "tracking", total=stream.info.count)):
      start = time.perf_counter()
      if target is None:
        target = tracker.init(frame, box)
        found, confidences, depth = box, np.full(5, np.nan, np.float32), 0
      else:
        target, track = tracker.update(target, frame)
        found, confidences, depth = jax.device_get(track)
        confidences = np.where(np.arange(5) <= depth, confidences, np.nan)
        seconds.append(time.perf_counter() - start)
      confidence = 1.0 if t == 0 else float(np.nanmax(confidences) if config.policy == "soft" else confidences[depth])
      rows.append(BoxRow(t, *(float(v) for v in found), confidence, int(depth) + 1))
      video.write(annotate_frame(frame, predicted_xywh=found, confidences=confidences, depth=int(depth)))
  write_boxes_csv(workdir / "boxes.csv", rows)
  fps = len(seconds[1:]) / sum(seconds[1:]) if len(seconds) > 1 else float("nan")
  print(f"{len(rows)} frames, {fps:.1f} FPS from decoded frame to box (compilation left out)")
  print(f"wrote {workdir / 'boxes.csv'} and {workdir / 'track.mp4'}")
