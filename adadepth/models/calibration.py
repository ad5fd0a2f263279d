"""What phase 2 knows of a model's thresholds."""

from typing import NamedTuple


class Calibration(NamedTuple):
  """What thresholds do to video that the gates have not learnt from: how a budget finds its T.

  Attributes:
    thresholds: T, ascending.
    exits: the share of frames that stop at each depth, for each T.
    iou25: IOU@25 of hard gating, for each T.
    relative_costs: FLOPs of a frame that stops at each depth, relative to xcorr1, [5].
    reference: the best static exit there, "xcorr1".."xcorr5", whose cost defines the shares of budgets.
  """

  thresholds: list[float]
  exits: list[list[float]]
  iou25: list[float]
  relative_costs: list[float]
  reference: str
