"""How good a track is: IoU, IOU@n, success, precision. On NumPy arrays, on the host."""

import numpy as np
from jaxtyping import Float, Int

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)


def iou(box_a: Float[np.ndarray, "*b 4"], box_b: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray | np.floating, "*b"]:
  """Intersection over union of xywh boxes, elementwise, in [0, 1]; 0 where the union is empty."""
  # Seen from a's corner: float32 image coordinates would cost digits, and make the IoU of equal boxes miss 1.
  offset = box_b[..., :2] - box_a[..., :2]
  low = np.maximum(offset, 0)
  high = np.minimum(offset + box_b[..., 2:], box_a[..., 2:])
  overlap = np.prod(np.maximum(high - low, 0), axis=-1)
  union = np.prod(box_a[..., 2:], axis=-1) + np.prod(box_b[..., 2:], axis=-1) - overlap
  return np.minimum(overlap / np.where(union > 0, union, 1), 1)


def iou_at(
  ious: Float[np.ndarray, "p *k"], frames_after_key: Int[np.ndarray, "p"], n: int
) -> Float[np.ndarray | np.floating, "*k"]:
  """IOU@n: the mean IoU over the pairs up to n frames after their key.

  Args:
    ious: IoU of each pair (and, optionally, of each depth), [p, *k].
    frames_after_key: 1 is the frame right after the key, [p]; one of them at least is up to n.
    n: the horizon, in frames (paper: 1, 5, 25).
  """
  return ious[frames_after_key <= n].mean(axis=0)


def center_error(
  box_a: Float[np.ndarray, "*b 4"], box_b: Float[np.ndarray, "*b 4"]
) -> Float[np.ndarray | np.floating, "*b"]:
  """Distance between centres, in the boxes' unit."""
  difference = box_a[..., :2] + box_a[..., 2:] / 2 - box_b[..., :2] - box_b[..., 2:] / 2
  return np.sqrt(np.sum(np.square(difference), axis=-1))


def success_auc(ious: Float[np.ndarray, "t"]) -> float:
  """Area under OTB's success curve: the share of frames with IoU > x, averaged over x in 0, 0.01 .. 1.

  No IoU exceeds x = 1, so a perfect track scores 100/101. (OTB's own grid is 0, 0.05 .. 1.)
  """
  return float((ious[:, None] > SUCCESS_THRESHOLDS).mean())


def precision(errors_px: Float[np.ndarray, "t"], within_px: float = 20.0) -> float:
  """Share of frames whose centre error is at most `within_px` image pixels (OTB: 20)."""
  return float((errors_px <= within_px).mean())
