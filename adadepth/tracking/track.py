"""What a tracker says of a frame."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.maths.geometry import Arrays
from adadepth.models.architecture import DEPTHS
from adadepth.tracking.accepted import box_array
from adadepth.tracking.lost import is_lost


class Track(NamedTuple):
  """What the tracker says of one frame; of t frames or n targets, with leading axes.

  Attributes:
    box_xywh: image pixels, [*n, 4].
    confidences: c_1..c_5 (see `policies.Decision`), [*n, 5].
    depth: the deepest block computed, 0..4, [*n].
    score: the probability that the target is there, from what was read lately, [*n]; the paper's reader does not
      say, and it goes to 1.
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


def given_track(box_xywh) -> Track:
  """The track of a first frame: the given box, or n, with confidence 0 at every depth."""
  box = box_array(box_xywh)
  none = np.zeros(box.shape[:-1], np.int32)
  return Track(box, np.zeros((*box.shape[:-1], DEPTHS), np.float32), none, np.ones(box.shape[:-1], np.float32), none)


def computed_confidences(track: Track) -> Float[np.ndarray, "5"]:
  """c_1..c_5 of one target with NaN at depths that were never computed, as they are drawn."""
  return np.where(np.arange(DEPTHS) <= track.depth, track.confidences, np.float32(np.nan))
