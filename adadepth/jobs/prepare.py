"""Writes a data set as records, which training and evaluation read in its place."""

import pathlib

from ml_collections import ConfigDict

from adadepth.errors import InputError
from adadepth.jobs.checks import check_config


def run_prepare(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Writes the records of `config.data.root` under the workdir; what is there already stays."""
  check_config(config)
  if not config.data.root:
    raise InputError("`config.data.root` (='') names no folder: give the one that holds the data set")
  try:
    from adadepth.data.builders import RealTracks  # which needs TFDS
  except ImportError as error:
    raise InputError(str(error)) from error
  builder = RealTracks(
    root=config.data.root, split_path=config.data.split, on_error=config.data.on_error, data_dir=workdir
  )
  builder.download_and_prepare()
  if builder.problems.counts:
    print(builder.problems.summary())
  sides = ", ".join(f"{split.num_examples} frames of {side}" for side, split in builder.info.splits.items())
  print(f"{builder.data_dir} holds {sides}: --config.data.root={workdir} reads them")
