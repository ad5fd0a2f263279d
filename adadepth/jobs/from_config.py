"""From a config's values to the objects that the loops pass on."""

import dataclasses
import pathlib

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from adadepth.data.sources import Source
from adadepth.errors import InputError
from adadepth.io.processes import from_first
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model, load_model
from adadepth.models.model_files import EMBEDDED, VGG19, model_path
from adadepth.models.network import init_params
from adadepth.models.weights import download_vgg19, load_vgg19
from adadepth.training.optimizers import TRAINED
from adadepth.training.phase2 import Recipe

TRAINED_BY = ("seed", "network", "backbone", "data", "finetune", "gates", "policy")
REPORTED = {"finetune": ("log_every", "checkpoint_every"), "data": ("on_error",)}  # what they change is not trained
LABEL_VARIANCE_PX2 = 20.0  # reference, at a search crop of 256 px


def identity_of(config: ConfigDict, *more: str) -> dict:
  """What decides what is trained, and `more` of the config's parts: a workdir belongs to one of these."""
  parts = {name: config.to_dict()[name] for name in (*TRAINED_BY, *more) if name in config}
  return {
    name: {k: v for k, v in part.items() if k not in REPORTED.get(name, ())} if isinstance(part, dict) else part
    for name, part in parts.items()
  }


def source_of(config: ConfigDict) -> Source:
  """`config.data` as a Source."""
  data = config.data
  return Source(data.root, data.split, data.on_error, tuple(data.rendered), data.hardest, config.seed, data.photos)


def architecture_of(config: ConfigDict) -> Architecture:
  """`config.network` as an Architecture."""
  try:
    return Architecture(**{f.name: config.network[f.name] for f in dataclasses.fields(Architecture)})
  except InputError as error:
    raise InputError(f"config.network: {error}") from None


def recipe_of(config: ConfigDict) -> Recipe:
  """`config.gates` as a recipe."""
  same = ("loss", "p", "learning_rate", "steps", "batch")
  return Recipe(
    **{name: config.gates[name] for name in same},
    price_weights=tuple(config.gates.price_weights),
    map_loss=config.finetune.map_loss,
    variance_px2=label_variance(architecture_of(config)),
    seed=config.seed,
  )


def label_variance(arch: Architecture) -> float:
  """Variance of the label in crop pixels^2: the reference's, scaled with the search crop."""
  return LABEL_VARIANCE_PX2 * (arch.search_px / 256) ** 2


def starting_params(config: ConfigDict, arch: Architecture, workdir: pathlib.Path) -> dict:
  """Random parameters, with what `config.backbone.weights` names: of a model all that phase 1 has trained, of VGG-19's
  file the backbone, to which the package has box heads.
  """
  params = init_params(jax.random.key(config.seed), arch, logit_scale=config.network.logit_scale)
  weights = config.backbone.weights
  if not weights:
    return params
  if weights == EMBEDDED or pathlib.Path(weights).is_dir():
    model = load_model(weights, argument="config.backbone.weights")
    if model.arch.trained != arch.trained:
      raise InputError(
        f"`config.backbone.weights` (={weights}) was trained with {model.arch.trained}, config.network says "
        f"{arch.trained}: give the same"
      )
    trained = {name: model.params[name] for name in TRAINED if name in model.params}
  else:
    trained, heads = {"backbone": backbone_of(weights, arch, workdir)}, load_model(VGG19)
    if arch.reader == "box" and arch.trained == heads.arch.trained:
      trained["box"] = heads.params["box"]
  if "box" in params and "box" not in trained and not (config.finetune.steps or config.finetune.get("rollouts")):
    raise InputError(f"`config.backbone.weights` (={weights}) has no box heads: give `config.finetune.steps`")
  return params | trained


def model_of(config: ConfigDict, workdir: pathlib.Path) -> Model:
  """The finished model that `config.model` names, with the backbone that config names where it has none of its own.

  "" names the workdir's, or the embedded one where it has none.

  Raises:
    InputError: no such model, gates without a backbone, or a backbone for a model that has its own.
  """
  model = load_model(model_path(config.model, workdir), argument="config.model")
  weights = config.backbone.weights
  if "backbone" in model.params:
    if weights:
      raise InputError(f"`config.backbone.weights` (={weights}): the model has a backbone of its own; leave it empty")
    return model
  if not weights:
    raise InputError(
      f"`config.backbone.weights` (='') names no backbone, and `config.model` (={config.model}) holds gates alone: "
      'give VGG-19\'s weights as a file or "download"'
    )
  return model._replace(params={**model.params, "backbone": backbone_of(weights, model.arch, workdir)})


def backbone_of(weights: str, arch: Architecture, workdir: pathlib.Path) -> dict:
  """VGG-19's weights from a file, or downloaded to the workdir's parent."""
  path = from_first(lambda: str(download_vgg19(workdir.parent))) if weights == "download" else weights
  return jax.tree.map(jnp.asarray, load_vgg19(path, channels=arch.channels))
