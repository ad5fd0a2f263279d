"""The main job: phase 1 where no backbone is given, phase 2, then every policy on the test split."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from adadepth.data.pairs import PairSampler
from adadepth.data.sources import Source, balanced
from adadepth.errors import InputError
from adadepth.io.models import EMBEDDED, MODEL_NAME, Model, load_model, save_model
from adadepth.io.weights import download_vgg19, load_vgg19
from adadepth.io.workdir import claim, write_results
from adadepth.io.writers import MetricWriter, run_record
from adadepth.loops.checks import check_config
from adadepth.loops.gates import GateChoice, candidates, choose, depth_losses, table_features, train_gates
from adadepth.loops.report import report_run
from adadepth.loops.responses import PairTable, pair_table
from adadepth.loops.scores import score_depths, score_fixed, score_pairs, table_confidences
from adadepth.loops.train import finetune
from adadepth.maths.architecture import DEPTHS, Architecture
from adadepth.maths.losses import geometric_price
from adadepth.programs.costs import pair_costs
from adadepth.programs.network import init_params

LABEL_VARIANCE_PX2 = 20.0  # reference, at a search crop of 256 px
TRAINED_BY = ("seed", "network", "backbone", "data", "finetune", "gates", "policy")


def source_of(config: ConfigDict) -> Source:
  """`config.data` as a Source."""
  data = config.data
  return Source(data.root, data.split, data.on_error, tuple(data.rendered), config.seed)


def architecture_of(config: ConfigDict) -> Architecture:
  """`config.network` as an Architecture."""
  numbers = {f.name: config.network[f.name] for f in dataclasses.fields(Architecture)}
  return Architecture(**numbers)


def label_variance(arch: Architecture) -> float:
  """Variance of the label in crop pixels^2: the reference's, scaled with the search crop."""
  return LABEL_VARIANCE_PX2 * (arch.search_px / 256) ** 2


def starting_params(config: ConfigDict, arch: Architecture, workdir: pathlib.Path) -> dict:
  """Random parameters, with the backbone (and logit scales) that `config.backbone.weights` names."""
  params = init_params(jax.random.key(config.seed), arch, logit_scale=config.network.logit_scale)
  weights = config.backbone.weights
  if not weights:
    return params
  if weights == "download":
    weights = download_vgg19(workdir.parent)
  if weights == EMBEDDED or pathlib.Path(weights).is_dir():
    model = load_model(weights)
    if model.arch != arch:
      raise InputError(f"`config.backbone.weights` (={weights}) has {model.arch}, config.network says {arch}")
    return {**params, "backbone": model.params["backbone"], "head": model.params["head"]}
  backbone = load_vgg19(weights, channels=arch.channels)
  return {**params, "backbone": jax.tree.map(jnp.asarray, backbone)}


def run_phase1(config: ConfigDict, params: dict, source: Source, workdir: pathlib.Path) -> dict:
  """Phase 1 by config; the parameters it ends with."""
  arch, settings = architecture_of(config), config.finetune
  sequences = balanced(source.rendered_train(), source.real("train"))
  sampler = PairSampler(sequences, arch, config.seed, settings.frames, settings.jitter_px, settings.key_every)
  state = finetune(
    params,
    sampler,
    arch=arch,
    objective=settings.objective,
    map_loss=settings.map_loss,
    variance_px2=label_variance(arch),
    learning_rate=settings.learning_rate,
    warmup_steps=settings.warmup_steps,
    clip_norm=settings.clip_norm,
    steps=settings.steps,
    groups=settings.groups,
    threads=config.threads,
    log_every=settings.log_every,
    checkpoint_every=settings.checkpoint_every,
    folder=workdir / "finetune",
  )
  return state.params


def cached_table(config: ConfigDict, params: dict, source: Source, side: str, workdir: pathlib.Path) -> PairTable:
  """The responses of one side's pairs, computed once a workdir."""
  train = side == "train"
  return pair_table(
    params,
    source.sequences(side),
    arch=architecture_of(config),
    keys=config.gates.keys_per_sequence if train else config.eval.keys_per_sequence,
    frames=0 if train else config.eval.frames_per_sequence,
    threads=config.threads,
    cache=workdir / "responses" / f"{side}.npz",
    description=f"responses ({side})",
  )


def prices_of(config: ConfigDict, relative_costs: np.ndarray) -> np.ndarray:
  """The price of each depth (Eq. 5) that config names."""
  if config.gates.price == "flops":
    return relative_costs.astype(np.float32)
  return np.asarray(geometric_price(config.gates.p, DEPTHS))


def run_phase2(
  config: ConfigDict, params: dict, train: PairTable, dev: PairTable, workdir: pathlib.Path
) -> tuple[GateChoice, list[GateChoice]]:
  """Trains gates for every loss and lambda, and chooses among them and T on dev."""
  arch, settings = architecture_of(config), config.gates
  costs = pair_costs(arch)
  scored = {
    name: score_depths(table, arch=arch, peak=config.policy.peak, costs=costs)
    for name, table in (("train", train), ("dev", dev))
  }
  features = table_features(params, train, arch)
  variance = label_variance(arch)
  tried = []
  with MetricWriter(workdir / "gating") as writer:
    for loss in settings.losses:
      losses = depth_losses(
        params, train, scored["train"].ious, loss=loss, arch=arch, map_loss=config.finetune.map_loss,
        variance_px2=variance,
      )
      gates, curves = train_gates(
        jax.random.key(config.seed),
        features,
        losses,
        prices=prices_of(config, costs.fixed_gflops / costs.fixed_gflops[0]),
        price_weights=tuple(settings.price_weights),
        learning_rate=settings.learning_rate,
        steps=settings.steps,
        batch=settings.batch,
      )
      for weight, gate, curve in zip(settings.price_weights, gates, curves, strict=True):
        for step in range(0, len(curve), 100):
          writer.write(step, {f"{loss}/lambda={weight}": curve[step]})
        confidences = table_confidences({**params, "gates": gate}, dev, arch)
        thresholds = tuple(config.policy.thresholds)
        tried += candidates(
          scored["dev"], confidences, gate, loss=loss, price_weight=weight, thresholds=thresholds
        )
  fixed = score_fixed(scored["dev"])
  best = max(fixed.values(), key=lambda entry: entry["iou@25"])
  return choose(tried, best_fixed_cost=best["relative_cost"], max_cost=config.policy.max_cost), tried


def run_gating(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Phase 1, phase 2, evaluation, figures; resumes from whatever the workdir already holds."""
  arch, source = architecture_of(config), source_of(config)
  check_config(config)
  source.check()
  params = starting_params(config, arch, workdir)
  claim(workdir, {name: config.to_dict().get(name) for name in TRAINED_BY})
  run_record(workdir, config.to_dict(), config.seed)
  if config.finetune.steps:
    params = run_phase1(config, params, source, workdir)
  tables = {side: cached_table(config, params, source, side, workdir) for side in ("train", "dev", "test")}
  chosen, tried = run_phase2(config, params, tables["train"], tables["dev"], workdir)
  model = Model({**params, "gates": chosen.gates}, arch, chosen.threshold, config.policy.peak)
  save_model(workdir / MODEL_NAME, model)
  results = score_pairs(
    model.params,
    tables["test"],
    arch=arch,
    peak=model.peak,
    thresholds=tuple(config.policy.thresholds),
    costs=pair_costs(arch),
  )
  report_run(config, model, results, chosen, tried, source, workdir)
