"""Writes trackers.ini, by which the VOT toolkit finds our tracker."""

import pathlib
import re
import shlex
import sys

from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.io.whole_files import write_text
from adadepth.jobs.track_inputs import check_config_policy
from adadepth.models.model_files import ASSETS
from adadepth.tracking.policies import POLICIES

TRACKERS = "trackers.ini"


def run_vot(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Adds our tracker to trackers.ini in the workdir, a workspace of the toolkit, or puts it in place of itself."""
  if not re.fullmatch(r"[A-Za-z0-9_-]+", config.name):
    raise InputError(f"`config.name` (={config.name!r}) must be letters, digits, - and _: the toolkit's name for it")
  check_config_policy(config, POLICIES)
  path = workdir / TRACKERS
  others = without_section(path.read_text(), config.name) if path.exists() else ""
  write_text(path, others + section(config))
  print(f"wrote [{config.name}] to {path}; then: vot evaluate --workspace {shlex.quote(str(workdir))} {config.name}")


def section(config: ConfigDict) -> str:
  """Our lines; all paths are absolute, since the toolkit runs trackers in folders of its own."""
  command = [sys.executable, "-m", "adadepth.trax_server", f"--model={in_full(config.model, 'model')}"]
  command += [f"--weights={in_full(config.backbone.weights, 'backbone.weights')}"] if config.backbone.weights else []
  command += [f"--policy={config.policy}"]
  command += [f"--budget={config.budget:g}"] if config.budget else []
  lines = [f"[{config.name}]", f"label = {config.name}", "protocol = trax", f"command = {shlex.join(command)}"]
  lines += ["# The first start compiles.", f"timeout = {config.timeout_s}"]
  lines += [f"env_JAX_PLATFORMS = {config.platform}"] if config.platform else []
  package = pathlib.Path(__file__).parents[2]
  lines += [] if package.name == "site-packages" else [f"env_PYTHONPATH = {package}"]
  if not all(line.isprintable() for line in lines):  # else a value could bring a line of its own, a command say
    raise InputError("config.model, config.backbone.weights and config.platform must be without line breaks")
  return "\n".join((*lines, ""))


def in_full(path: str, field: str) -> str:
  """A path from the root on; the name of a model in the package as it is.

  Args:
    field: of the config, that has it.
  Raises:
    InputError: there is no such file or folder.
  """
  if path in ASSETS:
    return path
  if not pathlib.Path(path).expanduser().exists():
    raise InputError(f"`config.{field}` (={path}) does not exist; name a file")
  return str(pathlib.Path(path).expanduser().resolve())


def without_section(text: str, name: str) -> str:
  """An .ini file less one section; the rest ends in an empty line."""
  rest = re.sub(rf"(?ms)^\[{re.escape(name)}\].*?(?=^\[|\Z)", "", text).rstrip()
  return f"{rest}\n\n" if rest else ""
