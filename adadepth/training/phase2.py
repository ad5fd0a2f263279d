"""Phase 2 on cached responses: trains the gates (Eq. 5), and chooses T by cross-fitting."""

import functools
from collections.abc import Sequence as Listing
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Shaped

from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.responses import PairTable, of_responses
from adadepth.evaluation.scores import (
  PairScores,
  confidences_of,
  exit_ious,
  score_table,
  table_features,
)
from adadepth.io.mesh import copy_to_all, deal_rows, mesh_for, over
from adadepth.maths.cascade import exit_confidences
from adadepth.maths.losses import MAP_LOSSES, gating_loss, geometric_price
from adadepth.maths.random_streams import named_generator, named_stream
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.gates import GATES, gate_logits, init_gates, standardise_gates
from adadepth.models.model import Model
from adadepth.models.network import logit_scales
from adadepth.training.cross_fitting import (
  Choice,
  best_static,
  calibration_of,
  choose,
  grouped_folds,
  static_choices,
  sweep,
)
from adadepth.training.divergence import check_finite
from adadepth.training.optimizers import TrainState, apply_gradients, gating_optimizer, init_state


class Recipe(NamedTuple):
  """How gates are trained.

  Attributes:
    loss: what L_i of Eq. 5 is: "iou", 1 - IoU, or "cross_entropy", that of Eq. 2.
    p: the price of depth i is p^(i-1).
    price_weights: the lambdas; each has gates of its own.
    map_loss, variance_px2: of Eq. 2.
    learning_rate, steps, batch: of Adam.
    seed: of the batches and the folds.
  """

  loss: str
  p: float
  price_weights: tuple[float, ...]
  map_loss: str
  variance_px2: float
  learning_rate: float
  steps: int
  batch: int
  seed: int


class GateBatch(NamedTuple):
  """Cached inputs of phase 2: unstandardised features [n, 4, f] and what stopping at each depth loses [n, 5]."""

  features: Array
  depth_losses: Array


class Fitted(NamedTuple):
  """What is learnt from some pairs.

  Attributes:
    gates: one set for each lambda.
    curves: the training loss at every step, [lambdas, steps].
  """

  gates: list[dict]
  curves: Float[np.ndarray, "l s"]


class Phase2(NamedTuple):
  """What phase 2 leaves.

  Attributes:
    model: with the gates and T of the gated choice.
    chosen: the choice among the gated one and the static exits.
    gated: the choice among every lambda and T.
    static: the static exits, cross-fitted.
    fitted: on all pairs; gates of every lambda.
  """

  model: Model
  chosen: Choice
  gated: Choice
  static: list[Choice]
  fitted: Fitted


def gating_step(
  state: TrainState,
  batch: GateBatch,
  *,
  optimizer: optax.GradientTransformation,
  prices: Float[Array, "5"],
  price_weight: float | Array,
) -> tuple[TrainState, dict]:
  """One step of phase 2 on L_gating (Eq. 5), from cached features: the backbone is not in the program."""

  def loss_of(gates: dict) -> Float[Array, ""]:
    confidences = exit_confidences(gate_logits(gates, batch.features))
    return jnp.mean(gating_loss(confidences, batch.depth_losses, prices, price_weight))

  loss, grads = jax.value_and_grad(loss_of)(state.params["gates"])
  return apply_gradients(state, {"gates": grads}, optimizer), {"loss": loss}


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
  grid = {"template_cells": arch.template_cells, "search_cells": arch.search_cells, "stride_px": arch.stride_px}
  eq2 = functools.partial(_map_losses, params["head"], map_loss=map_loss, variance_px2=variance_px2, **grid)
  return of_responses(eq2, table, table.displacement_in_search(arch))


def _map_losses(head, responses, displacement, *, map_loss, **settings):
  logits = jnp.asarray(responses) * logit_scales({"head": head}).reshape(1, -1, 1, 1)
  per_depth = jnp.broadcast_to(jnp.asarray(displacement)[:, None], (*logits.shape[:2], 2))
  return MAP_LOSSES[map_loss](logits, per_depth, **settings)


def fit(
  params: dict,
  table: PairTable,
  features: Float[np.ndarray, "n 5 f"],
  rows: Int[np.ndarray, "m"],
  recipe: Recipe,
  arch: Architecture,
) -> Fitted:
  """Phase 2 on some rows of the pairs."""
  eq2 = {"map_loss": recipe.map_loss, "variance_px2": recipe.variance_px2}
  losses = depth_losses(params, table, exit_ious(table, arch=arch), loss=recipe.loss, arch=arch, **eq2)
  prices = np.asarray(geometric_price(recipe.p, DEPTHS))
  fitted = Fitted(*train_gates(features[:, :GATES], losses, rows, prices=prices, recipe=recipe))
  finite = np.isfinite(features).all(axis=(1, 2)) & np.isfinite(losses).all(axis=1)
  check_curves(fitted, table.sequence, rows, recipe, finite=finite)
  return fitted


def check_curves(
  fitted: Fitted,
  sequence: Shaped[np.ndarray, "n"],
  rows: Int[np.ndarray, "m"],
  recipe: Recipe,
  *,
  finite: Bool[np.ndarray, "n"],
) -> None:
  """Raises InputError for a loss, or gates, that are not finite: the first step of any lambda.

  It names the videos whose pairs are not finite themselves, else those of the step's batch.
  """
  broken = rows[~finite[rows]]
  for weight, gates, curve in zip(recipe.price_weights, fitted.gates, fitted.curves, strict=True):
    bad = np.flatnonzero(~np.isfinite(curve))
    step = int(bad[0]) if len(bad) else len(curve) - 1
    check_finite(
      {"the loss": float(curve[step]), "the gates' norm": float(optax.tree.norm(gates))},
      f"phase 2, lambda {weight:g}, step {step + 1}",
      videos=lambda step=step: sequence[broken if len(broken) else batches_of(rows, recipe)[step]].tolist(),
      kept=lambda: "phase 2 keeps no steps, and the parameters that it began from are as they were",
    )


def batches_of(rows: Int[np.ndarray, "m"], recipe: Recipe) -> Int[np.ndarray, "steps batch"]:
  """The pairs of each step, drawn with replacement."""
  rng = named_generator(recipe.seed, "gate batches")
  return rows[rng.integers(len(rows), size=(recipe.steps, recipe.batch))].astype(np.int32)


def train_gates(
  features: Float[np.ndarray, "n 4 f"],
  losses: Float[np.ndarray, "n 5"],
  rows: Int[np.ndarray, "m"],
  *,
  prices: Float[np.ndarray, "5"],
  recipe: Recipe,
) -> tuple[list[dict], Float[np.ndarray, "l s"]]:
  """Trains one set of gates for each lambda, all of them in one program, over which the pairs' rows are dealt.

  Args:
    features: v_1..v_4.
    losses: what stopping at each depth loses.
    rows: the pairs to learn from; they also standardise. Batches are drawn from them with replacement.
    prices: of each depth (Eq. 5).
  Returns:
    The gates of each lambda, and the training loss at every step.
  """
  order = batches_of(rows, recipe)
  gates = standardise_gates(
    init_gates(named_stream(jax.random.key(recipe.seed), "gates"), features.shape[-1]), features[rows]
  )
  weights = np.asarray(recipe.price_weights, np.float32)
  mesh = mesh_for()
  data = deal_rows(GateBatch(features, losses), mesh)
  start, order, weights, prices = copy_to_all((gates, order, weights, prices), mesh)
  with over(mesh):
    trained, curves = jax.device_get(_train(start, data, order, weights, prices, learning_rate=recipe.learning_rate))
  return [jax.tree.map(lambda leaf, i=i: leaf[i], trained) for i in range(len(weights))], curves


@functools.partial(jax.jit, static_argnames="learning_rate")
def _train(gates, data, order, weights, prices, *, learning_rate):
  optimizer = gating_optimizer(learning_rate=learning_rate)
  start = init_state({"gates": gates}, optimizer)

  def run(weight):
    def one_step(state, rows):
      batch = jax.tree.map(lambda leaf: leaf[rows], data)
      return gating_step(state, batch, optimizer=optimizer, prices=prices, price_weight=weight)

    state, scalars = jax.lax.scan(one_step, start, order)
    return state.params["gates"], scalars["loss"]

  return jax.vmap(run)(weights)


def cross_fit(
  params: dict, table: PairTable, *, folds: Int[np.ndarray, "n"], recipe: Recipe, arch: Architecture
) -> tuple[PairScores, Float[np.ndarray, "l n 5"]]:
  """Fits on all folds but one, for each in turn, and lets that judge the one.

  Args:
    folds: of each pair, as `grouped_folds` has them.
  Returns:
    The scores of every pair; and c of every pair by gates that have not seen its video, for each lambda.
  """
  features = table_features(params, table, arch=arch)
  confidences = np.zeros((len(recipe.price_weights), len(folds), DEPTHS), np.float32)
  for fold in range(folds.max() + 1):
    held = folds == fold
    fitted = fit(params, table, features, np.flatnonzero(~held), recipe, arch)
    for i, gates in enumerate(fitted.gates):
      confidences[i, held] = confidences_of(gates, features)[held]  # of all: folds differ in size, a program each
  scores = score_table(table, exit_ious(table, arch=arch), arch=arch, costs=pair_costs(arch))
  return scores, confidences


def run_phase2(
  params: dict,
  table: PairTable,
  *,
  recipe: Recipe,
  folds: int,
  thresholds: Listing[float],
  arch: Architecture,
  cost_share: float = 0.25,
  budget: float = 0.0,
  costs_ms: Float[np.ndarray, "5"] | None = None,
) -> Phase2:
  """Chooses lambda and T by cross-fitting, with the static exits among the candidates, then trains on all pairs.

  Args:
    table: of the train and the dev sequences.
    folds: videos are dealt into so many.
    thresholds: T to choose from.
    cost_share: the mean cost within which to choose, over xcorr5's.
    budget: that cost itself, relative to xcorr1, or in ms where `costs_ms` says what an exit takes; 0: as `cost_share`
      says.
  """
  costs = pair_costs(arch)
  dealt = grouped_folds(table.sequence, folds, recipe.seed)
  scores, confidences = cross_fit(params, table, folds=dealt, recipe=recipe, arch=arch)
  cost_by_exit = costs.relative if costs_ms is None else costs_ms
  static = static_choices(scores, costs_ms)
  tried = sweep(scores, confidences, recipe.price_weights, thresholds, cost_by_exit)
  limit = budget or cost_share * static[-1].cost
  gated = choose(tried, limit)
  fitted = fit(params, table, table_features(params, table, arch=arch), np.arange(len(table)), recipe, arch)
  gates = fitted.gates[recipe.price_weights.index(gated.price_weight)]
  learnt = [c for c in tried if c.price_weight == gated.price_weight]
  calibration = calibration_of(learnt, best_static(static).policy, costs)
  model = Model({**params, "gates": gates}, arch, gated.threshold, calibration)
  return Phase2(model, choose([*static, gated], limit), gated, static, fitted)
