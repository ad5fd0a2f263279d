"""Scores of every policy on cached responses: IOU@1, @5, @25 and cost. All are read by the same reader."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence as Listing

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from adadepth.evaluation.costs import Costs
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.responses import PairTable, in_chunks, of_responses
from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.maths.features import all_gate_features
from adadepth.maths.metrics import iou, iou_at
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.flops import hard_flops
from adadepth.models.gates import gate_logits
from adadepth.models.network import logit_scales
from adadepth.tracking.policies import FIXED
from adadepth.tracking.reader import read_paper

HORIZONS = (1, 5, 25)


@dataclasses.dataclass(frozen=True)
class PairScores:
  """IoU of each pair at each exit, and what an exit costs.

  Attributes:
    ious: stopping at each depth, [n, 5].
    center: predicting that the target has not moved, [n].
    perfect: the last box's size at the true centre: what a perfect displacement gets, [n].
    frames_after_key: [n].
    sequence: names, [n].
    costs: FLOPs by policy.
  """

  ious: Float[np.ndarray, "n 5"]
  center: Float[np.ndarray, "n"]
  perfect: Float[np.ndarray, "n"]
  frames_after_key: Int[np.ndarray, "n"]
  sequence: Shaped[np.ndarray, "n"]
  costs: Costs


def exit_ious(table: PairTable, *, arch: Architecture) -> Float[np.ndarray, "n 5"]:
  """IoU of every pair that stops at each depth: fixed depths and hard gating alike."""
  return found_ious(table, table.center, table.size, arch)


def soft_ious(table: PairTable, confidences: Float[np.ndarray, "n 5"], *, arch: Architecture) -> Float[np.ndarray, "n"]:
  """IoU of soft gating, whose average is of maps with the paper's reader, else of boxes."""
  if arch.reader == "paper":
    read = functools.partial(_read_soft, arch=arch)
    center, size = np.split(of_responses(read, table, confidences, table.size_in_crop), 2, axis=-1)
  else:
    center, size = (np.einsum("nk,nkc->nc", confidences, column) for column in (table.center, table.size))
  return found_ious(table, center[:, None], size[:, None], arch)[:, 0]


def _read_soft(responses, confidences, sizes, *, arch):
  maps = jnp.einsum("nk,nkyx->nyx", jnp.asarray(confidences), jnp.asarray(responses))
  center, size, _ = read_paper(maps, jnp.asarray(sizes), arch=arch)
  return jnp.concatenate([center, size], axis=-1)


def found_ious(
  table: PairTable, center: Float[np.ndarray, "n m 2"], size: Float[np.ndarray, "n m 2"], arch: Architecture
) -> Float[np.ndarray, "n m"]:
  """IoU of boxes, whose centre is seen from the search crop's, with the truth; crop pixels."""
  box = np.concatenate([arch.search_px / 2 + center - size / 2, size], axis=-1)
  return iou(box.astype(np.float32), np.broadcast_to(table.truth_in_search[:, None], box.shape))


def score_table(table: PairTable, ious: Float[np.ndarray, "n 5"], *, arch: Architecture, costs: Costs) -> PairScores:
  """The scores of every pair, whose IoU at every exit is given (`exit_ious`), with the two bounds."""
  true = table.displacement_in_search(arch)[:, None]
  size = table.last_size[:, None]
  return PairScores(
    ious=ious,
    center=found_ious(table, np.zeros_like(true), size, arch)[:, 0],
    perfect=found_ious(table, true, size, arch)[:, 0],
    frames_after_key=table.frames_after_key,
    sequence=table.sequence,
    costs=costs,
  )


@functools.partial(jax.jit, static_argnames="arch")
def _features(head, responses, scores, *, arch):
  scale = logit_scales({"head": head})
  return all_gate_features(responses, scores, logit_scale=scale, template_cells=arch.template_cells)


def table_features(params: dict, table: PairTable, *, arch: Architecture) -> Float[np.ndarray, "n 5 f"]:
  """v_1..v_5 of every pair, not standardised."""
  return of_responses(functools.partial(_features, params["head"], arch=arch), table, table.score)


@jax.jit
def _confidences(gates, features):
  return exit_confidences(gate_logits(gates, features))


def confidences_of(gates: dict, features: Float[np.ndarray, "n k f"]) -> Float[np.ndarray, "n 5"]:
  """c of Eq. 4 from features that are there already."""
  return in_chunks(functools.partial(_confidences, gates), features)


def exits_at(confidences: Float[np.ndarray, "n 5"], threshold: float) -> Int[np.ndarray, "n"]:
  """Where hard gating stops each pair."""
  return np.asarray(exit_depth(jnp.asarray(confidences), threshold))


def _horizons(scores: PairScores, ious: Float[np.ndarray, "n"]) -> dict[str, float | None]:
  """IOU@1, @5, @25; None where no pair is that near to its key."""
  nearest = scores.frames_after_key.min()
  return {f"iou@{n}": float(iou_at(ious, scores.frames_after_key, n)) if n >= nearest else None for n in HORIZONS}


def score(scores: PairScores, ious: Float[np.ndarray, "n"], gflops: float) -> dict:
  """One entry of results.json."""
  return {**_horizons(scores, ious), "gflops": gflops, "relative_cost": gflops / scores.costs.fixed_gflops[0]}


def score_fixed(scores: PairScores) -> dict[str, dict]:
  """The static exits, "xcorr1".."xcorr5"."""
  costs = scores.costs.fixed_gflops
  return {name: score(scores, scores.ious[:, k], float(costs[k])) for k, name in enumerate(FIXED)}


def taken(scores: PairScores, exits: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
  """The IoU of each pair at its exit."""
  return scores.ious[np.arange(len(exits)), exits]


def score_exits(scores: PairScores, exits: Int[np.ndarray, "n"]) -> dict:
  """The scores of stopping each pair at a depth of its own; the cost is sum_k P(stop = k) * F_k."""
  shares = np.bincount(exits, minlength=DEPTHS) / len(exits)
  gflops = hard_flops(shares, scores.costs.cascade_gflops)
  return {**score(scores, taken(scores, exits), gflops), "exits": shares.tolist()}


def random_mix(scores: PairScores, gflops: float) -> Float[np.ndarray, "5"]:
  """`best_mix` of static exits on these pairs."""
  return best_mix(scores.ious.mean(0), scores.costs.fixed_gflops, gflops)


def best_mix(accuracy: Float[np.ndarray, "k"], costs: Float[np.ndarray, "k"], limit: float) -> Float[np.ndarray, "k"]:
  """How often to stop at each depth, at random, to be as accurate as such a mix can be at no more than this mean cost.

  The best mix of points on a plane takes at most two. It is picked on what it is scored on, which flatters it.
  """
  exits = np.eye(len(costs))
  mixes = [exits[k] for k in range(len(costs)) if costs[k] <= limit] or [exits[0]]
  for low, high in itertools.combinations(range(len(costs)), 2):
    if costs[low] <= limit <= costs[high]:
      share = (limit - costs[low]) / (costs[high] - costs[low])
      mixes.append((1 - share) * exits[low] + share * exits[high])
  return max(mixes, key=lambda mix: float(accuracy @ mix))


def score_hard(scores: PairScores, confidences: Float[np.ndarray, "n 5"], threshold: float) -> dict:
  """The entry of hard gating at one threshold, with the IOU@25 of a random mix of static exits at its cost."""
  entry = score_exits(scores, exits_at(confidences, threshold))
  mixed = scores.ious @ random_mix(scores, entry["gflops"])
  return {"threshold": float(threshold), **entry, "random_mix_iou@25": float(mixed.mean())}


def compare_hard(scores: PairScores, confidences: Float[np.ndarray, "n 5"], threshold: float, reference: str) -> dict:
  """Hard gating against a static exit and against a random mix at its cost: differences of means over videos.

  Args:
    reference: the static exit, "xcorr1".."xcorr5", chosen elsewhere.
  Returns:
    {"minus_<reference>", "minus_random_mix"}: {"mean", "low", "high"}, with a paired 95 % bootstrap over videos.
  """
  exits = exits_at(confidences, threshold)
  hard = by_video(scores.sequence, taken(scores, exits))
  mix = random_mix(scores, score_exits(scores, exits)["gflops"])
  others = {f"minus_{reference}": scores.ious[:, FIXED.index(reference)], "minus_random_mix": scores.ious @ mix}
  return {name: paired_interval(hard, by_video(scores.sequence, other)) for name, other in others.items()}


def score_bounds(scores: PairScores) -> dict[str, dict]:
  """What no displacement, the best exit of each pair and the perfect displacement get."""
  bounds = {"center": scores.center, "best_exit": scores.ious.max(1), "perfect_displacement": scores.perfect}
  at = {name: _horizons(scores, ious) for name, ious in bounds.items()}
  # The cheapest exit that is within 0.02 of the best one of its pair.
  cheapest = np.argmax(scores.ious >= scores.ious.max(1, keepdims=True) - 0.02, axis=1)
  return {**at, "cheapest_good_exit": score_exits(scores, cheapest)}


def score_pairs(
  scores: PairScores, confidences: Float[np.ndarray, "n 5"], soft: Float[np.ndarray, "n"], thresholds: Listing[float]
) -> dict:
  """The "pairs", "bounds" and "sequences" of results.json.

  Args:
    soft: IoU of soft gating.
    thresholds: T of hard gating.
  """
  pairs = {
    **score_fixed(scores),
    "soft": score(scores, soft, scores.costs.soft_gflops),
    "hard": [score_hard(scores, confidences, t) for t in thresholds],
  }
  return {"pairs": pairs, "bounds": score_bounds(scores), "sequences": by_sequence(scores, soft)}


def by_sequence(scores: PairScores, soft: Float[np.ndarray, "n"]) -> dict[str, dict]:
  """Mean IoU over the pairs of each sequence: static exits and soft gating."""
  found = {}
  for name in np.unique(scores.sequence):
    rows = scores.sequence == name
    fixed = dict(zip(FIXED, scores.ious[rows].mean(0).tolist(), strict=True))
    found[str(name)] = {**fixed, "soft": float(soft[rows].mean()), "pairs": int(rows.sum())}
  return found
