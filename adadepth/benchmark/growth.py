"""How the cost of one target grows with the crop's size and the sequence's length."""

import dataclasses

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.benchmark.whole_videos import memory_clock
from adadepth.evaluation.step_times import step_clock
from adadepth.evaluation.timing import alternate
from adadepth.tracking.tracker import Tracker

CROP_POLICIES = ("xcorr1", "xcorr5")


def measure_crops(subject: Subject) -> list[dict]:
  """A step by the side of the search crop; the key crop is half of it."""
  clocks = {}
  for px in subject.settings.crops_px:
    arch = dataclasses.replace(subject.model.arch, template_px=px // 2, search_px=px)
    for policy in CROP_POLICIES:
      tracker = Tracker(subject.model._replace(arch=arch), policy)
      clocks[f"{policy}_{px}"] = step_clock(tracker, subject.frames, subject.box_xywh)
  seconds = alternate(clocks, **subject.limits(), title="crop sizes")
  names = (name.split("_") for name in clocks)
  return [
    row(f"crop_{p}_{px}", f"a step of {p}, search crop of {px} px", seconds[f"{p}_{px}"] * 1e3, "ms") for p, px in names
  ]


def measure_lengths(subject: Subject) -> list[dict]:
  """A frame of xcorr1 by the length of the sequence in memory."""
  tracker, film = Tracker(subject.model, "xcorr1"), subject.frames
  lengths = [n for n in subject.settings.lengths if n <= len(film)]
  clocks = {n: memory_clock(tracker, film[:n], subject.box_xywh) for n in lengths}
  seconds = alternate(clocks, **subject.limits(), title="sequence lengths")
  return [row(f"length_{n}", f"a frame of xcorr1 in a sequence of {n} frames", seconds[n] * 1e3, "ms") for n in lengths]


def measure_growth(subject: Subject) -> list[dict]:
  """Both."""
  return measure_crops(subject) + measure_lengths(subject)
