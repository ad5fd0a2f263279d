"""What an exported file says of itself: all that a runtime must know besides the program."""

import json
from typing import NamedTuple

from adadepth.models.architecture import CHOICES, DEPTHS
from adadepth.models.calibration import Calibration, calibration_of

METADATA = "adadepth"  # of an ONNX file, under which its settings are
LARGEST_PX, LARGEST = 4096, 1e12  # of crops, and of costs in any unit


class Settings(NamedTuple):
  """Of one exported tracker.

  Attributes:
    policy: "xcorr1".."xcorr5", "soft" or "hard".
    reader: `Architecture.reader`, which says what size the search crops follow.
    template_px, search_px: sides of the key crop and the search crop.
    threshold: T of hard gating at a target's first frame; it is passed to the program.
    calibration: by which a budget finds its T; None where there is none.
    cost_by_exit: what a frame costs that stops at each depth, in any unit.
  """

  policy: str
  reader: str
  template_px: int
  search_px: int
  threshold: float
  calibration: Calibration | None
  cost_by_exit: list[float]

  def to_json(self) -> str:
    return json.dumps(self._asdict())


def from_json(text: str) -> Settings:
  """Raises TypeError for what another version has written, and ValueError for values that make no sense."""
  settings = Settings(**json.loads(text))
  settings = settings._replace(calibration=settings.calibration and calibration_of(settings.calibration))
  sides, numbers = (settings.template_px, settings.search_px), (settings.threshold, *settings.cost_by_exit)
  if not (
    isinstance(settings.policy, str)
    and settings.reader in CHOICES["reader"]
    and all(isinstance(side, int) for side in sides)
    and 0 < sides[0] < sides[1] <= LARGEST_PX
    and len(settings.cost_by_exit) == DEPTHS
    and all(isinstance(number, int | float) and abs(number) < LARGEST for number in numbers)
  ):
    raise ValueError("not of the kind that configs/export.py writes")
  return settings
