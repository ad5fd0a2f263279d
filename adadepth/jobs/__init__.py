"""The jobs that run.py dispatches to, each a function of (config, workdir)."""

import importlib
from collections.abc import Callable

from adadepth.errors import InputError


def _task(module: str, name: str) -> Callable:
  """The function, imported when it is called: no job pays for the others' imports."""

  def run(config, workdir):
    return getattr(importlib.import_module(f"adadepth.jobs.{module}"), name)(config, workdir)

  return run


TASKS = {
  "gating": _task("gating", "run_gating"),
  "prepare": _task("prepare", "run_prepare"),
  "distill": _task("distill", "run_distill"),
  "finetune": _task("finetune", "run_finetune"),
  "evaluate": _task("evaluate", "run_evaluate"),
  "track": _task("track", "run_track"),
  "export": _task("export", "run_export"),
  "benchmark": _task("benchmark", "run_benchmark"),
  "table1": _task("table1", "run_table1"),
  "vot": _task("vot", "run_vot"),
}


def task_named(name: str) -> Callable:
  """The job that `config.task` names.

  Raises:
    InputError: a name that is no job.
  """
  if name not in TASKS:
    raise InputError(f"`config.task` (={name!r}) must be one of {', '.join(TASKS)}")
  return TASKS[name]
