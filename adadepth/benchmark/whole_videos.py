"""Whole sequences: what a frame costs beyond its program, from memory and from JPEG files on disk."""

import pathlib
import time

import jax
import numpy as np
from PIL import Image

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.data.ahead import read_ahead
from adadepth.evaluation.one_pass import follow
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.io.images import ImageFolder
from adadepth.maths.geometry import box_center
from adadepth.tracking.policies import policy_named
from adadepth.tracking.step import compiled_update
from adadepth.tracking.tracker import Tracker

POLICIES = ("xcorr1", "xcorr5")  # the first has the least to hide an overhead behind
JPEG_QUALITY = 90


def write_jpegs(folder: pathlib.Path, frames: np.ndarray) -> ImageFolder:
  """The frames as files."""
  folder.mkdir(parents=True, exist_ok=True)
  paths = tuple(folder / f"{t + 1:08d}.jpg" for t in range(len(frames)))
  for path, frame in zip(paths, frames, strict=True):
    Image.fromarray(frame).save(path, quality=JPEG_QUALITY)
  return ImageFolder(paths)


def program_clock(tracker: Tracker, subject: Subject) -> Clock:
  """The program of a frame alone: the crop has been cut and is on the device, and the box stays there."""
  arch, state = tracker.model.arch, tracker.init(subject.frames[0], subject.box_xywh).state
  crops = jax.device_put(np.zeros((1, arch.search_px, arch.search_px, 3), np.uint8))
  centers, frame_wh = box_center(subject.box_xywh[None]), np.float32(subject.settings.frame_hw[::-1])
  policy = policy_named(tracker.policy, arch=arch)
  return clock(lambda: compiled_update(tracker.params, state, crops, centers, frame_wh, policy=policy, arch=arch))


def disk_clock(tracker: Tracker, files: ImageFolder, box_xywh: np.ndarray) -> Clock:
  """Seconds per frame of a pass over files, from the moment that the first frame has been dealt with."""

  def run() -> float:
    tracks = follow(tracker, read_ahead(files), box_xywh)
    next(tracks)
    start = time.perf_counter()
    for _ in tracks:
      pass
    return (time.perf_counter() - start) / (len(files) - 1)

  return run


def memory_clock(tracker: Tracker, frames: np.ndarray, box_xywh: np.ndarray) -> Clock:
  """Seconds per frame of a pass over an array, without the first one's template."""
  whole = clock(lambda: tracker.track(frames, box_xywh))
  template = clock(lambda: tracker.init(frames[0], box_xywh).state)
  return lambda: (whole() - template()) / (len(frames) - 1)


def measure_sequences(subject: Subject) -> list[dict]:
  """The program alone and both kinds of pass, in turns."""
  files = write_jpegs(subject.folder / "frames", subject.frames)
  clocks = {}
  for policy in POLICIES:
    tracker = Tracker(subject.model, policy)
    clocks[f"{policy}_program"] = program_clock(tracker, subject)
    clocks[f"{policy}_memory"] = memory_clock(tracker, subject.frames, subject.box_xywh)
    clocks[f"{policy}_disk"] = disk_clock(tracker, files, subject.box_xywh)
  seconds = alternate(clocks, **subject.limits(), title="sequences")
  rows, details = [], []
  for source, title in (("memory", "from memory"), ("disk", "from JPEG files on disk")):
    what = f"whole sequence {title}, time per frame / the frame program alone"
    shares = {p: seconds[f"{p}_{source}"] / seconds[f"{p}_program"] for p in POLICIES}
    worst = max(shares, key=lambda p, shares=shares: np.median(shares[p]))
    rows.append(
      row(f"{subject.backend}_sequence_overhead_{source}", f"{what} (the worse: {worst})", shares[worst], "ratio")
    )
    details += [row(f"sequence_{source}_{p}", f"{what}, {p}", shares[p], "ratio") for p in POLICIES]
  details += [row(f"frame_{name}", f"a frame: {name.replace('_', ', ')}", s * 1e3, "ms") for name, s in seconds.items()]
  return rows + details
