"""The job "track" with onnxruntime, on a CPU; JAX is imported where a model's file has to be made first."""

import hashlib
import importlib.util
import pathlib
import re
import sys

import numpy as np
from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.export.kept import kept_onnx, shipped_onnx
from adadepth.jobs.track_inputs import Engine
from adadepth.models.model_files import EMBEDDED, existing_model_file, model_path
from adadepth.tracking.accepted import POLICY_NAMES

KNOWN = POLICY_NAMES  # a policy of one's own is in no file that is kept: its code would not be in the file's key


def engine_of(config: ConfigDict, workdir: pathlib.Path) -> Engine:
  """The model, policy and budget that config names, from an ONNX file: the package's, or made where none is kept yet.

  Raises:
    InputError: no such model, a budget that cannot be held, or a package that is not there.
  """
  check_package("onnxruntime", to="track")
  from adadepth.export.runtime import OnnxTracker

  path = onnx_file_of(config, workdir)
  threshold = None if config.threshold < 0 else float(config.threshold)
  try:
    tracker = OnnxTracker(path, config.budget or None, first_threshold=threshold)
  except InputError as error:
    raise InputError(re.sub("^`budget`", "`config.budget`", str(error))) from None
  version = hashlib.sha256(path.read_bytes()).hexdigest()
  return Engine(tracker, np.asarray(tracker.settings.cost_by_exit), version)


def onnx_file_of(config: ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
  """The file of the model and the policy that config names."""
  named = model_path(config.model, workdir)
  if (named, config.policy, config.backbone.weights) == (EMBEDDED, "hard", ""):
    return shipped_onnx()

  def write() -> bytes:
    for package in ("jax", "onnx"):
      check_package(package, to=f"make the file of `config.model` (={named}) with {config.policy!r}")
    from adadepth.export.onnx_file import onnx_bytes
    from adadepth.jobs.track_with_xla import named_model

    print(f"writing {named} as ONNX, once", file=sys.stderr)
    return onnx_bytes(named_model(config, workdir), config.policy)

  try:
    return kept_onnx(model_files(config, workdir), config.policy, write)
  except OSError as error:
    raise InputError(f"`config.runtime` (=onnx): its file cannot be kept ({error})") from error


def model_files(config: ConfigDict, workdir: pathlib.Path) -> list[pathlib.Path]:
  """The files that the model is read from.

  Raises:
    InputError: one is not there.
  """
  files = [existing_model_file(model_path(config.model, workdir), argument="config.model")]
  weights = config.backbone.weights
  if weights == "download":
    check_package("jax", to="take `config.backbone.weights` (=download)")
    from adadepth.models.weights import download_vgg19

    files.append(download_vgg19(workdir.parent))
  elif weights:
    files.append(pathlib.Path(weights))
    if not files[-1].is_file():
      raise InputError(f'`config.backbone.weights` (={weights}) is no file: give VGG-19\'s weights, or "download"')
  return files


def check_package(name: str, *, to: str) -> None:
  """Raises InputError where a package is not installed; `to` is what it is needed for."""
  if importlib.util.find_spec(name) is None:
    raise InputError(f'`config.runtime` (=onnx) needs {name} to {to}: pip install "adadepth[export]"')
