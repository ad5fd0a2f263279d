"""Which lambda and which T: cross-fitted, so that every pair is judged by gates that have not seen its video.

Half a dozen dev videos do not pin a mean cost down, since what a gate costs differs between videos by a factor of
seven. So train and dev are dealt into folds by video, and gates trained on the other folds judge each; the gates
that are kept are then trained on all.
"""

from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from adadepth.data.sequence import video_of
from adadepth.evaluation.scores import PairScores, confidences_of, exit_ious, score_exits
from adadepth.maths.cascade import exit_depth
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import Architecture
from adadepth.models.model import Calibration
from adadepth.training.fusion_fit import as_pairs
from adadepth.training.phase2 import Pairs, Reading, Recipe, fit_gates, fit_reading


class CrossRead(NamedTuple):
  """What is read of pairs by beliefs that have not seen their videos.

  Attributes:
    readings: of each fold, learnt from all the others.
    beliefs: of each pair, its fold's.
    ious: IoU of every pair if hard gating stopped at each depth, [n, 5].
  """

  readings: list[Reading]
  beliefs: dict
  ious: Float[np.ndarray, "n 5"]


class CrossFitted(NamedTuple):
  """Hard gating on pairs by gates that have not seen their videos.

  Attributes:
    recipe: of the gates.
    confidences: c of every pair, for each lambda of the recipe, [l, n, 5].
    ious, tracked_ious: IoU of every pair if it stopped at each depth, as a pair and as a tracker reads it, [n, 5].
  """

  recipe: Recipe
  confidences: Float[np.ndarray, "l n 5"]
  ious: Float[np.ndarray, "n 5"]
  tracked_ious: Float[np.ndarray, "n 5"]


class Choice(NamedTuple):
  """One point of the search.

  Attributes:
    recipe: of the gates, with lambda alone in its `price_weights`.
    threshold: T.
    entry: its cross-fitted scores, as in results.json, with "cost_error" and "iou_as_tracked".
  """

  recipe: Recipe
  threshold: float
  entry: dict


def deal(names: Shaped[np.ndarray, "n"], folds: int, seed: int) -> Int[np.ndarray, "n"]:
  """The fold of each pair: its video's, dealt in turn after a shuffle. All targets of a video are in one fold.

  Args:
    names: of the sequences.
  """
  found, which = np.unique([video_of(name) for name in names], return_inverse=True)
  order = np.random.default_rng(seed).permutation(len(found))
  return order[which] % min(folds, len(found))


def cross_read(
  params: dict, pairs: Pairs, *, folds: Int[np.ndarray, "n"], seed: int, arch: Architecture, readout: Readout
) -> CrossRead:
  """Fits the beliefs on all folds but one, for each in turn, and lets them read that one.

  Args:
    folds: of each pair, as `deal` has them.
  """
  view, others = {"arch": arch, "readout": readout}, (np.flatnonzero(folds != fold) for fold in np.unique(folds))
  readings = [fit_reading(params, pairs, rows, seed=seed, **view) for rows in others]
  beliefs = jax.tree.map(lambda *leaves: jnp.stack(leaves)[folds], *(r.beliefs for r in readings))
  ious = exit_ious(beliefs, pairs.table, as_pairs(len(pairs.table)), pairs.scores, **view)
  return CrossRead(readings, beliefs, ious)


def cross_fit(
  params: dict,
  pairs: Pairs,
  read: CrossRead,
  *,
  folds: Int[np.ndarray, "n"],
  recipe: Recipe,
  arch: Architecture,
) -> CrossFitted:
  """Fits the gates on all folds but one, for each in turn, and lets them judge that one; see `cross_read`."""
  confidences = np.zeros((len(recipe.price_weights), len(folds), 5), np.float32)
  tracked_ious = np.zeros_like(read.ious)
  for fold, reading in enumerate(read.readings):
    held = folds == fold
    fitted = fit_gates(params, pairs, reading, np.flatnonzero(~held), recipe=recipe, arch=arch)
    tracked_ious[held] = reading.tracked_ious[held]
    for i, gates in enumerate(fitted.gates):
      confidences[i, held] = confidences_of(gates, pairs.features)[held]  # of all: folds differ in size, a program each
  return CrossFitted(recipe, confidences, read.ious, tracked_ious)


def sweep(
  scores: PairScores,
  confidences: Float[np.ndarray, "n 5"],
  ious: Float[np.ndarray, "n 5"],
  tracked_ious: Float[np.ndarray, "n 5"],
  thresholds: Listing[float],
) -> list[dict]:
  """Hard gating at every threshold: entries of results.json, each with its "cost_error" and "iou_as_tracked".

  The first is the standard error of the relative cost over sequences: pairs of one video are no independent draws.
  """
  relative = scores.costs.cascade_gflops / scores.costs.fixed_gflops[0]
  (names, which), entries = np.unique(scores.sequence, return_inverse=True), []
  for threshold in thresholds:
    exits = np.asarray(exit_depth(jnp.asarray(confidences), threshold))
    means = np.bincount(which, relative[exits]) / np.bincount(which)
    error = float(means.std(ddof=1) / np.sqrt(len(names))) if len(names) > 1 else 0.0
    more = {"cost_error": error, "iou_as_tracked": float(tracked_ious[np.arange(len(exits)), exits].mean())}
    entries.append({"threshold": float(threshold), **score_exits(scores, ious, exits), **more})
  return entries


def choices(fitted: CrossFitted, scores: PairScores, thresholds: Listing[float]) -> list[Choice]:
  """Every lambda at every threshold."""
  found = []
  for weight, confidences in zip(fitted.recipe.price_weights, fitted.confidences, strict=True):
    recipe = fitted.recipe._replace(price_weights=(weight,))
    entries = sweep(scores, confidences, fitted.ious, fitted.tracked_ious, thresholds)
    found += [Choice(recipe, entry["threshold"], entry) for entry in entries]
  return found


def careful_cost(choice: Choice) -> float:
  """The relative cost to reckon with on other videos: the mean, plus its standard error."""
  return choice.entry["relative_cost"] + choice.entry["cost_error"]


def choose(tried: Listing[Choice], *, max_relative_cost: float) -> Choice:
  """The most accurate whose careful cost is within the limit, the cheaper of equals; the cheapest, if none is within.

  Accurate as a tracker reads: T is for tracking, a budget finds its own.
  """
  within = [c for c in tried if careful_cost(c) <= max_relative_cost]
  if not within:
    return min(tried, key=careful_cost)
  return max(within, key=lambda c: (c.entry["iou_as_tracked"], -c.entry["relative_cost"]))


def best_by_loss(tried: Listing[Choice], *, max_relative_cost: float) -> list[Choice]:
  """`choose` among the gates of each loss."""
  losses = dict.fromkeys(c.recipe.loss for c in tried)
  return [choose([c for c in tried if c.recipe.loss == loss], max_relative_cost=max_relative_cost) for loss in losses]


def calibration_of(recipe: Recipe, tried: Listing[Choice]) -> Calibration:
  """What each threshold does to the gates of one recipe with its lambda."""
  entries = sorted((c.entry for c in tried if c.recipe == recipe), key=lambda entry: entry["threshold"])
  return Calibration(*([entry[name] for entry in entries] for name in ("threshold", "exits", "iou@25")))


def calibrations(tried: Listing[Choice]) -> dict[Recipe, Calibration]:
  """`calibration_of` every recipe."""
  return {recipe: calibration_of(recipe, tried) for recipe in dict.fromkeys(c.recipe for c in tried)}
