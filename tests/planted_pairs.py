"""Pairs whose responses peak where a test wants them to."""

import numpy as np

from adadepth.evaluation.responses import PairTable
from adadepth.maths.geometry import zero_displacement_index
from adadepth.models.architecture import Architecture
from adadepth.tracking.reader import SURE

ARCH = Architecture(width=1 / 16, template_px=32, search_px=64, pools=3, scaling="none")


def planted_table(true_cells, seen_cells) -> PairTable:
  """Pairs whose targets moved by `true_cells` [n, 2] and whose depths peak at `seen_cells` [n, 5, 2].

  They are of two videos in turn, "a" and "b".
  """
  n, r = len(true_cells), ARCH.search_cells
  zero = zero_displacement_index(ARCH.template_cells, r)
  responses = np.zeros((n, 5, r, r), np.float32)
  for i in range(n):
    for k in range(5):
      x, y = np.asarray(seen_cells[i][k]) + zero
      responses[i, k, y, x] = 1
  size = np.full((n, 2), 16, np.float32)
  center = 32 + 8 * np.asarray(true_cells, np.float32)
  return PairTable(
    responses=responses,
    center=8 * np.asarray(seen_cells, np.float32),
    size=np.full((n, 5, 2), 16, np.float32),
    score=np.full((n, 5), SURE, np.float32),
    truth_in_search=np.concatenate([center - size / 2, size], axis=1),
    size_in_crop=size,
    last_size=size,
    frames_after_key=np.arange(1, n + 1, dtype=np.int32),
    key=np.zeros(n, np.int32),
    sequence=np.array(["a", "b"] * n)[:n],
  )
