"""Phase 1: fine-tunes the backbone on key and search pairs (Eq. 3), and measures what that does."""

import json
import pathlib
from collections.abc import Sequence as Listing

from ml_collections import ConfigDict

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.pairs import PairSampler, evenly_spaced
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.responses import PairTable, pair_table
from adadepth.evaluation.scores import exit_ious, score_fixed, score_table
from adadepth.io.json_files import write_json
from adadepth.io.metric_writer import read_metrics
from adadepth.io.processes import is_first
from adadepth.io.run_record import run_record
from adadepth.io.workdir import claim, write_results
from adadepth.jobs.checks import check_config
from adadepth.jobs.from_config import (
  architecture_of,
  identity_of,
  label_variance,
  source_of,
  starting_params,
)
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model, save_model
from adadepth.models.model_files import MODEL_NAME
from adadepth.reports.plots import Phase1Run, figure3, figure4, plot_curves
from adadepth.tracking.policies import FIXED
from adadepth.training.optimizers import TRAINED
from adadepth.training.phase1 import Measure, finetune
from adadepth.training.phase2 import depth_losses
from adadepth.training.rollouts import train_on_rollouts

CURVE_FOLDER = "curve"  # of a workdir: what train and test have along phase 1, a file a step
SIDES = ("train", "test")


def pair_sampler(config: ConfigDict, sequences: Listing[Sequence]) -> PairSampler | DriftedSampler:
  """What phase 1 draws its groups from, as the config has it: for box heads, what a tracker meets."""
  settings, arch = config.finetune, architecture_of(config)
  if arch.reader == "box":
    return DriftedSampler(sequences, arch, config.seed)
  if "frames" not in settings:
    raise InputError(
      f"`config.network.reader` (={arch.reader!r}): this config's phase 1 trains box heads; take the paper's variant"
    )
  return PairSampler(sequences, arch, config.seed, settings.frames, settings.jitter_px, settings.key_every)


def run_phase1(
  config: ConfigDict, params: dict, sequences: Listing[Sequence], workdir: pathlib.Path, measure: Measure | None = None
) -> dict:
  """Phase 1 on the given sequences, as far as the config has any; the parameters it ends with.

  Args:
    measure: as in `finetune`, every `config.eval.every_steps` steps.
  """
  arch, settings = architecture_of(config), config.finetune
  same_names = ("objective", "map_loss", "learning_rate", "warmup_steps", "clip_norm", "steps", "groups", "dtype")
  if settings.steps:
    state = finetune(
      params,
      pair_sampler(config, sequences),
      arch=arch,
      variance_px2=label_variance(arch),
      threads=config.threads,
      log_every=settings.log_every,
      checkpoint_every=settings.checkpoint_every,
      folder=workdir / "finetune",
      measure=measure,
      measure_every=config.eval.every_steps if measure else 0,
      **{name: settings[name] for name in same_names},
    )
    params = state.params
  if settings.get("rollouts"):
    rest = {"steps": settings.rollouts, "seed": config.seed, "arch": arch}
    params = train_on_rollouts(params, sequences, **rest, folder=workdir / "rollouts")
  return params


def fixed_scores(params: dict, table: PairTable, *, arch: Architecture, map_loss: str) -> dict:
  """The five static exits on pairs: {"xcorr1": {"loss", "iou@1", ...}, ...}; the loss is the mean L_i of Eq. 2."""
  scores = score_table(table, exit_ious(table, arch=arch), arch=arch, costs=pair_costs(arch))
  eq2 = {"map_loss": map_loss, "variance_px2": label_variance(arch)}
  losses = depth_losses(params, table, scores.ious, loss="cross_entropy", arch=arch, **eq2)
  entries = zip(score_fixed(scores).items(), losses.mean(axis=0), strict=True)
  return {name: {"loss": loss, **entry} for (name, entry), loss in entries}


def depth_scores(
  config: ConfigDict, params: dict, sequences: dict[str, list[Sequence]], step: int, workdir: pathlib.Path
) -> dict[str, dict]:
  """`fixed_scores` on train and on test, {"train": ..., "test": ...}, of the same pairs at every step.

  Responses are kept in the workdir by step.
  """
  arch, scored = architecture_of(config), {}
  for side in SIDES:
    table = pair_table(
      params,
      sequences[side],
      arch=arch,
      keys=config.eval.keys_per_sequence,
      frames=config.eval.frames_per_key,
      threads=config.threads,
      folder=workdir / "responses" / f"{side}-{step}",
      description=f"responses ({side}, step {step})",
    )
    scored[side] = fixed_scores(params, table, arch=arch, map_loss=config.finetune.map_loss)
  return scored


def run_finetune(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Phase 1 alone: the fixed depths before, along and after it, on train and on test."""
  check_config(config)
  arch, source = architecture_of(config), source_of(config)
  sequences = source.read(SIDES)
  params = starting_params(config, arch, workdir)
  # Points of the curve come from several sessions of a run, so they must agree on what is measured.
  claim(workdir, identity_of(config, "eval"))
  run_record(workdir, config.to_dict(), config.seed)
  drawn_from = source.training(sequences["train"])
  measured = {side: evenly_spaced(found, config.eval.sequences) for side, found in sequences.items()}
  keys = pair_sampler(config, drawn_from).keys

  def measure(step: int, params: dict) -> None:
    epoch = step * config.finetune.groups / keys
    point = {"step": step, "epoch": epoch, **depth_scores(config, params, measured, step, workdir)}
    if is_first():
      write_json(workdir / CURVE_FOLDER / f"{step:06d}.json", point)

  measure(0, params)
  params = run_phase1(config, params, drawn_from, workdir, measure)
  measure(config.finetune.steps, params)
  if not is_first():
    return
  trained = {name: params[name] for name in TRAINED if name in params}  # gates are not, and stay out
  save_model(workdir / MODEL_NAME, Model(trained, arch, 0.5))
  curve = [json.loads(path.read_text()) for path in sorted((workdir / CURVE_FOLDER).glob("*.json"))]
  results = {"before": curve[0], "after": curve[-1], "curve": curve}
  path = write_results(workdir, results)
  draw_losses(workdir)
  run = Phase1Run(config.finetune.objective, curve)
  figure3(workdir / "figure3.png", [run])
  figure4(workdir / "figure4.png", [run])
  print(describe_change(curve[0], curve[-1]))
  print(f"wrote {path}, {MODEL_NAME}, losses.png and figures 3 and 4 beside it")


def draw_losses(workdir: pathlib.Path) -> None:
  """losses.png: L_1..L_5 over the steps of phase 1."""
  lines = read_metrics(workdir / "finetune")
  steps = [line["step"] for line in lines]
  curves = {name: (steps, [line[name] for line in lines]) for name in ("loss1", "loss2", "loss3", "loss4", "loss5")}
  plot_curves(workdir / "losses.png", curves, ylabel="loss of the batch (Eq. 2), nats")


def describe_change(before: dict, after: dict) -> str:
  """What phase 1 did to each depth, as a table for people."""
  lines = [
    "| depth | train loss | | test IOU@25 | |",
    "| --- | --- | --- | --- | --- |",
    "| | before | after | before | after |",
  ]
  for name in FIXED:
    loss = [f"{scored['train'][name]['loss']:.3f}" for scored in (before, after)]
    iou25 = [f"{scored['test'][name]['iou@25']:.3f}" for scored in (before, after)]
    lines.append(f"| {name} | {' | '.join(loss + iou25)} |")
  return "\n".join(lines) + "\n"
