"""Scores of every policy on cached responses: IOU@1, @5, @25 and cost."""

import dataclasses
import functools
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from adadepth.evaluation.costs import PairCosts
from adadepth.evaluation.responses import PairTable
from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.maths.features import all_gate_features
from adadepth.maths.fusion import LastPlace
from adadepth.maths.metrics import iou, iou_at
from adadepth.maths.ncc import expected_place
from adadepth.maths.peaks import Readout, displacements_in_response
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.flops import hard_flops
from adadepth.models.fusion_weights import for_each
from adadepth.models.gates import gate_logits
from adadepth.models.network import logit_scales
from adadepth.tracking.policies import FIXED, soft_response
from adadepth.training.fusion_fit import as_pairs, read_table

HORIZONS = (1, 5, 25)


@dataclasses.dataclass(frozen=True)
class PairScores:
  """IoU of each pair under each depth, and what a depth costs.

  Attributes:
    ious: stopping at each depth, [n, 5].
    center: predicting that the target has not moved, [n].
    perfect: the key's box at the true centre: what a perfect displacement gets, [n].
    frames_after_key: [n].
    sequence: names, [n].
    costs: FLOPs by policy.
  """

  ious: Float[np.ndarray, "n 5"]
  center: Float[np.ndarray, "n"]
  perfect: Float[np.ndarray, "n"]
  frames_after_key: Int[np.ndarray, "n"]
  sequence: Shaped[np.ndarray, "n"]
  costs: PairCosts


@functools.partial(jax.jit, static_argnames=("arch", "readout"))
def _peaks(maps, coefficients, *, arch, readout):
  """Of each of a pair's maps, [n, *k, 2], crop pixels: as a tracker reads them, with its closer look if it has one."""
  coarse = displacements_in_response(maps, readout, template_cells=arch.template_cells) * arch.stride_px
  if not arch.finer_px:
    return coarse
  same_size = coefficients[:, 0, coefficients.shape[2] // 2]

  def finer(pair: tuple) -> Array:
    places, found = pair[0].astype(jnp.float32), pair[1].reshape(-1, 2)
    look = functools.partial(expected_place, places, stride_px=arch.fine_stride_px, error_px=arch.finer_px)
    return jax.vmap(look)(found).reshape(pair[1].shape)

  return lax.map(finer, (same_size, coarse), batch_size=64)


def displaced_ious(
  table: PairTable,
  displacement_in_search: Float[np.ndarray, "n *k 2"],
  arch: Architecture,
  log_growth: Float[np.ndarray, "n *k"] | None = None,
) -> Float[np.ndarray, "n *k"]:
  """IoU of the key's box, displaced from the search crop's centre and grown, with the truth."""
  extra = (1,) * (displacement_in_search.ndim - 2)
  shape = displacement_in_search.shape
  size = np.broadcast_to(table.size_in_crop.reshape(-1, *extra, 2), shape)
  if log_growth is not None:
    size = size * np.exp(log_growth)[..., None]
  box = np.concatenate([arch.search_px / 2 + displacement_in_search - size / 2, size], axis=-1)
  truth = np.broadcast_to(table.truth_in_search.reshape(-1, *extra, 4), box.shape)
  return iou(box.astype(np.float32), truth)


def score_depths(table: PairTable, *, arch: Architecture, readout: Readout, costs: PairCosts) -> PairScores:
  """The IoU of every pair at every depth, with the two bounds."""
  found = np.asarray(_peaks(table.responses, table.coefficients, arch=arch, readout=readout))
  true = table.displacement_in_search(arch)
  return PairScores(
    ious=displaced_ious(table, found, arch),
    center=displaced_ious(table, np.zeros_like(true), arch),
    perfect=displaced_ious(table, true, arch),
    frames_after_key=table.frames_after_key,
    sequence=table.sequence,
    costs=costs,
  )


class Looked(NamedTuple):
  """What hard gating would make of every pair at every depth.

  Attributes:
    confidences: c of Eq. 4, [n, 5].
    ious: IoU if it stopped there, [n, 5].
  """

  confidences: Float[np.ndarray, "n 5"]
  ious: Float[np.ndarray, "n 5"]


def read_ious(
  beliefs: dict, table: PairTable, was: LastPlace, confidences: Float[np.ndarray, "n m 5"], *, arch: Architecture
) -> Float[np.ndarray, "n m"]:
  """IoU of what gated policies read from a posterior, each giving the five depths so much confidence.

  Args:
    beliefs: one for all pairs, or n as `params.beliefs.for_each` has them.
    was: `loops.beliefs.as_pairs` or `as_tracked`.
  """
  beliefs = for_each(beliefs, len(table))
  read = read_table(beliefs, table.responses, table.coefficients, was, confidences, arch=arch)
  displacement, log_growth = map(np.asarray, read)
  return displaced_ious(table, displacement, arch, log_growth)


def exit_ious(
  beliefs: dict, table: PairTable, was: LastPlace, scores: PairScores, *, arch: Architecture, readout: Readout
) -> Float[np.ndarray, "n 5"]:
  """IoU of every pair where hard gating stops at each depth; arguments as of `read_ious`."""
  if readout.combine == "exit":
    return scores.ious
  stops = np.broadcast_to(np.eye(DEPTHS, dtype=np.float32), (len(table), DEPTHS, DEPTHS))
  return read_ious(beliefs, table, was, stops, arch=arch)


@functools.partial(jax.jit, static_argnames=("arch", "readout"))
def _features(head, responses, *, arch, readout):
  scale = logit_scales({"head": head})
  return all_gate_features(responses, logit_scale=scale, template_cells=arch.template_cells, readout=readout)


def table_features(
  params: dict, table: PairTable, *, arch: Architecture, readout: Readout
) -> Float[np.ndarray, "n 5 f"]:
  """v_1..v_5 of every pair, not standardised."""
  return np.asarray(_features(params["head"], table.responses, arch=arch, readout=readout))


@jax.jit
def _confidences(gates, features):
  return exit_confidences(gate_logits(gates, features))


def confidences_of(gates: dict, features: Float[np.ndarray, "n k f"]) -> Float[np.ndarray, "n 5"]:
  """c of Eq. 4 from features that are there already."""
  return np.asarray(_confidences(gates, features))


def soft_ious(
  params: dict, table: PairTable, confidences: Float[np.ndarray, "n 5"], *, arch: Architecture, readout: Readout
) -> Float[np.ndarray, "n"]:
  """IoU of soft gating."""
  if readout.combine == "posterior":
    return read_ious(params["beliefs"], table, as_pairs(len(table)), confidences[:, None], arch=arch)[:, 0]
  averaged = soft_response(jnp.asarray(table.responses), jnp.asarray(confidences))
  found = _peaks(averaged, table.coefficients, arch=arch, readout=readout)
  return displaced_ious(table, np.asarray(found), arch)


def _horizons(scores: PairScores, ious: Float[np.ndarray, "n"]) -> dict[str, float | None]:
  """IOU@1, @5, @25; None where no pair is that near to its key."""
  nearest = scores.frames_after_key.min()
  return {f"iou@{n}": float(iou_at(ious, scores.frames_after_key, n)) if n >= nearest else None for n in HORIZONS}


def score(scores: PairScores, ious: Float[np.ndarray, "n"], gflops: float) -> dict:
  """One entry of results.json."""
  return {**_horizons(scores, ious), "gflops": gflops, "relative_cost": gflops / scores.costs.fixed_gflops[0]}


def score_fixed(scores: PairScores) -> dict[str, dict]:
  """Entries "xcorr1".."xcorr5"."""
  costs = scores.costs.fixed_gflops
  return {name: score(scores, scores.ious[:, k], float(costs[k])) for k, name in enumerate(FIXED)}


def score_exits(scores: PairScores, ious: Float[np.ndarray, "n 5"], exits: Int[np.ndarray, "n"]) -> dict:
  """The scores of stopping each pair at a depth of its own; the cost is sum_k P(stop = k) * F_k.

  Args:
    ious: if a pair stops at each depth.
  """
  shares = np.bincount(exits, minlength=DEPTHS) / len(exits)
  taken = ious[np.arange(len(exits)), exits]
  return {**score(scores, taken, hard_flops(shares, scores.costs.cascade_gflops)), "exits": shares.tolist()}


def score_hard(
  scores: PairScores, confidences: Float[np.ndarray, "n 5"], ious: Float[np.ndarray, "n 5"], threshold: float
) -> dict:
  """The entry of hard gating at one threshold."""
  exits = np.asarray(exit_depth(jnp.asarray(confidences), threshold))
  return {"threshold": float(threshold), **score_exits(scores, ious, exits)}


def score_stops(scores: PairScores, looked: Looked) -> dict[str, dict]:
  """Hard gating that always stops at one depth, "xcorr1".."xcorr5", and at the best depth of each pair, "best"."""
  costs = scores.costs.cascade_gflops
  always = {name: score(scores, looked.ious[:, k], float(costs[k])) for k, name in enumerate(FIXED)}
  return {**always, "best": _horizons(scores, looked.ious.max(1))}


def score_bounds(scores: PairScores) -> dict[str, dict]:
  """What no displacement, the best depth of each pair and the perfect displacement get."""
  bounds = {"center": scores.center, "best_depth": scores.ious.max(1), "perfect_displacement": scores.perfect}
  at = {name: _horizons(scores, ious) for name, ious in bounds.items()}
  # The cheapest depth that is within 0.02 of the best one of its pair.
  cheapest = np.argmax(scores.ious >= scores.ious.max(1, keepdims=True) - 0.02, axis=1)
  shares = np.bincount(cheapest, minlength=DEPTHS) / len(cheapest)
  gflops = hard_flops(shares, scores.costs.fixed_gflops)
  ious = scores.ious[np.arange(len(cheapest)), cheapest]
  return {**at, "cheapest_good_depth": {**score(scores, ious, gflops), "exits": shares.tolist()}}


def score_pairs(scores: PairScores, looked: Looked, soft: Float[np.ndarray, "n"], thresholds: Listing[float]) -> dict:
  """The "pairs", "stops", "bounds" and "sequences" of results.json.

  Args:
    soft: IoU of soft gating.
    thresholds: T of hard gating.
  """
  pairs = {
    **score_fixed(scores),
    "soft": score(scores, soft, scores.costs.soft_gflops),
    "hard": [score_hard(scores, looked.confidences, looked.ious, t) for t in thresholds],
  }
  stops, bounds = score_stops(scores, looked), score_bounds(scores)
  return {"pairs": pairs, "stops": stops, "bounds": bounds, "sequences": by_sequence(scores, looked, soft)}


def by_sequence(scores: PairScores, looked: Looked, soft: Float[np.ndarray, "n"]) -> dict[str, dict]:
  """Mean IoU over the pairs of each sequence: fixed depths, hard gating that always stops at each, soft gating."""
  found = {}
  for name in np.unique(scores.sequence):
    rows = scores.sequence == name
    fixed, stops = (dict(zip(FIXED, ious[rows].mean(0).tolist(), strict=True)) for ious in (scores.ious, looked.ious))
    found[str(name)] = {**fixed, "stops": stops, "soft": float(soft[rows].mean()), "pairs": int(rows.sum())}
  return found
