"""A start for phase 1 of the small network: distils VGG-19's maps of photos and videos into it."""

import functools
import json
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict

from adadepth.data.drifted_pairs import DriftedSampler
from adadepth.data.render.cutouts import open_album
from adadepth.errors import InputError
from adadepth.io.run_record import run_record
from adadepth.io.workdir import claim, write_results
from adadepth.jobs.checks import check_config
from adadepth.jobs.from_config import architecture_of, backbone_of, identity_of, source_of, starting_params
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model, save_model
from adadepth.models.model_files import MODEL_NAME
from adadepth.models.vgg import prepare_backbone
from adadepth.training.distillation import BATCH, TARGETS, distil, picture_crops, targets_of, teacher_maps


def run_distill(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes a model with a backbone alone, for `config.backbone.weights` of the main job, and the losses."""
  check_config(config)
  album = open_album(config.data.photos)
  if album is None:
    raise InputError("`config.data.photos` (='') names no folder: distillation learns from photos")
  arch = architecture_of(config)
  train = source_of(config).read(("train",))["train"]
  claim(workdir, identity_of(config, "distillation"))
  run_record(workdir, config.to_dict(), config.seed)
  teacher = Architecture(template_px=arch.template_px, search_px=arch.search_px, pools=3)
  vgg19 = prepare_backbone(
    backbone_of(config.backbone.weights, teacher, workdir), teacher, backend=jax.default_backend()
  )
  settings = config.distillation
  crops = picture_crops(album, DriftedSampler(train, arch, config.seed), videos=settings.videos, seed=config.seed)
  crops = crops[: len(crops) // BATCH * BATCH]
  targets = targets_of(functools.partial(teacher_maps, vgg19, arch=teacher), crops)
  del vgg19
  params = starting_params(random_start(config), arch, workdir)
  rest = {"steps": settings.steps, "seed": config.seed, "arch": arch, "folder": workdir / "distillation"}
  backbone, curve = distil(params["backbone"], crops, targets, **rest)
  save_model(workdir / MODEL_NAME, Model({"backbone": backbone, "head": params["head"]}, arch, 0.5))
  last = np.mean(curve[-100:], axis=0)
  named = {f"block {t.student + 1}, of VGG-19's {t.teacher + 1}": float(v) for t, v in zip(TARGETS, last, strict=True)}
  path = write_results(workdir, {"mean_squared_error": named, "crops": len(crops)})
  print(f"mean squared errors of the last 100 steps, in variances: {json.dumps(named, indent=1)}")
  print(f"wrote {path} and {MODEL_NAME}")


def random_start(config: ConfigDict) -> ConfigDict:
  """The config of a student, which starts from random weights."""
  student = config.copy_and_resolve_references()
  with student.unlocked():
    student.backbone.weights = ""
  return student
