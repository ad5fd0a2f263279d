"""Which lambda and which T: by scores that are cross-fitted, so that no pair is judged by what has seen its video.

Half a dozen dev videos do not pin a mean cost down, since what a gate costs differs between videos by a factor of
seven. So train and dev are dealt into folds by video, and what is learnt on the other folds judges each; what is kept
is then learnt on all.
"""

from collections.abc import Sequence as Listing
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from adadepth.data.sequence import video_of
from adadepth.evaluation.costs import Costs
from adadepth.evaluation.intervals import by_video
from adadepth.evaluation.scores import PairScores, exits_at, score_exits, score_fixed
from adadepth.maths.random_streams import named_generator
from adadepth.models.calibration import Calibration
from adadepth.tracking.policies import FIXED


class Choice(NamedTuple):
  """One point of the search.

  Attributes:
    policy: "hard", or a static exit, "xcorr1".."xcorr5".
    price_weight: lambda; 0 of a static exit.
    threshold: T; 0 of a static exit.
    cost: mean over pairs, in the unit of the choice's limit.
    cost_error: its standard error over videos: pairs of one video are no independent draws.
    entry: cross-fitted scores, as in results.json.
  """

  policy: str
  price_weight: float
  threshold: float
  cost: float
  cost_error: float
  entry: dict


def grouped_folds(names: Shaped[np.ndarray, "n"], folds: int, seed: int) -> Int[np.ndarray, "n"]:
  """The fold of each pair: its video's, dealt in turn after a shuffle. All targets of a video are in one fold.

  Args:
    names: of the sequences.
  """
  found, which = np.unique([video_of(str(name)) for name in names], return_inverse=True)
  order = named_generator(seed, "folds").permutation(len(found))
  return order[which] % min(folds, len(found))


def sweep(
  scores: PairScores,
  confidences: Float[np.ndarray, "l n 5"],
  price_weights: Listing[float],
  thresholds: Listing[float],
  cost_by_exit: Float[np.ndarray, "5"],
) -> list[Choice]:
  """Every lambda at every T.

  Args:
    cost_by_exit: in the unit of the limit that the choice is made under.
  """
  tried = []
  for weight, c in zip(price_weights, confidences, strict=True):
    for threshold in thresholds:
      exits = exits_at(c, threshold)
      means = by_video(scores.sequence, cost_by_exit[exits])
      error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0
      entry = {"threshold": float(threshold), **score_exits(scores, exits)}
      tried.append(Choice("hard", weight, float(threshold), float(cost_by_exit[exits].mean()), error, entry))
  return tried


def static_choices(scores: PairScores, costs_ms: Float[np.ndarray, "5"] | None = None) -> list[Choice]:
  """The static exits, whose cost is the same everywhere: relative to xcorr1, or in ms where it is given."""
  entries = score_fixed(scores)
  costs = [entries[name]["relative_cost"] for name in FIXED] if costs_ms is None else costs_ms
  return [Choice(name, 0.0, 0.0, float(cost), 0.0, entries[name]) for name, cost in zip(FIXED, costs, strict=True)]


def best_static(static: Listing[Choice]) -> Choice:
  """The most accurate static exit, the cheaper of equals, with which hard gating is compared."""
  return max(static, key=lambda c: (c.entry["iou@25"], -c.cost))


def choose(tried: Listing[Choice], limit: float) -> Choice:
  """The most accurate whose cost, mean plus one standard error, is within the limit, the cheaper of equals.

  The cheapest, if none is within.
  """
  within = [c for c in tried if c.cost + c.cost_error <= limit]
  if not within:
    return min(tried, key=lambda c: c.cost + c.cost_error)
  return max(within, key=lambda c: (c.entry["iou@25"], -c.cost))


def calibration_of(tried: Listing[Choice], reference: str, costs: Costs) -> Calibration:
  """What each threshold does to the gates of one lambda; `reference` is the best static exit."""
  entries = sorted((c.entry for c in tried), key=lambda entry: entry["threshold"])
  columns = ([entry[name] for entry in entries] for name in ("threshold", "exits", "iou@25"))
  return Calibration(*columns, costs.relative.tolist(), reference)
