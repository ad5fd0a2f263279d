"""What a tracker says of a frame."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.maths.geometry import Arrays
from adadepth.tracking.lost import is_lost


class Track(NamedTuple):
  """What the tracker says of one frame; of t frames or n targets, with leading axes.

  Attributes:
    box_xywh: image pixels, [*n, 4].
    confidences: c_1..c_5 (see `policies.Decision`), [*n, 5].
    depth: the deepest block computed, 0..4, [*n].
    score: the probability that the target is there, from what was read lately, [*n]; 1 with readers that do not say.
    missed: frames in a row in which it was not believed to be there, [*n].
  """

  box_xywh: Float[Arrays, "*n 4"]
  confidences: Float[Arrays, "*n 5"]
  depth: Int[Arrays, "*n"]
  score: Float[Arrays, "*n"]
  missed: Int[Arrays, "*n"]

  @property
  def lost(self) -> Bool[Arrays, "*n"] | np.bool_:
    """Whether the target is lost: not believed to be there for `lost.PATIENCE` frames or more. Its box then stays."""
    return is_lost(self.missed)
