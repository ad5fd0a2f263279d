"""A record of how a run was made: config, seed, versions, git commit, device."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from adadepth.io.json_files import write_json
from adadepth.io.processes import is_first

RUN_RECORD_NAME = "run.json"
PACKAGES = ("adadepth", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "onnxruntime")


def run_record(
  workdir: str | os.PathLike, config: Mapping[str, Any], seed: int, *, name: str = RUN_RECORD_NAME
) -> dict[str, Any]:
  """Writes `run.json`, which says how the results beside it were made.

  It holds the config, the seed, the command line, the date, versions, the git commit of this package (with
  "dirty": tracked files differ from it), the platform and the device.

  Args:
    workdir: the run's folder.
    config: the config as a plain dict.
    seed: the run's seed.
    name: of the file.
  Returns:
    What was written.
  """
  record = {
    "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    "command": without_password(shlex.join([sys.executable, *sys.argv])),
    "seed": seed,
    "git": git_state(pathlib.Path(__file__).parent),
    "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    "platform": platform.platform(),
    "cpu_count": os.cpu_count(),
    "device": _device(),
    "config": config,
  }
  if is_first():
    write_json(pathlib.Path(workdir) / name, record)
  return record


def without_password(text: str) -> str:
  """Text whose URLs have lost what stands before an @: a camera's user and password."""
  return re.sub(r"(\b[A-Za-z][A-Za-z0-9+.-]+://)[^/@\s]*@", r"\1", text)


def git_state(folder: str | os.PathLike) -> dict[str, Any]:
  """Returns {"commit", "dirty"} of the checkout that tracks a folder, or "unknown" and None.

  A folder that git does not track, such as site-packages inside another project's checkout, is unknown: that
  project's commit would say nothing about it.
  """
  commit = _git(folder, "rev-parse", "HEAD")
  if not commit or not _git(folder, "ls-files", "."):
    return {"commit": "unknown", "dirty": None}
  return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _version(package: str) -> str:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return "not installed"  # adadepth itself, run from a checkout; or what this run needs not


def _git(folder: str | os.PathLike, *arguments: str) -> str:
  """Returns what git prints, or nothing where there is no git or no checkout."""
  command = ["git", "-C", os.fspath(folder), *arguments]
  try:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
  except (OSError, subprocess.SubprocessError):
    return ""


def _device() -> dict[str, Any]:
  """What JAX computes on; a program that has not imported it computes on the CPU."""
  if (jax := sys.modules.get("jax")) is None:
    return {"backend": "cpu", "kind": "cpu", "count": 1}
  devices = jax.devices()
  return {"backend": jax.default_backend(), "kind": devices[0].device_kind, "count": len(devices)}
