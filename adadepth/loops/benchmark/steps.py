"""One target: what a tracking step costs at each depth, and whether hard gating really stops where it exits."""

import jax
import numpy as np

from adadepth.loops.benchmark.subject import Subject
from adadepth.loops.benchmark.timing import Clock, alternate, clock, row
from adadepth.loops.exits import FORCED_THRESHOLD, gates_that_exit
from adadepth.loops.tracking import Tracker
from adadepth.maths.architecture import DEPTHS
from adadepth.programs.policies import FIXED


def step_clock(tracker: Tracker, subject: Subject) -> Clock:
  """A step from a decoded frame on the host to a box on the host."""
  target = tracker.init(subject.frames[0], subject.box_xywh)
  return clock(lambda: jax.device_get(tracker.update(target, subject.frames[1])[1]))


def forced_tracker(subject: Subject, gates: dict) -> Tracker:
  """Hard gating with other gates."""
  model = subject.model
  return Tracker(model._replace(params={**model.params, "gates": gates}, threshold=FORCED_THRESHOLD), "hard")


def measure_steps(subject: Subject) -> list[dict]:
  """The steps of every policy in turns."""
  clocks = {name: step_clock(Tracker(subject.model, name), subject) for name in (*FIXED, "soft")}
  for k, name in enumerate(FIXED):
    clocks[f"hard_{name}"] = step_clock(forced_tracker(subject, gates_that_exit(k)), subject)
  seconds = alternate(clocks, **subject.limits(), title="steps")
  shares = [seconds[name] / seconds[f"hard_{name}"] for name in FIXED]
  on = subject.backend
  worst = min(shares, key=np.median)
  return [
    row(
      f"{on}_t5_over_t1", "time of xcorr5 / time of xcorr1, one target", seconds["xcorr5"] / seconds["xcorr1"], "ratio"
    ),
    # Over a mix of exits the share is a weighted mean of these: none is below the worst.
    row(f"{on}_hard_share_single", "hard gating, one target: worst t_k / t_hard over the exits", worst, "ratio"),
    row(f"{on}_fps_xcorr5", "xcorr5, one target, frame to box", 1 / seconds["xcorr5"], "FPS"),
    *(row(f"share_exit{k + 1}", f"t_{k + 1} / t_hard at exit {k + 1}", shares[k], "ratio") for k in range(DEPTHS)),
    *(row(f"step_{name}", f"a step of {_title(name)}", values * 1e3, "ms") for name, values in seconds.items()),
  ]


def _title(name: str) -> str:
  return name.replace("hard_", "hard gating that exits at ") if "hard" in name else name
