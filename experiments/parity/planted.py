"""Result files of two made-up trackers by VOT's protocols: one drifts and is lost, one is shaken.

python -m experiments.parity.planted TREES/vot PROTOCOL OUT

PROTOCOL is supervised or multi_start. They are many and long at once, and have failures that real ones have rarely.
"""

import pathlib
import sys

import numpy as np

from adadepth.data.layouts import read_sequences
from adadepth.data.result_files import write_vot
from adadepth.data.sequence import Sequence
from adadepth.evaluation.restarts import multi_start_pass, starts_of, supervised_pass
from adadepth.maths.expected_overlap import STARTED, TRACKED


class Planted:
  """A tracker that knows the truth and adds a random walk, of so many shares of its size a frame."""

  def __init__(self, sequence: Sequence, frames: np.ndarray, share: float, pull: float):
    self.truth, self.frames, self.share, self.pull = sequence.boxes_xywh, list(frames), share, pull
    self.rng, self.error = np.random.default_rng(len(sequence)), np.zeros(4)
    self.at = 0

  def init(self, frame, box_xywh):
    self.error = np.zeros(4)
    after = range(self.at, len(self.frames))
    self.at = next(i for i in after if (self.truth[self.frames[i]] == box_xywh).all())

  def update(self, frame):
    self.at += 1
    self.error = self.error * self.pull + self.rng.normal(0, self.share, 4) * (1, 1, 0.3, 0.3)
    box = self.truth[self.frames[self.at]]
    box = np.where(np.isfinite(box), box, 10)
    return np.round([*(box[:2] + self.error[:2] * box[2:]), *(box[2:] * np.exp(self.error[2:]))], 4)


TRACKERS = {"drifting": (0.06, 1.0), "shaken": (0.12, 0.8)}


def main(root: str, protocol: str, out: str) -> None:
  for sequence in read_sequences(root).sequences:
    for name, (share, pull) in TRACKERS.items():
      folder = pathlib.Path(out) / name
      if protocol == "supervised":
        tracker = Planted(sequence, np.arange(len(sequence)), share, pull)
        write_vot(folder, sequence, "001", *supervised_pass(tracker, sequence))
        continue
      for start in starts_of(sequence):
        boxes = multi_start_pass(Planted(sequence, start.frames, share, pull), sequence, start)
        marks = np.where(np.arange(len(boxes)) == 0, STARTED, TRACKED)
        write_vot(folder, sequence, f"{start.anchor:08d}", boxes, marks)


if __name__ == "__main__":
  main(*sys.argv[1:])
