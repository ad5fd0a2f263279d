"""Where models are: a file, a finished workdir, or in the package. Nothing is read here."""

import importlib.resources
import pathlib

from adadepth.errors import InputError

MODEL_NAME = "model.safetensors"
# Models in the package: the small network, and gates for the ImageNet VGG-19, whose weights the user brings.
EMBEDDED, VGG19 = "embedded", "vgg19"
ASSETS = {EMBEDDED: "small.safetensors", VGG19: "vgg19_gates.safetensors"}


def model_file(path: str | pathlib.Path) -> pathlib.Path:
  """Where the model is that `load_model` takes."""
  file = asset_path(str(path)) if str(path) in ASSETS else pathlib.Path(path)
  return file / MODEL_NAME if file.is_dir() else file


def existing_model_file(path: str | pathlib.Path, *, argument: str = "path") -> pathlib.Path:
  """`model_file`, which is there.

  Args:
    argument: name of the argument the path came from, for error messages.
  Raises:
    InputError: it is not.
  """
  file = model_file(path)
  if not file.is_file():
    raise InputError(
      f"`{argument}` (={path}) is neither a model nor a finished workdir (no {file}): train one with "
      f'configs/gating.py, or give "{EMBEDDED}"'
    )
  return file


def asset_path(name: str) -> pathlib.Path:
  """A model in the package: "embedded" or "vgg19"."""
  return in_package(ASSETS[name])


def in_package(file: str) -> pathlib.Path:
  """A file of the package's assets."""
  return pathlib.Path(str(importlib.resources.files("adadepth") / "assets" / file))


def model_path(named: str, workdir: pathlib.Path) -> str | pathlib.Path:
  """What `config.model` names, as `load_model` takes it; "": the model of the workdir, or else the package's."""
  return named or (workdir if (workdir / MODEL_NAME).is_file() else EMBEDDED)
