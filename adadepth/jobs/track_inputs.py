"""What `config` of the job "track" says, checked: frames, first boxes, and what lies in the workdir."""

import hashlib
import json
import pathlib
import re
import sys
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.io.code_digest import digest_of_code
from adadepth.io.first_boxes import FirstBox, parse_boxes, read_boxes
from adadepth.io.images import Levels
from adadepth.io.live import LiveStream, is_live, open_live
from adadepth.io.run_record import without_password
from adadepth.io.toolkit_formats import parse_formats
from adadepth.io.video import FrameStream, VideoInfo, local_path, read_frames
from adadepth.io.window import Window, why_no_window
from adadepth.tracking.accepted import check_box, check_policy
from adadepth.tracking.record import Record, load_record
from adadepth.tracking.targets import Follows

BOXES, VIDEO, TIMELINE, ARRAYS, RUN = OUTPUTS = ("boxes.csv", "track.mp4", "timeline.png", "track.npz", "track.json")
RUNTIMES = ("xla", "onnx")
ROOMS = ("maths", "io", "models", "data", "tracking", "export")  # whose code decides what is tracked
BOX_CURE = "give x,y,w,h of the target in the first frame"


class Engine(NamedTuple):
  """What tracks, and what is said of it.

  Attributes:
    tracker: of the runtime, the model, the policy and the budget that config names.
    cost_by_exit: what a frame costs that stops at each depth, in any unit, [5].
    version: a digest of the network and what a budget makes of it.
  """

  tracker: Follows
  cost_by_exit: Float[np.ndarray, "5"]
  version: str


def check_settings(config: ConfigDict) -> None:
  """Raises InputError for a setting that cannot be; nothing is opened."""
  if not config.video:
    raise InputError("`config.video` (='') must name a video file, a folder of frames, a camera or a stream")
  if config.box and config.boxes:
    raise InputError(f"`config.box` (={config.box}) and `config.boxes` (={config.boxes}): give one of them")
  if config.runtime not in RUNTIMES:
    raise InputError(f"`config.runtime` (={config.runtime!r}) must be one of {', '.join(RUNTIMES)}")
  check_threshold(config)
  parse_levels(config.levels)
  parse_formats(config.format, argument="config.format")


def check_config_policy(config: ConfigDict, known: Collection[str]) -> None:
  """`check_policy` of `config.policy` and `config.budget`, by their names in the config."""
  try:
    check_policy(config.policy, config.budget or None, known)
  except InputError as error:
    raise InputError(re.sub(r"^`", "`config.", str(error))) from None


def check_threshold(config: ConfigDict) -> None:
  """Raises InputError for a `config.threshold` that cannot be, or that nothing would use."""
  if not config.threshold < 1:
    raise InputError(f"`config.threshold` (={config.threshold}) must lie below 1; negative: the model's own")
  if config.threshold >= 0 and (config.policy != "hard" or config.budget):
    used = f"config.budget = {config.budget:g} moves T" if config.budget else f"{config.policy!r} has no T"
    raise InputError(f'`config.threshold` (={config.threshold}) is for the policy "hard" without a budget: {used}')


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


# Frames and first boxes.


def open_frames(config: ConfigDict) -> FrameStream | LiveStream:
  """`config.video`, opened."""
  levels = parse_levels(config.levels)
  if is_live(config.video):
    return open_live(config.video, levels=levels)
  return read_frames(config.video, argument="config.video", levels=levels)


def open_window(config: ConfigDict) -> Window | None:
  """`config.show`, where it can be; else a line says why not."""
  if not config.show:
    return None
  if reason := why_no_window():
    print(f"`config.show` (=True): {reason}; there is no window, all else goes on", file=sys.stderr)
    return None
  return Window()


def first_boxes_of(config: ConfigDict, info: VideoInfo) -> list[FirstBox]:
  """`config.box` or `config.boxes`, each checked against the frames; none where neither is given."""
  if config.boxes:
    boxes = read_boxes(config.boxes, argument="config.boxes")
  else:
    boxes = parse_boxes(config.box, argument="config.box") if config.box else []
  for box in boxes:
    check_box(box.box_xywh, (info.height, info.width), box.origin)
    if info.exact and box.frame >= info.count:
      raise InputError(f"`{box.origin}` begins in frame {box.frame}; the video has frames 0 to {info.count - 1}")
  return boxes


def check_drawable(first_boxes: list[FirstBox], window: Window | None) -> None:
  """Raises InputError where there is no box, and no window to draw one in."""
  if not first_boxes and window is None:
    raise InputError(f"`config.box` (='') names no target: {BOX_CURE}, or draw it with --config.show=True")


def drawn_box(stream: FrameStream | LiveStream, window: Window) -> list[FirstBox]:
  """The target that a person draws on the first frame.

  Raises:
    InputError: none was drawn.
  """
  frame = stream.first_frame() if isinstance(stream, LiveStream) else next(iter(stream))
  box = window.draw_box(frame)
  if box is None:
    raise InputError(f"`config.box` (='') and no box was drawn: {BOX_CURE}, or draw it again")
  return [FirstBox(0, box, "0", "config.box")]


# What lies in the workdir.


def check_earlier(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Raises InputError for a workdir with results of another video, or whose results are the video itself."""
  there = [workdir / name for name in OUTPUTS if (workdir / name).exists()]
  if not is_live(config.video) and any(local_path(config.video).samefile(path) for path in there):
    raise InputError(f"`config.video` (={config.video}) would be overwritten by its own annotation; name a --workdir")
  if not there or config.overwrite:
    return
  tracked = tracked_video(workdir / RUN)
  cure = "give another --workdir, or --config.overwrite=True"
  if tracked != video_in_full(config.video):
    raise InputError(f"`--workdir` (={workdir}) holds {there[0].name} of {tracked or 'an unknown video'}: {cure}")
  if is_live(config.video):
    raise InputError(
      f"`--workdir` (={workdir}) holds {there[0].name} of {tracked}; to go on is not possible, since its frames are "
      f"gone: {cure}"
    )


def video_in_full(video: str) -> str:
  """A path from the root on, or a camera or URL as people may see it."""
  return without_password(video) if is_live(video) else str(local_path(video).resolve())


def tracked_video(run: pathlib.Path) -> str | None:
  """The video that a track.json is of; None where there is no such file, or it does not say."""
  try:
    video = json.loads(run.read_text())["config"]["video"]
    return video_in_full(video)
  except (OSError, ValueError, TypeError, KeyError, RecursionError):
    return None


def earlier_files(workdir: pathlib.Path) -> list[str]:
  """The result files that the run in a workdir says it has written."""
  try:
    return [str(name) for name in json.loads((workdir / RUN).read_text())["files"]]
  except (OSError, ValueError, TypeError, KeyError, RecursionError):
    return []


def record_to_go_on(config: ConfigDict, workdir: pathlib.Path, made_from: dict[str, str]) -> Record:
  """The earlier run's record, where it was made from the same; else an empty one, and a line that says why."""
  empty = Record(made_from)
  if config.overwrite or not (workdir / ARRAYS).exists():
    return empty
  earlier = load_record(workdir / ARRAYS)
  if earlier is None:
    print(f"{workdir / ARRAYS} cannot be read: tracking begins anew", file=sys.stderr)
    return empty
  changed = [name for name, value in made_from.items() if earlier.made_from.get(name) != value]
  if changed:
    name = changed[0]
    values = f": it was {earlier.made_from.get(name)}, and is {made_from[name]}" if name.startswith("config.") else ""
    print(f"{workdir} was tracked with another {name}{values}; tracking begins anew", file=sys.stderr)
    return empty
  print(f"{workdir} holds {len(earlier.found)} frames that are tracked; tracking goes on after them", file=sys.stderr)
  return earlier


def made_from(
  config: ConfigDict, stream: FrameStream | LiveStream, first_boxes: list[FirstBox], engine: Engine
) -> dict[str, str]:
  """All that what is tracked depends on, by the names that people know it by."""
  tracker = engine.tracker
  boxes = ";".join(f"{box.frame}:" + ",".join(f"{v:.9g}" for v in box.box_xywh) for box in first_boxes)
  return {
    "video": "" if isinstance(stream, LiveStream) else files_version(stream),
    "config.box": boxes,
    "config.runtime": config.runtime,
    "config.policy": tracker.policy,
    "config.budget": f"{config.budget:g}",
    "config.threshold": f"{tracker.threshold:g}",
    "config.levels": str(stream.levels),
    "model": engine.version,
    "version of adadepth": digest_of_code(ROOMS),
  }


def files_version(stream: FrameStream) -> str:
  """Sizes and dates of a video's files."""
  digest = hashlib.sha256()
  for path in stream.image_paths or (stream.path,):
    digest.update(repr((path.name, path.stat().st_size, path.stat().st_mtime_ns)).encode())
  return digest.hexdigest()
