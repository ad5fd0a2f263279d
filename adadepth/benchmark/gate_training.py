"""How long it takes to train and choose gates from cached responses."""

import dataclasses

import jax
import numpy as np

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.costs import frame_costs, pair_costs
from adadepth.evaluation.responses import PairTable
from adadepth.evaluation.timing import alternate, clock
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.training.phase2 import run_phase2

RUNS = 3
FRAMES_PER_VIDEO = 250


def random_table(n: int, arch: Architecture, seed: int) -> PairTable:
  """n pairs of small targets near the crop's centre, whose responses show nothing."""
  rng, index = np.random.default_rng(seed), np.arange(n)
  size = np.full((n, 2), arch.search_px / 4, np.float32)
  corner = arch.search_px * rng.normal(3 / 8, 1 / 32, (n, 2)).astype(np.float32)
  reach = arch.search_px / 16
  return PairTable(
    responses=rng.random((n, DEPTHS, arch.search_cells, arch.search_cells), dtype=np.float32),
    center=rng.normal(0, reach, (n, DEPTHS, 2)).astype(np.float32),
    size=np.repeat(size[:, None], DEPTHS, axis=1),
    score=rng.normal(0, 1, (n, DEPTHS)).astype(np.float32),
    truth_in_search=np.concatenate([corner, size], axis=1),
    size_in_crop=size,
    last_size=size,
    frames_after_key=index % 25 + 1,
    key=index // 25 * 25,
    sequence=np.array([f"video{i // FRAMES_PER_VIDEO}" for i in index]),
  )


def measure_phase2(subject: Subject) -> list[dict]:
  """All of it on random responses, since the clock does not mind: gates, cross-fitting and choice."""
  settings, params = subject.settings, {**subject.model.params, "backbone": subject.backbone}
  arch = dataclasses.replace(subject.model.arch, reader="box")  # as gates are trained by default
  table = random_table(settings.pairs, arch, settings.seed)
  choose = {"recipe": settings.recipe, "folds": settings.folds, "thresholds": settings.thresholds}

  def run() -> None:
    # As in a new process, which traces every program anew and finds it compiled in the cache on disk.
    jax.clear_caches()
    pair_costs.cache_clear()
    frame_costs.cache_clear()
    run_phase2(params, table, arch=arch, **choose)

  seconds = alternate({"phase2": clock(run)}, rounds=RUNS, limit_s=settings.seconds, title="phase 2")
  return [row("phase2", f"phase 2 from the cached responses of {settings.pairs} pairs", seconds["phase2"], "s")]
