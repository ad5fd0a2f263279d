"""Policies, frames and boxes that a tracker accepts; what it does not, it refuses in one line."""

from collections.abc import Collection

import numpy as np
from jaxtyping import Float

from adadepth.errors import InputError
from adadepth.models.architecture import DEPTH_NAMES
from adadepth.tracking.budget import Budget

POLICY_NAMES = (*DEPTH_NAMES, "soft", "hard")  # policies; those of a user stand beside them in `policies.POLICIES`
MOSTLY_OUTSIDE = 0.2  # of a box in the frame; a quarter is, where its centre is and it is no larger than the frame


def check_policy(policy: str, budget: float | Budget | None, known: Collection[str]) -> None:
  """Raises InputError for no policy that is known, or one that has no use for the budget."""
  if policy not in known:
    raise InputError(f"`policy` (={policy!r}) must be one of {', '.join(known)}")
  if budget is not None and policy != "hard":
    raise InputError(f'`budget` (={budget}) is for the policy "hard" alone, not for {policy!r}')


def first_boxes(frame, box_xywh, threshold: float | None) -> tuple[Float[np.ndarray, "n 4"], tuple[int, ...]]:
  """The boxes of a first frame, [n, 4], and the shape of what was given: () for one target, (n,) for n.

  Raises:
    InputError: a frame that is none, a box that cannot be tracked, or a threshold that is none.
  """
  boxes = box_array(box_xywh)
  shape, boxes = boxes.shape[:-1], boxes.reshape(-1, 4)
  check_frame(frame, len(boxes) if shape else 0)
  for i, box in enumerate(boxes):
    check_box(box, frame.shape[-3:], f"box_xywh[{i}]" if shape else "box_xywh")
  if threshold is not None and not 0 <= threshold <= 1:
    raise InputError(f"`threshold` (={threshold}) must lie in [0, 1]; None: the model's own")
  return boxes, shape


def check_frame(frame, targets: int) -> None:
  """Raises InputError for what is no RGB frame, nor, for so many targets (0: one that stands alone), a frame each."""
  wanted = "it must be RGB, uint8 [height, width, 3]" + (f", or [{targets}, height, width, 3]" if targets else "")
  if not hasattr(frame, "__array_namespace__"):
    raise InputError(f"`frame` is a {type(frame).__name__}: {wanted}, one array")
  each = frame.ndim == 4 and targets and len(frame) == targets
  if not (frame.ndim == 3 or each) or not frame.size or frame.shape[-1] != 3 or frame.dtype != np.uint8:
    raise InputError(f"`frame` is {frame.dtype} {frame.shape}: {wanted}{'' if frame.size else ', not empty'}")


def check_next_frame(frame, frame_shape: tuple[int, ...]) -> None:
  """Raises InputError for a frame of another shape than the first, or of another type."""
  if getattr(frame, "shape", None) != frame_shape or frame.dtype != np.uint8:
    like = f"uint8 {frame_shape}, as the first one was"
    what = f"{frame.dtype} {frame.shape}" if hasattr(frame, "shape") else f"a {type(frame).__name__}"
    raise InputError(f"`frame` is {what}: it must be {like}; init a target for another size")


def box_array(box_xywh) -> Float[np.ndarray, "*n 4"]:
  """A box, or n, as an array; raises InputError for what holds no such numbers."""
  try:
    with np.errstate(over="ignore"):  # what is not finite is refused below
      box = np.asarray(box_xywh, np.float32)
  except (TypeError, ValueError):
    box = np.zeros(0, np.float32)
  if box.shape[-1:] != (4,) or box.ndim > 2 or not box.size:
    raise InputError(f"`box_xywh` (={box_xywh!r}) must be x,y,w,h in pixels with w and h above 0, or [n, 4]")
  return box


def check_box(box_xywh: Float[np.ndarray, "*n"], frame_shape: tuple[int, ...], name: str = "box_xywh") -> None:
  """Raises InputError for a first box that is no box, below a pixel, or whose centre lies outside the frame."""
  height, width = frame_shape[:2]
  shown = f"`{name}` (={_in_words(box_xywh)})"
  if box_xywh.shape != (4,) or not np.isfinite(box_xywh).all() or (box_xywh[2:] <= 0).any():
    raise InputError(f"{shown} must be x,y,w,h in pixels with w and h above 0")
  x, y, w, h = box_xywh
  if (np.abs(box_xywh) <= 1).all():
    box = box_xywh * np.float32((width, height, width, height))
    from_center = np.concatenate([box[:2] - box[2:] / 2, box[2:]])
    raise InputError(
      f"{shown} must be x,y,w,h in pixels; as fractions of the {width}x{height} frame these are "
      f"{_in_words(np.rint(box))}, or {_in_words(np.rint(from_center))} if x,y is the centre"
    )
  if min(w, h) < 1:
    raise InputError(f"{shown} must be x,y,w,h in pixels; {w:g} by {h:g} px is less than a pixel")
  seen_px2 = (min(x + w, width) - max(x, 0)) * (min(y + h, height) - max(y, 0))
  if not (0 <= x + w / 2 <= width and 0 <= y + h / 2 <= height):
    corners = f"; as corners x1,y1,x2,y2 these are {_in_words(np.float32((x, y, w - x, h - y)))}"
    inside = 0 <= x < w <= width and 0 <= y < h <= height
    raise InputError(
      f"{shown} has its centre outside the {width}x{height} frame, at {x + w / 2:g},{y + h / 2:g}; give x,y,w,h in "
      f"pixels of the frame{corners if inside else ''}"
    )
  if seen_px2 < MOSTLY_OUTSIDE * w * h:
    raise InputError(
      f"{shown} reaches from {x:g},{y:g} to {x + w:g},{y + h:g}, far outside the {width}x{height} frame; give x,y,w,h "
      "in pixels of the frame"
    )


def _in_words(box_xywh: Float[np.ndarray, "*n"]) -> str:
  return ",".join(f"{value:g}" for value in box_xywh.reshape(-1))
