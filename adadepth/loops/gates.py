"""Phase 2: trains the gates on cached responses (Eq. 5) and chooses among them on dev."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from adadepth.loops.responses import PairTable
from adadepth.loops.scores import PairScores, score_hard, table_confidences
from adadepth.maths.architecture import Architecture
from adadepth.maths.cascade import exit_depth
from adadepth.maths.features import all_gate_features
from adadepth.maths.losses import MAP_LOSSES
from adadepth.params.gates import init_gates, standardise_gates
from adadepth.programs.network import logit_scales
from adadepth.programs.steps import GateBatch, gating_optimizer, gating_step, init_state


class GateChoice(NamedTuple):
  """One point of the search over gate losses, lambda and T.

  Attributes:
    loss: "iou" or "cross_entropy", what L_i of Eq. 5 is.
    price: "geometric" or "flops", what price_i of Eq. 5 is.
    price_weight: lambda.
    threshold: T.
    gates: the trained gates.
    dev: its scores on dev, an entry of `sweep`.
  """

  loss: str
  price: str
  price_weight: float
  threshold: float
  gates: dict
  dev: dict


@functools.partial(jax.jit, static_argnames="arch")
def _features(head, responses, *, arch):
  scale = logit_scales({"head": head})
  return all_gate_features(responses, logit_scale=scale, template_cells=arch.template_cells)


def table_features(params: dict, table: PairTable, arch: Architecture) -> Float[np.ndarray, "n 4 f"]:
  """v_1..v_4 of every pair, not standardised."""
  return np.asarray(_features(params["head"], table.responses, arch=arch))


def depth_losses(
  params: dict,
  table: PairTable,
  ious: Float[np.ndarray, "n 5"],
  *,
  loss: str,
  arch: Architecture,
  map_loss: str,
  variance_px2: float,
) -> Float[np.ndarray, "n 5"]:
  """What stopping at each depth loses: 1 - IoU, or L_i of Eq. 2.

  Args:
    ious: IoU of each pair at each depth.
    loss: "iou" or "cross_entropy".
    map_loss, variance_px2: of Eq. 2.
  """
  if loss == "iou":
    return 1 - ious
  center = table.truth_in_search[:, :2] + table.truth_in_search[:, 2:] / 2
  displacement = jnp.asarray(center - np.float32(arch.search_px / 2))
  logits = jnp.asarray(table.responses) * logit_scales(params).reshape(1, -1, 1, 1)
  per_depth = jnp.broadcast_to(displacement[:, None], (*logits.shape[:2], 2))
  grid = {"template_cells": arch.template_cells, "search_cells": arch.search_cells}
  losses = MAP_LOSSES[map_loss](logits, per_depth, **grid, stride_px=arch.stride_px, variance_px2=variance_px2)
  return np.asarray(losses)


def train_gates(
  key: jax.Array,
  features: Float[np.ndarray, "n 4 f"],
  losses: Float[np.ndarray, "n 5"],
  *,
  prices: Float[np.ndarray, "5"],
  price_weights: tuple[float, ...],
  learning_rate: float,
  steps: int,
  batch: int,
) -> tuple[list[dict], Float[np.ndarray, "l s"]]:
  """Trains one set of gates for each lambda, all of them in one program.

  Args:
    key: for the order of the pairs.
    features: of the training pairs; they also standardise.
    losses: what stopping at each depth loses.
    prices: of each depth (Eq. 5).
    price_weights: the lambdas.
    learning_rate, steps, batch: of Adam; a batch is drawn with replacement.
  Returns:
    The gates of each lambda, and the training loss at every step.
  """
  optimizer = gating_optimizer(learning_rate=learning_rate)
  gates = standardise_gates(init_gates(key), jnp.asarray(features))
  start = init_state({"gates": gates}, optimizer)
  data = GateBatch(jnp.asarray(features), jnp.asarray(losses))

  def one_step(weight, state, key):
    rows = jax.random.randint(key, (batch,), 0, len(features))
    step_batch = jax.tree.map(lambda leaf: leaf[rows], data)
    return gating_step(state, step_batch, optimizer=optimizer, prices=jnp.asarray(prices), price_weight=weight)

  @jax.jit
  def run(weight):
    state, scalars = jax.lax.scan(functools.partial(one_step, weight), start, jax.random.split(key, steps))
    return state.params["gates"], scalars["loss"]

  trained, curves = jax.vmap(run)(jnp.asarray(price_weights, jnp.float32))
  sets = [jax.tree.map(lambda leaf, i=i: leaf[i], trained) for i in range(len(price_weights))]
  return sets, np.asarray(curves)


def sweep(
  params: dict, table: PairTable, scores: PairScores, *, arch: Architecture, thresholds: tuple[float, ...]
) -> list[dict]:
  """Hard gating on a table at every threshold: entries of results.json, each with its "cost_error".

  That is the standard error of the relative cost over sequences: pairs of one video are no independent draws.
  """
  confidences = table_confidences(params, table, arch)
  relative = scores.costs.cascade_gflops / scores.costs.fixed_gflops[0]
  names, entries = np.unique(scores.sequence), []
  for threshold in thresholds:
    costs = relative[np.asarray(exit_depth(jnp.asarray(confidences), threshold))]
    means = np.array([costs[scores.sequence == name].mean() for name in names])
    error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else 0.0
    entries.append({**score_hard(scores, confidences, threshold), "cost_error": error})
  return entries


def careful_cost(choice: GateChoice) -> float:
  """The relative cost to reckon with on other videos: dev's, plus its standard error."""
  return choice.dev["relative_cost"] + choice.dev["cost_error"]


def choose(tried: list[GateChoice], *, max_relative_cost: float) -> GateChoice:
  """The most accurate on dev whose careful cost is within the budget, the cheaper of equals.

  The cheapest, if none is within.
  """
  within = [c for c in tried if careful_cost(c) <= max_relative_cost]
  if not within:
    return min(tried, key=careful_cost)
  return max(within, key=lambda c: (c.dev["iou@25"], -c.dev["relative_cost"]))


def best_by_loss(tried: list[GateChoice], *, max_relative_cost: float) -> list[GateChoice]:
  """`choose` among the gates of each loss."""
  losses = dict.fromkeys(c.loss for c in tried)
  return [choose([c for c in tried if c.loss == loss], max_relative_cost=max_relative_cost) for loss in losses]
