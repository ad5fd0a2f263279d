"""What a tracking step takes on this machine, from a decoded frame to its box: trackers in turns on a rendered film."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8

from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.forced_exits import forced, gates_that_exit
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.model import Model
from adadepth.models.network import prepare_params
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

LIMIT_S = 60.0
FRAME_HW = (360, 640)  # as configs/benchmark.py has it


def step_clock(tracker: Tracker, frames: UInt8[np.ndarray, "t h w 3"], box_xywh: Float[np.ndarray, "4"]) -> Clock:
  """A step to the second frame, from a decoded frame on the host to a box on the host."""
  target = tracker.init(frames[0], box_xywh)
  return clock(lambda: tracker.update(target, frames[1])[1])


def policy_trackers(model: Model) -> dict[str, Tracker]:
  """Every static exit and soft gating."""
  model = _prepared(model)
  return {name: Tracker(model, name) for name in (*FIXED, "soft")}


def exit_trackers(model: Model) -> dict[str, Tracker]:
  """Hard gating, made to exit at each depth: "hard_xcorr1" to "hard_xcorr5"."""
  model = _prepared(model)
  return {f"hard_{name}": Tracker(forced(model, gates_that_exit(k)), "hard") for k, name in enumerate(FIXED)}


def _prepared(model: Model) -> Model:
  """Once for all trackers: each would hold VGG-19's transformed kernels, 0.3 GB, of its own."""
  return model._replace(params=prepare_params(model.params, model.arch))


def step_seconds(trackers: Mapping[str, Tracker], *, rounds: int) -> dict[str, Float[np.ndarray, "r"]]:
  """Seconds of each tracker's step, one of each in turn for so many rounds, fewer where that takes `LIMIT_S`."""
  height, width = FRAME_HW
  film = render_sequence(seed=0, name="timing", frames=2, height=height, width=width, difficulty=Difficulty.graded(0.3))
  clocks = {name: step_clock(tracker, film.frames, film.boxes_xywh[0]) for name, tracker in trackers.items()}
  return alternate(clocks, rounds=rounds, limit_s=LIMIT_S, title="timing")


def medians_ms(seconds: Mapping[str, Float[np.ndarray, "r"]]) -> dict[str, float]:
  """The median of each, milliseconds."""
  return {name: 1e3 * float(np.median(values)) for name, values in seconds.items()}


def over_xcorr1(seconds: Mapping[str, Float[np.ndarray, "r"]]) -> dict[str, dict[str, float]]:
  """Each time over xcorr1's of the same round: {"median", "low", "high"}, the latter two its quartiles."""

  def quartiles(ratios: Float[np.ndarray, "r"]) -> dict[str, float]:
    low, median, high = (float(v) for v in np.quantile(ratios, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high}

  return {name: quartiles(values / seconds["xcorr1"]) for name, values in seconds.items()}
