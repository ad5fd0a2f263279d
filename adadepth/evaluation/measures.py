"""The measures that trackers are published with, of one pass over sequences: for a table, a plot and each attribute."""

from collections.abc import Callable
from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from adadepth.data.sequence import Sequence
from adadepth.maths.metrics import (
  NORMALISED_ERRORS,
  OTB_ERRORS_PX,
  OTB_OVERLAPS,
  bounded_as_got10k,
  center_error,
  iou,
  normalised_error,
  precision_curve,
  success_curve,
  success_rate,
)

PRECISION_AT = 20  # of both precision curves: 20 px, and 0.2
# Label of the axis and thresholds of each curve.
CURVES = {
  "success": ("overlap threshold", OTB_OVERLAPS),
  "precision": ("location error threshold (px)", OTB_ERRORS_PX),
  "normalised_precision": ("location error threshold (true sizes)", NORMALISED_ERRORS),
}

Track = tuple[Float[np.ndarray, "_ 4"], int]  # predicted boxes and the frame that the first is of, which is given


class Frames(NamedTuple):
  """One pass over a sequence, frame by frame with a true box; what has no predicted box is a miss.

  Attributes:
    overlaps: IoU, the first 1.
    errors_px: between centres, in pixels.
    errors: between centres, in true widths and heights.
    bounded: IoU of the boxes within the image, as GOT-10k has it, without the given first one.
    which: the frames of the sequence, all but of `bounded`.
  """

  overlaps: Float[np.ndarray, "n"]
  errors_px: Float[np.ndarray, "n"]
  errors: Float[np.ndarray, "n"]
  bounded: Float[np.ndarray, "m"]
  which: np.ndarray


def frames_of(sequence: Sequence, track: Track) -> Frames:
  """The frames of a pass that have a true box."""
  predicted, start = track
  predicted, truth = predicted.astype(np.float64), sequence.boxes_xywh[start : start + len(predicted)]
  seen = ~np.isnan(truth).any(axis=1)
  predicted, truth = predicted[seen], truth[seen].astype(np.float64)
  wh = sequence.frame_wh
  bounded = iou(bounded_as_got10k(predicted, wh), bounded_as_got10k(truth, wh))
  return Frames(
    np.nan_to_num(iou(predicted, truth)),
    np.nan_to_num(center_error(predicted, truth), nan=np.inf),
    np.nan_to_num(normalised_error(predicted, truth), nan=np.inf),
    np.nan_to_num(bounded[1:]),
    start + np.flatnonzero(seen),
  )


class Score(NamedTuple):
  """A number of one pass, which has a column in tables.

  Attributes:
    title: of the column.
    of: the number of a pass's frames; None where they have none.
    pooled: whether it is of the frames of all sequences together; else the mean over sequences of their own.
  """

  title: str
  of: Callable[[Frames], float | None]
  pooled: bool = False

  def over(self, frames: Listing[Frames]) -> float | None:
    """The number of several sequences."""
    if self.pooled:
      return self.of(Frames(*(np.concatenate(column) for column in zip(*frames, strict=True))))
    known = [value for value in map(self.of, frames) if value is not None]
    return float(np.mean(known)) if known else None


def _of_bounded(rate: Callable[[np.ndarray], float]) -> Callable[[Frames], float | None]:
  """A rate of GOT-10k's, None where no second frame has a true box."""
  return lambda frames: float(rate(frames.bounded)) if len(frames.bounded) else None


# By name; a measure of one's own is an entry more. Of the first three there are plots, of their `CURVES`.
SCORES = {
  "success": Score("success (AUC)", lambda frames: float(_curves(frames)["success"].mean())),
  "precision": Score("precision at 20 px", lambda frames: float(_curves(frames)["precision"][PRECISION_AT])),
  "normalised_precision": Score(
    "norm. precision (AUC)", lambda frames: float(_curves(frames)["normalised_precision"].mean())
  ),
  "normalised_precision_20": Score(
    "norm. precision at 0.2", lambda frames: float(_curves(frames)["normalised_precision"][PRECISION_AT])
  ),
  "ao": Score("AO", _of_bounded(np.mean), pooled=True),
  "sr_50": Score("SR 0.5", _of_bounded(lambda ious: success_rate(ious, 0.5)), pooled=True),
  "sr_75": Score("SR 0.75", _of_bounded(lambda ious: success_rate(ious, 0.75)), pooled=True),
}


def one_pass_measures(sequences: Listing[Sequence], tracks: Listing[Track]) -> dict:
  """`SCORES` over sequences, of each, and what there is per attribute.

  Success, precision and normalised precision are those of curves, in which the given first box is a hit; AO and SR are
  over all frames but the given ones (`maths.metrics`).

  Returns:
    {score: value or None, "curves": {name: [values]}, "by_sequence": {name: {score: value or None}}, "attributes":
    {word: {"sequences", "success", "precision"}}}; AO and SR are None where no second frame has a true box.
  """
  frames = [frames_of(sequence, track) for sequence, track in zip(sequences, tracks, strict=True)]
  curves = [_curves(found) for found in frames]
  return {
    **{name: score.over(frames) for name, score in SCORES.items()},
    "curves": {name: np.mean([of_one[name] for of_one in curves], axis=0).tolist() for name in CURVES},
    "by_sequence": {
      sequence.name: {name: score.of(found) for name, score in SCORES.items()}
      for sequence, found in zip(sequences, frames, strict=True)
    },
    "attributes": _attributes(sequences, frames),
  }


def _curves(frames: Frames) -> dict[str, np.ndarray]:
  return {
    "success": success_curve(frames.overlaps),
    "precision": precision_curve(frames.errors_px),
    "normalised_precision": precision_curve(frames.errors, NORMALISED_ERRORS),
  }


def _attributes(sequences: Listing[Sequence], frames: Listing[Frames]) -> dict[str, dict]:
  """Of each attribute the mean over the sequences that have it, of those of their frames that do."""
  found: dict[str, list] = {}
  for sequence, of_one in zip(sequences, frames, strict=True):
    for name, flags in sequence.attributes.items():
      here: Bool[np.ndarray, n] = flags[of_one.which]
      if here.any():
        scores = success_curve(of_one.overlaps[here]).mean(), precision_curve(of_one.errors_px[here])[PRECISION_AT]
        found.setdefault(name, []).append(scores)
  means = {name: np.mean(rows, axis=0) for name, rows in sorted(found.items())}
  return {
    name: {"sequences": len(found[name]), "success": float(success), "precision": float(precision)}
    for name, (success, precision) in means.items()
  }
