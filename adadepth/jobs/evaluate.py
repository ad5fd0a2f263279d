"""Evaluates a trained model on any data root: pairs and tracking; or compares it with other trackers."""

import pathlib
from collections.abc import Sequence as Listing

from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.evaluation.responses import pair_table
from adadepth.evaluation.step_times import medians_ms
from adadepth.io.run_record import run_record
from adadepth.jobs.assess import assess, chosen_budget, time_steps
from adadepth.jobs.checks import check_budget, check_config
from adadepth.jobs.compare import compare
from adadepth.jobs.from_config import model_of, source_of
from adadepth.models.model import check_gates


def run_evaluate(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes results.json, Figures 1, 6 and 7 and report.html to the workdir, or what `compare` writes."""
  check_config(config)
  sequences = source_of(config).read(("test",))["test"]
  if config.trackers or config.results:
    print(describe_sequences(sequences), flush=True)
    compare(config, workdir, sequences)
    return
  model = model_of(config, workdir)
  check_gates(model, f"`config.model` (={config.model or workdir})")
  check_budget(config, model.arch)
  seconds = time_steps(config, model)
  chosen_budget(config, model, medians_ms(seconds))  # what has none is refused before the work
  record = run_record(workdir, config.to_dict(), config.seed, name="evaluate.json")
  print(describe_sequences(sequences), flush=True)
  table = pair_table(
    model.params,
    sequences,
    arch=model.arch,
    keys=config.eval.keys_per_sequence,
    frames=config.eval.frames_per_key,
    threads=config.threads,
    folder=workdir / "responses",
    description="responses",
  )
  assess(config, model, table, sequences, workdir, seconds=seconds, record=record)


def describe_sequences(sequences: Listing[Sequence]) -> str:
  """What is evaluated, in a line."""
  names = ", ".join(sequence.name for sequence in sequences[:8]) + (", ..." if len(sequences) > 8 else "")
  return f"evaluating on {len(sequences)} sequences of {sum(map(len, sequences))} frames in all: {names}"
