"""Clocks that are read in turns."""

import time
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Float

from adadepth.io.progress import progress

Clock = Callable[[], float]
LEAST_ROUNDS = 3
# Threads of another runtime spin for a while after their work; the next one should not share its cores with them.
PAUSE_S = 0.005


def clock(call: Callable[[], object]) -> Clock:
  """The seconds until the call's result is there."""

  def run() -> float:
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start

  return run


def alternate(
  clocks: Mapping[str, Clock], *, rounds: int, limit_s: float, title: str = "benchmark"
) -> dict[str, Float[np.ndarray, "r"]]:
  """Seconds of each clock, one reading of each in turn, so that all see the machine's same moods.

  Each is read once before, uncounted, which compiles and warms up.

  Args:
    rounds: at most so many, and `LEAST_ROUNDS` at least where so many are asked for.
    limit_s: no round is begun after so many seconds.
    title: for the progress bar.
  """
  for read in clocks.values():
    read()
  seconds = {name: [] for name in clocks}
  start = time.perf_counter()
  for n in progress(range(rounds), title):
    if n >= LEAST_ROUNDS and time.perf_counter() - start > limit_s:
      break
    for name, read in clocks.items():
      time.sleep(PAUSE_S)
      seconds[name].append(read())
  return {name: np.array(values) for name, values in seconds.items()}
