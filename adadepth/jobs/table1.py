"""Prints Table 1, and writes it."""

import pathlib

import jax
from ml_collections import ConfigDict

from adadepth.evaluation.forced_exits import FORCED_THRESHOLD
from adadepth.evaluation.step_times import exit_trackers, over_xcorr1, policy_trackers, step_seconds
from adadepth.io.run_record import run_record
from adadepth.io.whole_files import write_text
from adadepth.io.workdir import write_results
from adadepth.jobs.checks import check_config
from adadepth.jobs.from_config import architecture_of
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model
from adadepth.models.network import init_params
from adadepth.reports.cost_table import Times, hard_rows, table1_markdown, table1_rows


def measured_times(arch: Architecture, *, logit_scale: float, seed: int, rounds: int) -> Times:
  """The time of every policy, and of hard gating at each exit; random weights, since the clock does not mind."""
  params = init_params(jax.random.key(seed), arch, logit_scale=logit_scale)
  model = Model(params, arch, FORCED_THRESHOLD)
  return over_xcorr1(step_seconds(policy_trackers(model) | exit_trackers(model), rounds=rounds))


def run_table1(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Prints Table 1 and writes table1.md and results.json."""
  check_config(config)
  arch, rounds = architecture_of(config), config.eval.timing_rounds
  workdir.mkdir(parents=True, exist_ok=True)
  run_record(workdir, config.to_dict(), config.seed)
  settings = {"logit_scale": config.network.logit_scale, "seed": config.seed, "rounds": rounds}
  times = measured_times(arch, **settings) if rounds else {}
  table = table1_markdown(arch, times)
  rows, hard = table1_rows(arch, times), hard_rows(arch, times)
  write_results(workdir, {"rows": rows, "hard": hard})
  write_text(workdir / "table1.md", table)
  print(table)
