"""How good a track is: IoU, IOU@n, success, precision. NumPy or JAX arrays alike."""

import numpy as np
from jaxtyping import Bool, Float, Int

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)


def iou(box_a: Float[np.ndarray, "*b 4"], box_b: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b"]:
  """Intersection over union of xywh boxes, elementwise, in [0, 1]; 0 where the union is empty."""
  low = np.maximum(box_a[..., :2], box_b[..., :2])
  high = np.minimum(box_a[..., :2] + box_a[..., 2:], box_b[..., :2] + box_b[..., 2:])
  overlap = np.prod(np.maximum(high - low, 0), axis=-1)
  union = np.prod(box_a[..., 2:], axis=-1) + np.prod(box_b[..., 2:], axis=-1) - overlap
  return overlap / np.where(union > 0, union, 1)


def iou_at(ious: Float[np.ndarray, "p *k"], frames_after_key: Int[np.ndarray, "p"], n: int) -> Float[np.ndarray, "*k"]:
  """IOU@n: the mean IoU over the pairs up to n frames after their key.

  Args:
    ious: IoU of each pair (and, optionally, of each depth), [p, *k].
    frames_after_key: 1 is the frame right after the key, [p].
    n: the horizon, in frames (paper: 1, 5, 25).
  """
  return ious[frames_after_key <= n].mean(axis=0)


def center_error(box_a: Float[np.ndarray, "*b 4"], box_b: Float[np.ndarray, "*b 4"]) -> Float[np.ndarray, "*b"]:
  """Distance between centres, in the boxes' unit."""
  difference = box_a[..., :2] + box_a[..., 2:] / 2 - box_b[..., :2] - box_b[..., 2:] / 2
  return np.sqrt(np.sum(np.square(difference), axis=-1))


def success_auc(ious: Float[np.ndarray, "t"]) -> float:
  """Area under the success curve: the share of frames with IoU > x, averaged over x in 0, 0.01 .. 1 (OTB)."""
  return float((ious[:, None] > SUCCESS_THRESHOLDS).mean())


def precision(errors_px: Float[np.ndarray, "t"], within_px: float = 20.0) -> float:
  """Share of frames whose centre error is at most `within_px` image pixels (OTB: 20)."""
  return float((errors_px <= within_px).mean())


def pareto_front(cost: Float[np.ndarray, "n"], accuracy: Float[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
  """Marks the points that no cheaper-or-equal point beats or equals in accuracy."""
  order = np.lexsort((-accuracy, cost))
  best = np.maximum.accumulate(np.concatenate([[-np.inf], accuracy[order][:-1]]))
  front = np.zeros(len(cost), bool)
  front[order] = accuracy[order] > best
  return front
