"""The measures that trackers are published with, of one pass over sequences: for a table, a plot and each attribute."""

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
SCORES = ("success", "precision", "normalised_precision", "normalised_precision_20", "ao", "sr_50", "sr_75")
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


def one_pass_measures(sequences: Listing[Sequence], tracks: Listing[Track]) -> dict:
  """The measures over sequences, of each, and per attribute.

  Success, precision and normalised precision are means over sequences of their curves, in which the given first box is
  a hit; AO and SR are over all frames but the given ones (`maths.metrics`).

  Returns:
    {score: value or None, "curves": {name: [values]}, "by_sequence": {name: {score: value or None}}, "attributes":
    {word: {"sequences", "success", "precision"}}}; AO and SR are None where no second frame has a true box.
  """
  frames = [frames_of(sequence, track) for sequence, track in zip(sequences, tracks, strict=True)]
  curves = [_curves(found) for found in frames]
  means = {name: np.mean([of_one[name] for of_one in curves], axis=0) for name in CURVES}
  rows = {
    sequence.name: _curve_scores(of_one) | _rates(found.bounded)
    for sequence, found, of_one in zip(sequences, frames, curves, strict=True)
  }
  return {
    **_curve_scores(means),
    **_rates(np.concatenate([found.bounded for found in frames])),
    "curves": {name: curve.tolist() for name, curve in means.items()},
    "by_sequence": rows,
    "attributes": _attributes(sequences, frames),
  }


def _curves(frames: Frames) -> dict[str, np.ndarray]:
  return {
    "success": success_curve(frames.overlaps),
    "precision": precision_curve(frames.errors_px),
    "normalised_precision": precision_curve(frames.errors, NORMALISED_ERRORS),
  }


def _curve_scores(curves: dict[str, np.ndarray]) -> dict[str, float]:
  return {
    "success": float(curves["success"].mean()),
    "precision": float(curves["precision"][PRECISION_AT]),
    "normalised_precision": float(curves["normalised_precision"].mean()),
    "normalised_precision_20": float(curves["normalised_precision"][PRECISION_AT]),
  }


def _rates(bounded: Float[np.ndarray, "n"]) -> dict[str, float | None]:
  if not len(bounded):
    return {"ao": None, "sr_50": None, "sr_75": None}
  return {"ao": float(bounded.mean()), "sr_50": success_rate(bounded, 0.5), "sr_75": success_rate(bounded, 0.75)}


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
