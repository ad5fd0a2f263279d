"""Many targets in one frame: time per target, and what hard gating saves when they exit at different depths."""

from collections.abc import Sequence

import numpy as np

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.forced_exits import forced, gates_that_exit_where_told, templates_that_exit
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.architecture import DEPTHS
from adadepth.models.model import Model
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

# Shares of the targets that exit at each depth.
MIXES = {
  "hard_even": (0.2, 0.2, 0.2, 0.2, 0.2),
  "hard_half_deep": (0.5, 0.0, 0.0, 0.0, 0.5),
  "hard_mostly_shallow": (0.5, 0.25, 0.125, 0.0625, 0.0625),
}
SOME = ("xcorr1", "xcorr5", "hard_even")


def batch_clock(tracker: Tracker, subject: Subject, n: int) -> Clock:
  """A step of n targets, from a frame on the host to boxes on the host."""
  targets = tracker.init(subject.frames[0], subject.boxes_xywh[:n])
  return clock(lambda: tracker.update(targets, subject.frames[1])[1])


def mixed_clock(model: Model, subject: Subject, exits: np.ndarray) -> Clock:
  """A step of hard gating whose targets exit as told, [n] of 0..4."""
  tracker = Tracker(forced(model, gates_that_exit_where_told()), "hard")
  targets = tracker.init(subject.frames[0], subject.boxes_xywh[: len(exits)])
  template = targets.state.template
  template = templates_that_exit(template, exits)
  targets = targets._replace(state=targets.state._replace(template=template))
  _, track = tracker.update(targets, subject.frames[1])
  assert (track.depth == exits).all(), f"asked to exit at {exits}, exited at {track.depth}"
  return clock(lambda: tracker.update(targets, subject.frames[1])[1])


def mixed_exits(n: int, shares: Sequence[float]) -> np.ndarray:
  """Where each of n targets exits, [n], if these shares of them exit at each depth; in no order."""
  ends = np.round(np.cumsum(shares) * n).astype(int)
  exits = np.searchsorted(ends, np.arange(n), side="right")
  return np.random.default_rng(0).permutation(exits)


def batch_seconds(model: Model, subject: Subject, n: int, names: Sequence[str]) -> dict[str, np.ndarray]:
  """Seconds of a step of n targets for each name, a policy or a mix."""
  clocks = {
    name: mixed_clock(model, subject, mixed_exits(n, MIXES[name]))
    if name in MIXES
    else batch_clock(Tracker(model, name), subject, n)
    for name in names
  }
  return alternate(clocks, **subject.limits(), title=f"{n} targets")


def measure_batch(subject: Subject) -> list[dict]:
  """The largest batch with every depth and mix; the others with the cheapest, the dearest and one mix between."""
  rows, (*smaller, n) = [], sorted(subject.settings.targets)
  for few in smaller:
    rows += target_rows(few, batch_seconds(subject.model, subject, few, SOME))
  seconds = batch_seconds(subject.model, subject, n, (*FIXED, *MIXES))
  ratio = seconds["xcorr5"] / seconds["xcorr1"]
  on = subject.backend
  return [
    *share_rows(f"{on}_hard_share_batch{n}", n, seconds),
    row(f"{on}_fps1_over_fps5_batch{n}", f"xcorr1 FPS / xcorr5 FPS, {n} targets", ratio, "ratio"),
    *rows,
    *target_rows(n, seconds),
  ]


def target_rows(n: int, seconds: dict[str, np.ndarray]) -> list[dict]:
  """Milliseconds per target."""
  return [
    row(f"targets{n}_{name}", f"{_title(name)}, {n} targets in a frame: a target", s / n * 1e3, "ms")
    for name, s in seconds.items()
  ]


def share_rows(identity: str, n: int, seconds: dict[str, np.ndarray]) -> list[dict]:
  """`sum_k P(exit k) t_k / t_hard` of each mix, the worst first, which is the row of the table."""
  fixed, shares, titles = np.stack([seconds[name] for name in FIXED]), {}, {}
  for name in MIXES:
    counts = np.bincount(mixed_exits(n, MIXES[name]), minlength=DEPTHS)
    shares[name] = (counts / n) @ fixed / seconds[name]
    titles[name] = f"{n} targets, {'/'.join(map(str, counts))} of them exit at xcorr1/2/3/4/5: sum_k P_k t_k / t_hard"
  worst = min(shares, key=lambda name: np.median(shares[name]))
  return [
    row(identity, f"hard gating, worst of {len(shares)} mixes: {titles[worst]}", shares[worst], "ratio"),
    *(row(f"{identity}_{name}", f"hard gating, {titles[name]}", share, "ratio") for name, share in shares.items()),
  ]


def _title(name: str) -> str:
  return name if name in FIXED else f"hard gating ({name.removeprefix('hard_').replace('_', ' ')})"
