"""A static network distilled from the adaptive one, at the mean cost of its hard gating: is that as good?

python -m experiments.ablations.static --root DATA --photos PHOTOS --workdir runs/static --steps 6000 --starts 4

The package's plan, so narrow that its fourth exit costs what hard gating costs in the mean. Its blocks learn to predict
the package's maps; then it has what the package's network had: phase 1, of fewer steps with --steps, and rollouts on
the same pairs. Both track the dev side, from several first boxes with --starts, the narrow one by each exit. Writes
static.json; a run goes on where it was.
"""

import argparse
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.render.cutouts import open_album
from adadepth.data.sequence import Sequence
from adadepth.evaluation.costs import frame_costs
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.one_pass import score_tracking, track_all
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.json_files import write_json
from adadepth.jobs.finetune import run_phase1
from adadepth.jobs.from_config import architecture_of, source_of
from adadepth.models.model import Model, load_model, save_model
from adadepth.models.model_files import EMBEDDED, MODEL_NAME
from adadepth.models.network import block_outputs, init_params
from adadepth.tracking.policies import FIXED
from adadepth.training.distillation import BATCH, distil, picture_crops, targets_of
from configs import distill, gating
from experiments.tracking.compare import other_start

WIDTH = 0.65  # its xcorr4 costs 5.2 times the package's xcorr1, as hard gating does


def configured(given: argparse.Namespace) -> ConfigDict:
  """How the package's network is trained, narrower."""
  config = gating.get_config("small").copy_and_resolve_references()
  with config.unlocked():
    config.network.width = WIDTH
    config.finetune.steps = given.steps or config.finetune.steps
    config.data.update({"root": given.root, "split": given.split, "photos": given.photos})
  return config


def train(config: ConfigDict, adaptive: Model, videos: list[Sequence], workdir: pathlib.Path) -> Model:
  """Distillation from the adaptive network's maps, then phase 1 and rollouts."""
  arch, settings = architecture_of(config), distill.get_config().distillation

  @jax.jit
  def maps_of(crops):
    outputs = block_outputs(adaptive.params, crops, arch=adaptive.arch, depths=len(adaptive.arch.blocks))
    return dict(enumerate(jnp.log1p(x) for x in outputs))

  album = open_album(config.data.photos)
  crops = picture_crops(album, DriftedSampler(videos, arch, config.seed), videos=settings.videos, seed=config.seed)
  crops = crops[: len(crops) // BATCH * BATCH]
  params = init_params(jax.random.key(config.seed), arch, logit_scale=config.network.logit_scale)
  rest = {"steps": settings.steps, "seed": config.seed, "arch": arch, "folder": workdir / "distillation"}
  backbone, curve = distil(params["backbone"], crops, targets_of(maps_of, crops), **rest)
  print("mean squared errors of the last 100 steps, in variances:", curve[-100:].mean(axis=0).round(3), flush=True)
  params = run_phase1(config, {**params, "backbone": backbone}, source_of(config).training(videos), workdir)
  return Model(params, arch, 0.5)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--root", required=True)
  parser.add_argument("--split", default="configs/splits/wide.json")
  parser.add_argument("--photos", required=True)
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--steps", type=int, default=0, help="of phase 1; 0: as many as the package's network had")
  parser.add_argument("--starts", type=int, default=1, help="first boxes of each video, as in experiments.tracking")
  given = parser.parse_args()
  enable_compilation_cache()
  config, adaptive = configured(given), load_model(EMBEDDED)
  sides = source_of(config).read(("train", "dev"))
  if not (given.workdir / MODEL_NAME).is_file():
    save_model(given.workdir / MODEL_NAME, train(config, adaptive, sides["train"], given.workdir))
  static = load_model(given.workdir)
  videos = [other_start(sequence, start) for start in range(given.starts) for sequence in sides["dev"]]
  one = frame_costs(adaptive.arch).fixed_gflops[0]
  passes = {
    "adaptive, hard": (adaptive, "hard", frame_costs(adaptive.arch).relative),
    **{f"static, {exit}": (static, exit, frame_costs(static.arch).fixed_gflops / one) for exit in FIXED},
  }
  rows, hard = {}, None
  for name, (model, policy, costs) in passes.items():
    entry = score_tracking(track_all(model, videos, [policy], frames=0, folder=given.workdir / name)[policy], videos)
    by_name = entry["mean_iou_by_sequence"]
    ious = by_video(np.array([n.partition("@")[0] for n in by_name]), np.array(list(by_name.values())))
    rows[name] = {"mean_iou": entry["mean_iou"], "relative_cost": float(costs @ entry["exits"])}
    if hard is None:
      hard = ious
    else:
      rows[name]["hard_minus_it"] = paired_interval(hard, ious)
    print(name, rows[name], flush=True)
    rows[name]["mean_iou_by_sequence"] = by_name
  write_json(given.workdir / "static.json", rows)


if __name__ == "__main__":
  main()
