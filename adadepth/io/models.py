"""A trained model in one file: parameters, architecture, and the policy settings chosen on dev."""

import dataclasses
import importlib.resources
import json
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp

from adadepth.errors import InputError
from adadepth.io.weights import load_safetensors, save_safetensors
from adadepth.maths.architecture import Architecture
from adadepth.maths.readout import Readout

MODEL_NAME = "model.safetensors"
EMBEDDED = "embedded"
EMBEDDED_FILE = "slim.safetensors"


class Model(NamedTuple):
  """Everything that tracking needs.

  Attributes:
    params: {"backbone", "head", "gates"}.
    arch: the network's numbers.
    threshold: T of hard gating.
    readout: how a response becomes a displacement.
  """

  params: dict
  arch: Architecture
  threshold: float
  readout: Readout


def save_model(path: str | pathlib.Path, model: Model, *, float_dtype: str = "float32") -> None:
  """Writes a model as safetensors with its settings in the header."""
  settings = {
    "architecture": dataclasses.asdict(model.arch),
    "threshold": model.threshold,
    "readout": model.readout,
  }
  metadata = {name: json.dumps(value) for name, value in settings.items()}
  save_safetensors(path, model.params, metadata, float_dtype=float_dtype)


def load_model(path: str | pathlib.Path) -> Model:
  """Reads a model: a file, a finished workdir, or "embedded", the slim one that ships in the package.

  Raises:
    InputError: nothing there, or it is not a model of ours.
  """
  file = embedded_path() if str(path) == EMBEDDED else pathlib.Path(path)
  if file.is_dir():
    file = file / MODEL_NAME
  if not file.is_file():
    raise InputError(
      f"`config.model` (={path}) is neither a model nor a finished workdir (no {file}): "
      f'train one with configs/gating.py, or give "{EMBEDDED}"'
    )
  stored = load_safetensors(file)
  if "architecture" not in stored.metadata:
    raise InputError(f"`config.model` (={path}): {file} holds weights, not a model that configs/gating.py wrote")
  settings = {name: json.loads(stored.metadata[name]) for name in ("architecture", "threshold", "readout")}
  params = jax.tree.map(jnp.asarray, stored.tree)
  return Model(params, Architecture(**settings["architecture"]), settings["threshold"], Readout(*settings["readout"]))


def embedded_path() -> pathlib.Path:
  """The slim model in the package."""
  return pathlib.Path(str(importlib.resources.files("adadepth") / "assets" / EMBEDDED_FILE))
