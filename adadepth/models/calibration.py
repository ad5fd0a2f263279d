"""What phase 2 knows of a model's thresholds."""

from typing import NamedTuple

import numpy as np

from adadepth.errors import InputError
from adadepth.models.architecture import DEPTH_NAMES, DEPTHS


class Calibration(NamedTuple):
  """What thresholds do to video that the gates have not learnt from: how a budget finds its T.

  Attributes:
    thresholds: T, ascending.
    exits: the share of frames that stop at each depth, for each T.
    iou25: IOU@25 of hard gating, for each T.
    relative_costs: FLOPs of a frame that stops at each depth, relative to xcorr1, [5].
    reference: the best static exit there, "xcorr1".."xcorr5", with which hard gating is compared.
  """

  thresholds: list[float]
  exits: list[list[float]]
  iou25: list[float]
  relative_costs: list[float]
  reference: str


def calibration_of(stored: list) -> Calibration:
  """A calibration from the JSON of a file.

  Raises:
    InputError: not of as many finite numbers as belong together.
  """
  try:
    thresholds, exits, iou25, costs, reference = stored
    count, numbers = len(thresholds), [np.asarray(part, np.float64) for part in (thresholds, exits, iou25, costs)]
    shapes = [(count,), (count, DEPTHS), (count,), (DEPTHS,)]
    whole = [part.shape for part in numbers] == shapes and all(np.isfinite(part).all() for part in numbers)
  except (ValueError, TypeError):
    whole = False
  if not whole or not count or reference not in DEPTH_NAMES:
    raise InputError("damaged: its calibration is none")
  return Calibration(*stored)
