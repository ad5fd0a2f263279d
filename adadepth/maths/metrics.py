"""How good a track is: IoU, IOU@n, success, precision, AO and SR. On NumPy arrays, on the host.

The curves are those that trackers are published with, of one pass (OPE, Wu et al., CVPR 2013): a sequence's frames with
a true box, the given first one among them, which is a hit; then the mean over sequences. AO and SR are GOT-10k's (Huang
et al., PAMI 2019): the frames of all sequences together, the given ones left out.
"""

import numpy as np
from jaxtyping import Float, Int

SUCCESS_THRESHOLDS = np.linspace(0, 1, 101)
OTB_OVERLAPS = np.linspace(0, 1, 21)  # thresholds of the success curve
OTB_ERRORS_PX = np.arange(51.0)  # of the precision curve
NORMALISED_ERRORS = np.linspace(0, 0.5, 51)  # of the normalised precision curve


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


def success_curve(
  ious: Float[np.ndarray, "t"], thresholds: Float[np.ndarray, "n"] = OTB_OVERLAPS
) -> Float[np.ndarray, "n"]:
  """The share of frames with IoU > x at each threshold x; the mean of the curve is OTB's success score (AUC).

  0 counts as a miss at x = 0, and 1 at x = 1, as in got10k 0.1.3; LaSOT's and TrackingNet's scores are the same.
  """
  return (ious[:, None] > thresholds).mean(axis=0)


def precision_curve(
  errors: Float[np.ndarray, "t"], thresholds: Float[np.ndarray, "n"] = OTB_ERRORS_PX
) -> Float[np.ndarray, "n"]:
  """The share of frames whose error is at most x at each threshold x; OTB's precision score is the one at 20 px.

  With `normalised_error` and `NORMALISED_ERRORS` it is the normalised precision curve, whose mean is TrackingNet's
  score (Muller et al., ECCV 2018) and whose value at 0.2 is what LaSOT's tables list (Fan et al., CVPR 2019).
  """
  return (errors[:, None] <= thresholds).mean(axis=0)


def normalised_error(
  box: Float[np.ndarray, "*b 4"], truth: Float[np.ndarray, "*b 4"]
) -> Float[np.ndarray | np.floating, "*b"]:
  """Distance between centres with x in true widths and y in true heights (TrackingNet's), of a pixel at least."""
  size = np.maximum(truth[..., 2:], 1)
  difference = (box[..., :2] + box[..., 2:] / 2 - truth[..., :2] - truth[..., 2:] / 2) / size
  return np.sqrt(np.sum(np.square(difference), axis=-1))


def success_rate(ious: Float[np.ndarray, "t"], above: float) -> float:
  """GOT-10k's SR: the share of frames with IoU > `above`."""
  return float((ious > above).mean())


def bounded_as_got10k(box: Float[np.ndarray, "*b 4"], image_wh: tuple[int, int]) -> Float[np.ndarray, "*b 4"]:
  """A box as GOT-10k compares it: moved in at the image's left and top, cut at its right and bottom."""
  wh = np.asarray(image_wh, box.dtype)
  corner = np.clip(box[..., :2], 0, wh)
  return np.concatenate([corner, np.clip(box[..., 2:], 0, wh - corner)], axis=-1)
