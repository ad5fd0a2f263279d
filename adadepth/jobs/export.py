"""Writes a tracker's program with its weights as one file: tracker.onnx, tracker.stablehlo."""

import importlib.util
import pathlib

from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.io.run_record import run_record
from adadepth.io.workdir import all_or_none
from adadepth.jobs.from_config import model_of
from adadepth.models.model import check_gates
from adadepth.tracking.policies import FIXED, POLICIES

NEEDED = {"onnx": ("onnx",), "stablehlo": ("flatbuffers",)}  # format -> packages that write it


def run_export(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes a file of each format to the workdir, all or none."""
  formats = formats_of(config)
  model = model_of(config, workdir)
  if config.policy not in FIXED:
    check_gates(model, f"`config.model` (={config.model})")
  from adadepth.export import onnx_file, stablehlo  # onnx, which only this job needs

  writers = {"onnx": onnx_file.onnx_bytes, "stablehlo": stablehlo.stablehlo_bytes}
  with all_or_none(workdir) as folder:
    for name in formats:
      (folder / f"tracker.{name}").write_bytes(writers[name](model, config.policy))
    run_record(folder, config.to_dict(), 0)
  for name in formats:
    file = workdir / f"tracker.{name}"
    print(f"wrote {file}: {config.policy}, {file.stat().st_size / 1e6:.1f} MB")


def formats_of(config: ConfigDict) -> tuple[str, ...]:
  """`config.format` as names; the policy is checked with it.

  Raises:
    InputError: a name that is none, or a package that is not there.
  """
  if config.policy not in POLICIES:
    raise InputError(f"`config.policy` (={config.policy!r}) must be one of {', '.join(POLICIES)}")
  names = tuple(dict.fromkeys(name.strip() for name in config.format.split(",")))
  for name in names:
    if name not in NEEDED:
      raise InputError(f"`config.format` (={config.format!r}) names {name!r}; the formats are {', '.join(NEEDED)}")
    if missing := [package for package in NEEDED[name] if importlib.util.find_spec(package) is None]:
      raise InputError(f'`config.format` (={config.format!r}) needs {missing[0]}: pip install "adadepth[export]"')
  return names
