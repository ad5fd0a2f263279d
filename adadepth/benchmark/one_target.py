"""One target: what a tracking step costs at each depth, and whether hard gating really stops where it exits."""

import numpy as np

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.step_times import exit_trackers, policy_trackers, step_clock
from adadepth.evaluation.timing import alternate
from adadepth.models.architecture import DEPTHS
from adadepth.tracking.policies import FIXED


def measure_steps(subject: Subject) -> list[dict]:
  """The steps of every policy in turns."""
  trackers = policy_trackers(subject.model) | exit_trackers(subject.model)
  clocks = {name: step_clock(tracker, subject.frames, subject.box_xywh) for name, tracker in trackers.items()}
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
