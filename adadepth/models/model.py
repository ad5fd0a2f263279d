"""A trained model in one file: parameters, architecture, and what phase 2 chose."""

import dataclasses
import json
import math
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp

from adadepth.errors import InputError
from adadepth.models.architecture import Architecture
from adadepth.models.calibration import Calibration, calibration_of
from adadepth.models.model_files import ASSETS, existing_model_file
from adadepth.models.network import init_params
from adadepth.models.weights import load_safetensors, save_safetensors


class Model(NamedTuple):
  """Everything that tracking needs.

  Attributes:
    params: of `network.init_params`; without "gates" where phase 1 alone wrote it.
    arch: the network's numbers, and what reads the box.
    threshold: T of hard gating; means nothing without gates.
    calibration: None where the gates were not trained by phase 2.
  """

  params: dict
  arch: Architecture
  threshold: float
  calibration: Calibration | None = None


def save_model(path: str | pathlib.Path, model: Model, *, float_dtype: str = "float32") -> None:
  """Writes a model as safetensors with its settings in the header; without a backbone, if it has none."""
  settings = {
    "architecture": dataclasses.asdict(model.arch),
    "threshold": model.threshold,
    "calibration": model.calibration,
  }
  metadata = {name: json.dumps(value) for name, value in settings.items()}
  save_safetensors(path, model.params, metadata, float_dtype=float_dtype)


def load_model(path: str | pathlib.Path, *, argument: str = "path") -> Model:
  """Reads a model: a file, a finished workdir, "embedded", the small one that ships in the package, or "vgg19".

  The last has gates and no backbone: `{**model.params, "backbone": load_vgg19(...)}` makes it whole.

  Args:
    path: of the file or the workdir, or a name.
    argument: name of the argument the path came from, for error messages.
  Raises:
    InputError: nothing there, or it is not a model of ours.
  """
  named = f"`{argument}` (={path})"
  file = existing_model_file(path, argument=argument)
  stored = load_safetensors(file)
  if "architecture" not in stored.metadata:
    raise InputError(f"{named}: {file} holds weights, not a model that configs/gating.py wrote")
  try:
    settings = {name: json.loads(value) for name, value in stored.metadata.items()}
    unknown = _unknown(settings, stored.tree)
    if unknown:
      raise InputError(
        f"another version's ({', '.join(sorted(unknown))}): train its gates again with configs/gating.py"
      )
    arch, threshold = Architecture(**settings["architecture"]), float(settings["threshold"])
    calibration = settings.get("calibration") and calibration_of(settings["calibration"])
    if not math.isfinite(threshold):
      raise InputError(f"damaged: its threshold is {threshold}")
    if str(path) not in ASSETS:  # to trace the network's shapes takes half a second, which what ships need not wait for
      _check_shapes(stored.tree, arch)
  except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
    told = str(error) if isinstance(error, InputError) else f"damaged, or no model of ours ({error!r})"
    raise InputError(f"{named}: {file} is {' '.join(told.split())}") from None
  return Model(jax.tree.map(jnp.asarray, stored.tree), arch, threshold, calibration)


def _check_shapes(tree: dict, arch: Architecture) -> None:
  """Raises InputError for parameters that are not those of the architecture that the file says it has."""
  shapes = jax.eval_shape(lambda key: init_params(key, arch, logit_scale=1.0), jax.random.key(0))
  for name, part in tree.items():
    found, wanted = _shapes_in(part), _shapes_in(shapes.get(name, part))
    if wrong := sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)):
      raise InputError(
        f"damaged: {name}{wrong[0]} has shape {found.get(wrong[0])}, where its architecture has {wanted.get(wrong[0])}"
      )


def _shapes_in(tree: dict) -> dict[str, tuple[int, ...]]:
  return {jax.tree_util.keystr(path): leaf.shape for path, leaf in jax.tree.leaves_with_path(tree)}


def _unknown(settings: dict, params: dict) -> set[str]:
  """What a file holds that this version does not know, or lacks."""
  calibration = settings.get("calibration")
  unknown = set(settings["architecture"]) - {f.name for f in dataclasses.fields(Architecture)}
  unknown |= set(params) - {"backbone", "head", "box", "gates"}
  return unknown | ({"a calibration"} if calibration and len(calibration) != len(Calibration._fields) else set())


def check_gates(model: Model, named: str) -> None:
  """Raises InputError for a model that phase 1 alone wrote; `named` is the argument it came from."""
  if "gates" not in model.params:
    raise InputError(
      f"{named} has no gates, since phase 1 alone wrote it: train them with configs/gating.py and its workdir as "
      "--config.backbone.weights, or track with xcorr1 to xcorr5"
    )
