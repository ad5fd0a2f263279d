"""Overlaps of random boxes with boxes and quadrangles, ours, then the VOT toolkit's beside them.

python -m experiments.parity.overlaps write FILE.npy
VENV/vot/bin/python experiments/parity/overlaps.py check FILE.npy
"""

import sys

import numpy as np

IMAGE_WH = (100, 80)
PAIRS = 3000


def write(path):
  from adadepth.maths.pixel_overlap import pixel_overlap

  rng, rows = np.random.default_rng(0), []
  for i in range(PAIRS):
    center, size, angle = rng.uniform(-5, 105, 2), rng.uniform(3, 60, 2), rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = center + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2 @ turn
    corners += rng.normal(0, 1, (4, 2)) * (i % 3 == 0)  # a third of them are no rectangles
    found = [*(center - size / 2 + rng.normal(0, 8, 2)), *rng.uniform(2, 60, 2)]
    corners, found, box = (
      np.float32(np.round(v, 2)).astype(float) for v in (corners, found, [*(center - size / 2), *size])
    )
    pair = pixel_overlap(found, corners, IMAGE_WH), pixel_overlap(found, box, IMAGE_WH)
    rows.append([*corners.ravel(), *found, *box, *pair])
  np.save(path, np.array(rows))


def check(path):
  from vot.region import calculate_overlap
  from vot.region.shapes import Polygon, Rectangle

  off = []
  for row in np.load(path):
    corners = [tuple(corner) for corner in row[:8].reshape(4, 2).tolist()]
    found, box = Rectangle(*row[8:12]), Rectangle(*row[12:16])
    theirs = calculate_overlap(found, Polygon(corners), IMAGE_WH), calculate_overlap(found, box, IMAGE_WH)
    off.append(np.abs(row[16:] - theirs))
  print(f"{2 * len(off)} overlaps, largest difference {np.max(off)}")


if __name__ == "__main__":
  {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
