"""Runs the job that a config describes.

python run.py --config=configs/gating.py --workdir=runs/gating
"""

import pathlib
import re
import sys
import warnings

from absl import app, flags, logging
from ml_collections import config_flags

from adadepth.errors import InputError
from adadepth.io.compilation import enable_compilation_cache
from adadepth.jobs import task_named

CONFIG = config_flags.DEFINE_config_file("config", None, "What to run, e.g. configs/gating.py.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", "", "Folder for results; by default runs/<task>.")
flags.mark_flag_as_required("config")


def parse_flags(argv: list[str]) -> list[str]:
  """The flags, or one line about the first that is wrong."""
  try:
    rest = flags.FLAGS(argv)
    CONFIG.value.lock()  # a config that could not be loaded says so here
    return rest
  except AttributeError as error:
    sys.exit(f"error: the config has no field {error}; see the file that --config names")
  except (flags.Error, OSError, InputError) as error:
    sys.exit(f"error: {one_line(error)}")


def one_line(error: BaseException) -> str:
  """An InputError that the config raised (ml_collections quotes it with its traceback), else the error itself."""
  raised = re.findall(r"InputError: (.+)", str(error))
  return raised[-1] if raised else " ".join(str(error).split())


def main(_) -> None:
  logging.set_verbosity(logging.WARNING)
  # ffmpeg and git are started as programs of their own; no forked child runs JAX.
  warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)
  enable_compilation_cache()
  config = CONFIG.value
  try:
    task_named(config.task)(config, pathlib.Path(WORKDIR.value or f"runs/{config.task}"))
  except InputError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  app.run(main, flags_parser=parse_flags)
