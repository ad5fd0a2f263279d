"""The step of commit 9df193a, at the other end of the pipe (see `serve`), with a worktree of it on the path."""

import numpy as np
from adadepth.io.models import EMBEDDED, load_model
from adadepth.loops.exits import forced, gates_that_exit
from adadepth.loops.step_times import step_clock
from adadepth.loops.tracking import Tracker


class Side:
  """What `peer.Peer` asks for."""

  def __init__(self):
    self.tracker = Tracker(forced(load_model(EMBEDDED), gates_that_exit(0)), "hard")
    self.clocks = {}

  def add(self, *, name: str, frames: np.ndarray, box_xywh: np.ndarray) -> None:
    """A film, RGB [2, h, w, 3], under a name."""
    self.clocks[name] = step_clock(self.tracker, frames, box_xywh)

  def run(self, *, name: str) -> float:
    """Seconds of one step that exits at xcorr1, from the frame on the host to the box on the host."""
    return self.clocks[name]()
