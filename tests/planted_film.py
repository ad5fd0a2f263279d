"""A film of ten frames with two trails, for tests of pages and their viewer."""

import numpy as np

from adadepth.reports.stills import small_jpeg
from adadepth.reports.viewer import GIVEN, Film, Trail

FRAMES, SIDE = 10, 4


def film(name: str = "film", **changes) -> Film:
  """Frame t is of one grey, 20 t; the truth moves by 5 px a frame and is unknown in frame 3."""
  jpegs = [small_jpeg(np.full((60, 80, 3), 20 * t, np.uint8)) for t in range(FRAMES)]
  truth = np.array([(5 * t, 10, 20, 20) for t in range(FRAMES)], np.float32)
  truth[3] = np.nan
  squares = np.array([(5 * t, 0, 40) for t in range(FRAMES)], np.float32)
  squares[0] = np.nan
  responses = np.random.default_rng(0).random((FRAMES, 5, SIDE, SIDE)).astype(np.float32)
  whole = Film(
    name=name,
    size_wh=(80, 60),
    first=100,
    jpegs=jpegs,
    shown=list(range(FRAMES)),
    fps=8.0,
    truth=truth,
    squares_xyw=squares,
    responses=responses,
    threshold=np.full(FRAMES, 0.5, np.float32),
  )
  return whole._replace(**changes)


def trail(name: str = "hard", color: str = "") -> Trail:
  """Stops at xcorr1, but at xcorr5 in frame 6 and at xcorr2 while it is lost in frame 8."""
  depth = np.array([GIVEN, 0, 0, 0, 0, 0, 4, 0, 1, 0])
  score = np.array([1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.6, 0.9, 0.1, 0.9], np.float32)
  confidences = np.where(np.arange(5) <= depth[:, None], 0.25, np.nan).astype(np.float32)
  boxes = np.array([(5 * t, 12, 20, 20) for t in range(FRAMES)], np.float32)
  return Trail(name, color, boxes, depth, score, np.arange(FRAMES) == 8, confidences)
