"""Phase 2 on cached responses: fits what gated policies believe (`maths.posterior`), and trains the gates (Eq. 5)."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from adadepth.evaluation.costs import PairCosts, pair_costs
from adadepth.evaluation.responses import PairTable, on_device
from adadepth.evaluation.scores import PairScores, exit_ious, score_depths, table_features
from adadepth.maths.losses import MAP_LOSSES, geometric_price
from adadepth.maths.peaks import Readout
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.gates import GATES, init_gates, standardise_gates
from adadepth.models.network import logit_scales
from adadepth.training.fusion_fit import as_tracked, fit_beliefs
from adadepth.training.steps import GateBatch, gating_optimizer, gating_step, init_state


class Recipe(NamedTuple):
  """How gates are trained.

  Attributes:
    loss: what L_i of Eq. 5 is: "iou", 1 - IoU, or "cross_entropy", that of Eq. 2.
    price: of depth i: "geometric", p^(i-1), or "flops", its cost relative to xcorr1's.
    price_weights: the lambdas; each has gates of its own.
    p: of the geometric price.
    map_loss, variance_px2: of Eq. 2.
    learning_rate, weight_decay, steps, batch: of Adam; the decay is of the weights on standardised features.
    seed: of the batches.
  """

  loss: str
  price: str
  price_weights: tuple[float, ...]
  p: float
  map_loss: str
  variance_px2: float
  learning_rate: float
  weight_decay: float
  steps: int
  batch: int
  seed: int


class Pairs(NamedTuple):
  """Pairs that gates can learn from: their table, v_1..v_5 [n, 5, f], and the scores of each depth alone."""

  table: PairTable
  features: Float[np.ndarray, "n 5 f"]
  scores: PairScores


class Reading(NamedTuple):
  """What gated policies read, learnt from some pairs.

  Attributes:
    beliefs: see `params.beliefs`.
    tracked_ious: IoU of all pairs, also those not learnt from, where hard gating stops at each depth, as a tracker that
      has drifted reads them, [n, 5].
  """

  beliefs: dict
  tracked_ious: Float[np.ndarray, "n 5"]


class Fitted(NamedTuple):
  """Gates learnt from some pairs: one set for each lambda, and the training loss at every step, [lambdas, steps]."""

  gates: list[dict]
  curves: Float[np.ndarray, "l s"]


def seen_pairs(params: dict, table: PairTable, *, arch: Architecture, readout: Readout) -> Pairs:
  """What the gates see of a table, and what each depth gets."""
  table = on_device(table)
  features = table_features(params, table, arch=arch, readout=readout)
  return Pairs(table, features, score_depths(table, arch=arch, readout=readout, costs=pair_costs(arch, readout)))


def prices_of(recipe: Recipe, costs: PairCosts) -> Float[np.ndarray, "5"]:
  """The price of each depth (Eq. 5)."""
  if recipe.price == "flops":
    return (costs.fixed_gflops / costs.fixed_gflops[0]).astype(np.float32)
  return np.asarray(geometric_price(recipe.p, DEPTHS))


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
  """What stopping at each depth loses: 1 - IoU, or L_i of Eq. 2, that of its own map.

  Args:
    ious: IoU of each pair at each depth.
    loss: "iou" or "cross_entropy".
    map_loss, variance_px2: of Eq. 2.
  """
  if loss == "iou":
    return 1 - ious
  displacement = jnp.asarray(table.displacement_in_search(arch))
  logits = jnp.asarray(table.responses) * logit_scales(params).reshape(1, -1, 1, 1)
  per_depth = jnp.broadcast_to(displacement[:, None], (*logits.shape[:2], 2))
  grid = {"template_cells": arch.template_cells, "search_cells": arch.search_cells}
  losses = MAP_LOSSES[map_loss](logits, per_depth, **grid, stride_px=arch.stride_px, variance_px2=variance_px2)
  return np.asarray(losses)


def fit_reading(
  params: dict, pairs: Pairs, rows: Int[np.ndarray, "m"], *, seed: int, arch: Architecture, readout: Readout
) -> Reading:
  """The first half of phase 2 on some rows of the pairs: the beliefs, where the readout has any."""
  table, beliefs, view = pairs.table, params.get("beliefs", {}), {"arch": arch, "readout": readout}
  if readout.combine == "posterior":
    beliefs = fit_beliefs(table, rows, arch=arch, drift=readout.drift, seed=seed)
  slipped = as_tracked(len(table), drift=readout.drift, arch=arch, seed=seed)
  return Reading(beliefs, exit_ious(beliefs, table, slipped, pairs.scores, **view))


def fit_gates(
  params: dict, pairs: Pairs, reading: Reading, rows: Int[np.ndarray, "m"], *, recipe: Recipe, arch: Architecture
) -> Fitted:
  """The second half on the same rows: the gates, which learn what a tracker reads at each depth."""
  eq2 = {"map_loss": recipe.map_loss, "variance_px2": recipe.variance_px2}
  losses = depth_losses(params, pairs.table, reading.tracked_ious, loss=recipe.loss, arch=arch, **eq2)
  prices = prices_of(recipe, pairs.scores.costs)
  return Fitted(*train_gates(pairs.features[:, :GATES], losses, rows, prices=prices, recipe=recipe))


def train_gates(
  features: Float[np.ndarray, "n 4 f"],
  losses: Float[np.ndarray, "n 5"],
  rows: Int[np.ndarray, "m"],
  *,
  prices: Float[np.ndarray, "5"],
  recipe: Recipe,
) -> tuple[list[dict], Float[np.ndarray, "l s"]]:
  """Trains one set of gates for each lambda, all of them in one program.

  Args:
    features: v_1..v_4.
    losses: what stopping at each depth loses.
    rows: the pairs to learn from; they also standardise. Batches are drawn from them with replacement.
    prices: of each depth (Eq. 5).
  Returns:
    The gates of each lambda, and the training loss at every step.
  """
  rng = np.random.default_rng(recipe.seed)
  order = rows[rng.integers(len(rows), size=(recipe.steps, recipe.batch))].astype(np.int32)
  gates = standardise_gates(init_gates(jax.random.key(recipe.seed), features.shape[-1]), features[rows])
  weights = jnp.asarray(recipe.price_weights, jnp.float32)
  data = GateBatch(jnp.asarray(features), jnp.asarray(losses))
  adam = {"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay}
  trained, curves = jax.device_get(_train(gates, data, order, weights, jnp.asarray(prices), **adam))
  return [jax.tree.map(lambda leaf, i=i: leaf[i], trained) for i in range(len(weights))], curves


@functools.partial(jax.jit, static_argnames=("learning_rate", "weight_decay"))
def _train(gates, data, order, weights, prices, *, learning_rate, weight_decay):
  optimizer = gating_optimizer(learning_rate=learning_rate, weight_decay=weight_decay)
  start = init_state({"gates": gates}, optimizer)

  def run(weight):
    def one_step(state, rows):
      batch = jax.tree.map(lambda leaf: leaf[rows], data)
      return gating_step(state, batch, optimizer=optimizer, prices=prices, price_weight=weight)

    state, scalars = jax.lax.scan(one_step, start, order)
    return state.params["gates"], scalars["loss"]

  return jax.vmap(run)(weights)
