"""Runs the job that a config describes.

python run.py --config=configs/gating.py --workdir=runs/gating
"""

import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from adadepth.errors import InputError
from adadepth.loops import TASKS

CONFIG = config_flags.DEFINE_config_file("config", None, "What to run, e.g. configs/gating.py.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", "", "Folder for results; by default runs/<task>.")
flags.mark_flag_as_required("config")


def main(_) -> None:
  logging.set_verbosity(logging.WARNING)
  config = CONFIG.value
  TASKS[config.task](config, pathlib.Path(WORKDIR.value or f"runs/{config.task}"))


if __name__ == "__main__":
  try:
    app.run(main)
  except InputError as error:
    sys.exit(f"error: {error}")
