"""Evaluates a trained model on any data root: pairs and tracking."""

import pathlib
from collections.abc import Sequence as Listing

from ml_collections import ConfigDict

from adadepth.data.sequence import Sequence
from adadepth.io.models import EMBEDDED, MODEL_NAME, load_model
from adadepth.io.workdir import write_results
from adadepth.io.writers import run_record
from adadepth.loops.checks import check_config, tracked_policies
from adadepth.loops.from_config import source_of
from adadepth.loops.report import describe, describe_tracking, draw_figures, track_all
from adadepth.loops.responses import pair_table
from adadepth.loops.scores import score_pairs
from adadepth.loops.table1 import table1_markdown
from adadepth.loops.tracking import score_tracking
from adadepth.programs.costs import pair_costs


def run_evaluate(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes results.json, Table 1 and Figures 1, 6 and 7 to the workdir."""
  check_config(config)
  sequences = source_of(config).read(("test",))["test"]
  model = load_model(config.model or (workdir if (workdir / MODEL_NAME).is_file() else EMBEDDED))
  run_record(workdir, config.to_dict(), config.seed, name="evaluate.json")
  print(describe_sequences(sequences), flush=True)
  table = pair_table(
    model.params,
    sequences,
    arch=model.arch,
    keys=config.eval.keys_per_sequence,
    frames=min(config.eval.frames_per_sequence, 25),
    threads=config.threads,
    cache=None,
    description="responses",
  )
  results = score_pairs(
    model.params,
    table,
    arch=model.arch,
    readout=model.readout,
    thresholds=(*config.policy.thresholds, model.threshold),
    costs=pair_costs(model.arch),
  )
  frames = config.eval.frames_per_sequence
  tracks = track_all(model, sequences, tracked_policies(config.eval.tracking), frames=frames)
  results["tracking"] = {policy: score_tracking(runs, sequences) for policy, runs in tracks.items()}
  results["threshold"] = model.threshold
  path = write_results(workdir, results)
  (workdir / "table1.md").write_text(table1_markdown(model.arch))
  draw_figures(workdir, model, results, sequences)
  print(describe(results, model.threshold))
  print(describe_tracking(results["tracking"]))
  print(f"wrote {path}, table1.md and figures 1, 6 and 7 beside it")


def describe_sequences(sequences: Listing[Sequence]) -> str:
  """What is evaluated, in a line."""
  names = ", ".join(sequence.name for sequence in sequences[:8]) + (", ..." if len(sequences) > 8 else "")
  return f"evaluating on {len(sequences)} sequences of {sum(map(len, sequences))} frames in all: {names}"
