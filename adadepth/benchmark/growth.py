"""How the cost of one target grows with the crop's size."""

import dataclasses

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.step_times import step_clock
from adadepth.evaluation.timing import alternate
from adadepth.tracking.tracker import Tracker

POLICIES = ("xcorr1", "xcorr5")


def measure_crops(subject: Subject) -> list[dict]:
  """A step by the side of the search crop; the key crop is half of it."""
  clocks = {}
  for px in subject.settings.crops_px:
    arch = dataclasses.replace(subject.model.arch, template_px=px // 2, search_px=px)
    for policy in POLICIES:
      tracker = Tracker(subject.model._replace(arch=arch), policy)
      clocks[f"{policy}_{px}"] = step_clock(tracker, subject.frames, subject.box_xywh)
  seconds = alternate(clocks, **subject.limits(), title="crop sizes")
  names = (name.split("_") for name in clocks)
  return [
    row(f"crop_{p}_{px}", f"a step of {p}, search crop of {px} px", seconds[f"{p}_{px}"] * 1e3, "ms") for p, px in names
  ]
