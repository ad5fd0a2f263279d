"""A tracking sequence: its frames and the target's box in each of them."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from adadepth.io.images import ImageFolder, image_size


@runtime_checkable
class FrameSource(Protocol):
  """Anything indexable that yields RGB frames: an array in memory or a folder read on demand."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int) -> np.ndarray:
    """Returns frame `index` as uint8 [h, w, 3] RGB."""
    ...


@dataclasses.dataclass(frozen=True)
class Sequence:
  """One target in one video.

  Attributes:
    name: unique within its data root, e.g. "vot/ball2", "otb/Jogging.1" or "rendered/test-003".
    frames: frames[t] is frame t as uint8 [h, w, 3] RGB.
    boxes_xywh: float32 [t, 4], image pixels, 0-indexed, half-open; a row of NaN says that frame t
      has no usable box. len(frames) == len(boxes_xywh).
    corners: of the truth in image pixels, where the data set draws polygons, [t, 4, 2]; NaN as in boxes_xywh.
    attributes: which frames have what makes them hard, by the data set's own word, {word: [t]}.
    anchors: where VOT's multi-start runs begin, 1 forwards and -1 backwards, else 0, [t].
  """

  name: str
  frames: FrameSource
  boxes_xywh: np.ndarray
  corners: Float[np.ndarray, "t 4 2"] | None = None
  attributes: Mapping[str, Bool[np.ndarray, "t"]] = dataclasses.field(default_factory=dict)
  anchors: Int[np.ndarray, "t"] | None = None

  def __len__(self) -> int:
    return len(self.boxes_xywh)

  @property
  def first_box(self) -> int:
    """Index of the first frame that has a usable box."""
    return int(np.argmax(np.isfinite(self.boxes_xywh).all(axis=1)))

  @property
  def frame_wh(self) -> tuple[int, int]:
    """Width and height of its frames, from the first one's header where there is one."""
    if isinstance(self.frames, ImageFolder):
      return image_size(self.frames.paths[0])
    height, width = self.frames[0].shape[:2]
    return width, height


def video_of(name: str) -> str:
  """The sequence's name without the number of its target or part: "otb/Jogging" for "otb/Jogging.1".

  OTB numbers targets, and so may tables of boxes, "videos/clip.1"; UAV123 numbers the parts of a long video:
  "uav123/group1" for "uav123/group1_4".
  """
  return re.sub(r"^((?:otb|videos)/.+)\.\d+$|^(uav123/.+)_\d+$", r"\1\2", name)
