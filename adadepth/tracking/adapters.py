"""The tracker behind the signatures that other code calls: OpenCV's and got10k's. Each object is one target's."""

import time

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from adadepth.io.images import open_image
from adadepth.tracking.track import Track
from adadepth.tracking.tracker import Target, Tracker


class OpenCVTracker:
  """A target as OpenCV's trackers have it: BGR frames, `ok` where the target is not lost.

  Example:
    tracker = OpenCVTracker()
    tracker.init(image, cv2.selectROI(image))
    ok, box = tracker.update(image)
  """

  def __init__(self, tracker: Tracker | None = None) -> None:
    """Takes a tracker, which any number of targets may share; None: the package's network with hard gating."""
    self.tracker = Tracker() if tracker is None else tracker
    self.track: Track | None = None  # of the last frame
    self._target: Target | None = None

  def init(self, image: UInt8[np.ndarray, "h w 3"], box: tuple[float, float, float, float]) -> None:
    """Takes the target in a box, x, y, w, h, of the first frame, BGR."""
    self._target = self.tracker.init(as_rgb(image), box)

  def update(self, image: UInt8[np.ndarray, "h w 3"]) -> tuple[bool, tuple[float, float, float, float]]:
    """Finds the target in the next frame, BGR.

    Returns:
      Whether it is there, and its box, which stays where it was while it is lost.
    """
    if self._target is None:
      raise RuntimeError("`update` before `init`: give the first frame and the box in it")
    self._target, self.track = self.tracker.update(self._target, as_rgb(image))
    return not bool(self.track.lost), tuple(self.track.box_xywh.tolist())


class GOT10kTracker:
  """A target as got10k's experiments have it: PIL images, and boxes passed on as they are. It needs no got10k.

  Example:
    got10k.experiments.ExperimentOTB("OTB").run(GOT10kTracker())
  """

  is_deterministic = True

  def __init__(self, tracker: Tracker | None = None, name: str = "adadepth") -> None:
    """Takes a tracker, None: the package's network with hard gating; and a name for the results' folder."""
    self.tracker = Tracker() if tracker is None else tracker
    self.name = name
    self._target: Target | None = None

  def init(self, image: Image.Image, box: Float[np.ndarray, "4"]) -> None:
    """Takes the target in a box, x, y, w, h, of the first PIL image."""
    self._target = self.tracker.init(np.array(image.convert("RGB")), box)

  def update(self, image: Image.Image) -> Float[np.ndarray, "4"]:
    """The target's box in the next PIL image."""
    if self._target is None:
      raise RuntimeError("`update` before `init`: give the first image and the box in it")
    self._target, track = self.tracker.update(self._target, np.array(image.convert("RGB")))
    return np.asarray(track.box_xywh)

  def track(self, img_files, box, visualize: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 4] and seconds [n] of a sequence of image files, as got10k's experiments ask for them."""
    boxes, seconds = np.zeros((len(img_files), 4)), np.zeros(len(img_files))
    for t, path in enumerate(img_files):
      with open_image(path) as image:
        image.load()
        start = time.time()
        if t:
          boxes[t] = self.update(image)
        else:
          self.init(image, box)
          boxes[0] = box
        seconds[t] = time.time() - start
    return boxes, seconds


def as_rgb(image_bgr: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
  """A BGR picture, as OpenCV has it, as RGB."""
  return np.ascontiguousarray(image_bgr[..., ::-1])
