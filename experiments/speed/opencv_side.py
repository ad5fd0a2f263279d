"""OpenCV's trackers, at the other end of the pipe (see `serve`)."""

import time

import cv2
import numpy as np

TRACKERS = {"csrt": cv2.TrackerCSRT, "kcf": cv2.TrackerKCF}


class Side:
  """What `peer.Peer` asks for."""

  def prepare(self, *, frames: np.ndarray, box_xywh: np.ndarray, threads: int) -> str:
    """Takes the film, RGB [t, h, w, 3]; returns OpenCV's version."""
    cv2.setNumThreads(threads)
    self.frames = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]
    self.box = tuple(round(float(v)) for v in box_xywh)
    return cv2.__version__

  def run(self, *, name: str) -> float:
    """One pass over the film: seconds per frame, the first left out."""
    tracker = TRACKERS[name].create()
    tracker.init(self.frames[0], self.box)
    start = time.perf_counter()
    for frame in self.frames[1:]:
      tracker.update(frame)
    return (time.perf_counter() - start) / (len(self.frames) - 1)
