"""Knowing that a target is lost, and where to look for it then."""

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.maths.geometry import Arrays

PATIENCE = 6  # frames in a row that are not believed before a target is called lost
# Where search crops are centred while a target is lost, frame by frame, in crops from its last place: there and on two
# rings around it, every other time in the middle.
RINGS = [(r * np.cos(a), r * np.sin(a)) for r, n in ((0.6, 6), (1.1, 10)) for a in 2 * np.pi * np.arange(n) / n]
LOOKED_AT = np.array([at for ring in RINGS for at in ((0.0, 0.0), ring)], np.float32)


def search_center(
  center: Float[np.ndarray, "n 2"], side_px: Float[np.ndarray, "n"], missed: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "n 2"]:
  """Where the next search crops are cut, image pixels: around the last places, and farther off for lost targets.

  Args:
    center: of the last boxes, image pixels.
    side_px: of the search crops, image pixels.
    missed: frames in a row in which each was not found.
  """
  turn = np.maximum(missed - PATIENCE, -1)
  offset = np.where((turn < 0)[:, None], 0, LOOKED_AT[turn % len(LOOKED_AT)])
  return (center + offset * side_px[:, None]).astype(np.float32)


def is_lost(missed: Int[Arrays, "*n"]) -> Bool[Arrays, "*n"] | np.bool_:
  return missed >= PATIENCE
