"""Speed: what a tracking step costs by policy, and whether hard gating really stops where it exits."""

import pathlib
import time
from collections.abc import Callable

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.data.render import Difficulty, render_sequence
from adadepth.io.models import Model
from adadepth.io.workdir import write_results
from adadepth.io.writers import progress, run_record
from adadepth.loops.checks import check_config
from adadepth.loops.exits import FORCED_THRESHOLD, gates_that_exit
from adadepth.loops.from_config import architecture_of, readout_of, starting_params
from adadepth.loops.tracking import Tracker
from adadepth.maths.architecture import DEPTHS
from adadepth.programs.policies import FIXED


def alternate(programs: dict[str, Callable[[], object]], *, rounds: int) -> dict[str, np.ndarray]:
  """Seconds of each program, [rounds]: one call of each in turn, so that all see the machine's same moods.

  Each is called once before, uncounted, which compiles it.
  """
  for call in programs.values():
    jax.block_until_ready(call())
  seconds = {name: [] for name in programs}
  for _ in progress(range(rounds), "benchmark"):
    for name, call in programs.items():
      start = time.perf_counter()
      jax.block_until_ready(call())
      seconds[name].append(time.perf_counter() - start)
  return {name: np.array(values) for name, values in seconds.items()}


def tracking_steps(model: Model, frames: np.ndarray, box_xywh: np.ndarray) -> dict[str, Callable[[], object]]:
  """One tracking step, from frame to box, of each fixed depth and of hard gating made to exit at each depth."""
  steps = {}
  for k, name in enumerate(FIXED):
    forced = model._replace(params={**model.params, "gates": gates_that_exit(k)}, threshold=FORCED_THRESHOLD)
    for title, tracker in ((name, Tracker(model, name)), (f"hard, exits at {name}", Tracker(forced, "hard"))):
      target = tracker.init(frames[0], box_xywh)
      steps[title] = lambda tracker=tracker, target=target: tracker.update(target, frames[1])
  return steps


def row(identity: str, what: str, values: np.ndarray, unit: str) -> dict:
  """One row of results.json: the median, and the quartiles as its spread."""
  low, value, high = np.quantile(values, [0.25, 0.5, 0.75])
  return {"id": identity, "what": what, "value": value, "low": low, "high": high, "unit": unit}


def run_benchmark(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Prints the step times as ratios to xcorr1 and writes results.json."""
  check_config(config)
  arch = architecture_of(config)
  params = starting_params(config, arch, workdir)
  model = Model(params, arch, FORCED_THRESHOLD, readout_of(config))
  sequence = render_sequence(seed=config.seed, name="benchmark", frames=2, difficulty=Difficulty.graded(0.3))
  workdir.mkdir(parents=True, exist_ok=True)
  run_record(workdir, config.to_dict(), config.seed)
  steps = tracking_steps(model, sequence.frames, sequence.boxes_xywh[0])
  seconds = alternate(steps, rounds=config.benchmark.rounds)
  shares = [seconds[name] / seconds[f"hard, exits at {name}"] for name in FIXED]
  rows = [
    row("cpu_t5_over_t1", "time of xcorr5 / time of xcorr1", seconds["xcorr5"] / seconds["xcorr1"], "ratio"),
    row("cpu_hard_share_single", "worst t_k / t_hard over exits k", min(shares, key=np.median), "ratio"),
  ]
  rows += [row(f"share_exit{k + 1}", f"t_{k + 1} / t_hard at exit {k + 1}", shares[k], "ratio") for k in range(DEPTHS)]
  rows += [row(name, "time / time of xcorr1", values / seconds["xcorr1"], "ratio") for name, values in seconds.items()]
  path = write_results(workdir, {"rows": rows})
  print("| tracking step, frame to box | median time / xcorr1's | quartiles |\n| --- | --- | --- |")
  for entry in rows[2 + DEPTHS :]:
    print(f"| {entry['id']} | {entry['value']:.2f} | {entry['low']:.2f} to {entry['high']:.2f} |")
  print(f"\nwrote {path}")
