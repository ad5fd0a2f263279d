"""Any tracker behind one protocol, `init` and `update`: ours, OpenCV's, and whatever has these two."""

import dataclasses
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from adadepth.errors import InputError
from adadepth.tracking.tracker import Target, Tracker

Frame = UInt8[np.ndarray, "h w 3"]
Box = Float[np.ndarray, "4"]
OPENCV = {"csrt": "TrackerCSRT", "kcf": "TrackerKCF"}


@runtime_checkable
class AnyTracker(Protocol):
  """A tracker of one target, which it holds."""

  def init(self, frame: Frame, box_xywh: Box) -> None:
    """Takes the target in a box of an RGB frame, image pixels, 0-indexed."""
    ...

  def update(self, frame: Frame) -> Box:
    """The target's box in the next frame."""
    ...


@dataclasses.dataclass(eq=False)
class Ours:
  """A `Tracker` as one that holds its target."""

  tracker: Tracker
  target: Target | None = dataclasses.field(default=None, init=False)

  def init(self, frame: Frame, box_xywh: Box) -> None:
    self.target = self.tracker.init(frame, box_xywh)

  def update(self, frame: Frame) -> Box:
    self.target, track = self.tracker.update(self.target, frame)
    return track.box_xywh


@dataclasses.dataclass(eq=False)
class OpenCV:
  """A tracker of OpenCV; where it says that it has lost the target, the last box stands.

  Attributes:
    name: "csrt" or "kcf".
  """

  name: str
  tracker: Any = dataclasses.field(default=None, init=False)
  box: Box | None = dataclasses.field(default=None, init=False)

  def init(self, frame: Frame, box_xywh: Box) -> None:
    cv2 = opencv()
    cv2.setRNGSeed(0)
    self.box = np.asarray(box_xywh, np.float32)
    self.tracker = getattr(cv2, OPENCV[self.name]).create()
    self.tracker.init(_bgr(frame), tuple(round(float(value)) for value in self.box))

  def update(self, frame: Frame) -> Box:
    found, box = self.tracker.update(_bgr(frame))
    if found:
      self.box = np.asarray(box, np.float32)
    return self.box


def opencv():
  """The module cv2, which nothing else here needs.

  Raises:
    InputError: it is not installed, or without these trackers.
  """
  try:
    import cv2
  except ImportError:
    cv2 = None
  if not all(hasattr(cv2, name) for name in OPENCV.values()):
    raise InputError(
      f"`config.trackers`: {' and '.join(OPENCV)} are OpenCV's, and {'its trackers are' if cv2 else 'cv2 is'} not "
      "installed here; run `pip install opencv-contrib-python-headless`, or leave them out"
    )
  return cv2


def _bgr(frame: Frame) -> Frame:
  return np.ascontiguousarray(frame[..., ::-1])
