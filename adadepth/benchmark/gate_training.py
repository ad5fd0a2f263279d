"""How long it takes to train and choose gates from cached responses."""

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.responses import PairTable
from adadepth.evaluation.timing import alternate, clock
from adadepth.jobs.from_config import architecture_of
from adadepth.jobs.gating import run_phase2
from adadepth.maths.fusion import places
from adadepth.maths.ncc import LOG_GROWTHS
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.network import CLOSER_DEPTHS

RUNS = 3
FRAMES_PER_VIDEO = 250
# As gates are trained by default; the benchmark's network has none, since the peers have none.
CLOSER_LOOK = {"finer_px": 4.0, "growth": True}


def random_table(n: int, arch: Architecture, seed: int) -> PairTable:
  """n pairs of small targets near the crop's centre, whose responses show nothing."""
  rng, index = np.random.default_rng(seed), np.arange(n)
  size = np.full((n, 2), arch.search_px / 4, np.float32)
  looks = (CLOSER_DEPTHS if arch.finer_px else 0, len(LOG_GROWTHS) if arch.growth else 1, places(arch), places(arch))
  corner = arch.search_px * rng.normal(3 / 8, 1 / 32, (n, 2)).astype(np.float32)
  return PairTable(
    responses=rng.random((n, DEPTHS, arch.search_cells, arch.search_cells), dtype=np.float32),
    coefficients=rng.random((n, *looks)).astype(np.float16),
    truth_in_search=np.concatenate([corner, size], axis=1),
    size_in_crop=size,
    frames_after_key=index % 25 + 1,
    key=index // 25 * 25,
    sequence=np.array([f"video{i // FRAMES_PER_VIDEO}" for i in index]),
  )


def measure_phase2(subject: Subject) -> list[dict]:
  """All of it on random responses, since the clock does not mind: beliefs, gates, cross-fitting and choice."""
  n, config = subject.settings.pairs, ConfigDict(subject.config.to_dict())
  config.network.update(CLOSER_LOOK)
  config.policy.budget = 0.0
  table, params = random_table(n, architecture_of(config), config.seed), subject.plain_params()

  def run() -> None:
    # As in a new process, which traces every program anew and finds it compiled in the cache on disk.
    jax.clear_caches()
    pair_costs.cache_clear()
    run_phase2(config, params, table, subject.folder / "phase2", times_ms={})

  seconds = alternate({"phase2": clock(run)}, rounds=RUNS, limit_s=subject.settings.seconds, title="phase 2")
  return [row("phase2", f"phase 2 from the cached responses of {n} pairs", seconds["phase2"], "s")]
