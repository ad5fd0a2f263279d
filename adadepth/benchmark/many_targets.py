"""Many targets in one frame: time per target, and what hard gating saves when they exit at different depths."""

from collections.abc import Sequence

import jax
import numpy as np

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.forced_exits import forced, gates_that_exit_where_told, templates_that_exit
from adadepth.evaluation.timing import Clock, alternate, clock
from adadepth.models.architecture import DEPTHS
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
  targets = tracker.init_many(subject.frames[0], subject.boxes_xywh[:n])
  return clock(lambda: jax.device_get(tracker.update_many(targets, subject.frames[1])[1]))


def mixed_clock(subject: Subject, exits: np.ndarray) -> Clock:
  """A step of hard gating whose targets exit as told, [n] of 0..4."""
  tracker = Tracker(forced(subject.model, gates_that_exit_where_told()), "hard")
  targets = tracker.init_many(subject.frames[0], subject.boxes_xywh[: len(exits)])
  templates = templates_that_exit(targets.state.templates, exits)
  targets = targets._replace(state=targets.state._replace(templates=templates))
  _, track = tracker.update_many(targets, subject.frames[1])
  assert (np.asarray(track.depth) == exits).all(), f"asked to exit at {exits}, exited at {track.depth}"
  return clock(lambda: jax.device_get(tracker.update_many(targets, subject.frames[1])[1]))


def mixed_exits(n: int, shares: Sequence[float]) -> np.ndarray:
  """Where each of n targets exits, [n], if these shares of them exit at each depth; in no order."""
  ends = np.round(np.cumsum(shares) * n).astype(int)
  exits = np.searchsorted(ends, np.arange(n), side="right")
  return np.random.default_rng(0).permutation(exits)


def measure_batch(subject: Subject) -> list[dict]:
  """The largest batch with every depth and mix; the others with the cheapest, the dearest and one mix between."""
  rows, (*smaller, largest) = [], sorted(subject.settings.targets)
  for n in smaller:
    rows += target_rows(n, alternate(batch_clocks(subject, n, SOME), **subject.limits(), title=f"{n} targets"))
  seconds = alternate(batch_clocks(subject, largest, (*FIXED, *MIXES)), **subject.limits(), title=f"{largest} targets")
  return [*batch_shares(subject, largest, seconds), *rows, *target_rows(largest, seconds)]


def batch_clocks(subject: Subject, n: int, names: Sequence[str]) -> dict[str, Clock]:
  """A clock for each name, a policy or a mix."""
  return {
    name: mixed_clock(subject, mixed_exits(n, MIXES[name]))
    if name in MIXES
    else batch_clock(Tracker(subject.model, name), subject, n)
    for name in names
  }


def target_rows(n: int, seconds: dict[str, np.ndarray]) -> list[dict]:
  """Milliseconds per target."""
  return [
    row(f"targets{n}_{name}", f"{_title(name)}, {n} targets in a frame: a target", s / n * 1e3, "ms")
    for name, s in seconds.items()
  ]


def batch_shares(subject: Subject, n: int, seconds: dict[str, np.ndarray]) -> list[dict]:
  """`sum_k P(exit k) t_k / t_hard` of each mix, the worst first; and how many times faster xcorr1 is than xcorr5."""
  on, fixed = subject.backend, np.stack([seconds[name] for name in FIXED])
  shares, titles = {}, {}
  for name in MIXES:
    counts = np.bincount(mixed_exits(n, MIXES[name]), minlength=DEPTHS)
    shares[name] = (counts / n) @ fixed / seconds[name]
    titles[name] = f"{n} targets, {'/'.join(map(str, counts))} of them exit at xcorr1/2/3/4/5: sum_k P_k t_k / t_hard"
  worst = min(shares, key=lambda name: np.median(shares[name]))
  what = f"hard gating, worst of {len(shares)} mixes: {titles[worst]}"
  ratio = seconds["xcorr5"] / seconds["xcorr1"]
  return [
    row(f"{on}_hard_share_batch{n}", what, shares[worst], "ratio"),
    row(f"{on}_fps1_over_fps5_batch{n}", f"xcorr1 FPS / xcorr5 FPS, {n} targets", ratio, "ratio"),
    *(row(f"share_batch{n}_{name}", f"hard gating, {titles[name]}", share, "ratio") for name, share in shares.items()),
  ]


def _title(name: str) -> str:
  return name if name in FIXED else f"hard gating ({name.removeprefix('hard_').replace('_', ' ')})"
