"""The first half of phase 2: learns how far gated policies believe each response, the closer look and rest."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from adadepth.loops.responses import PairTable
from adadepth.maths.architecture import DEPTHS, Architecture
from adadepth.maths.losses import iou_loss
from adadepth.maths.posterior import place_and_growth, weighed
from adadepth.params.beliefs import belief_at, init_beliefs

STEPS, BATCH, LEARNING_RATE = 150, 64, 0.15
# Units in which Adam moves each number by as much.
UNITS = {"response": 20.0, "coefficient": 20.0, "tail": 1.0, "log_width": 1.0, "size": 1.0, "gain": 0.3}


def read_pair(
  beliefs: dict,
  responses: Float[Array, "5 r r"],
  coefficients: Float[Array, "b i i s"],
  confidences: Float[Array, "m 5"],
  *,
  arch: Architecture,
  **centre,
) -> tuple[Float[Array, "m 2"], Float[Array, "m"]]:
  """What gated policies read of one pair that give each depth so much confidence.

  Args:
    coefficients: of closer looks at the first and the second block; b is 0 without.
    confidences: of each of m policies; what leaves all to the first depth has not seen the second block.
    **centre: center and drift_px of `place_and_growth`.
  Returns:
    Displacements, crop pixels; logarithms of the growth.
  """

  def read(c: Float[Array, "5"]) -> tuple[Float[Array, "2"], Float[Array, ""]]:
    belief = belief_at(beliefs, c)
    found = None
    if len(coefficients):
      found = jnp.where(c[0] == 1, coefficients[0], coefficients[1]).astype(jnp.float32)
    return place_and_growth(belief, weighed(belief, responses), found, arch=arch, **centre)

  return jax.vmap(read)(confidences)


@functools.partial(jax.jit, static_argnames="arch")
def read_table(
  beliefs: dict,
  responses: Float[Array, "n 5 r r"],
  coefficients: Float[Array, "n b i i s"],
  confidences: Float[Array, "n m 5"],
  centers: Float[Array, "n 2"],
  drift_px: float | Float[Array, ""],
  *,
  arch: Architecture,
) -> tuple[Float[Array, "n m 2"], Float[Array, "n m"]]:
  """`read_pair` of every pair."""

  def read(pair: tuple) -> tuple[Array, Array]:
    *maps, center = pair
    return read_pair(beliefs, *maps, arch=arch, center=center, drift_px=drift_px)

  return lax.map(read, (responses, coefficients, confidences, centers), batch_size=64)


def drifted(n: int, *, drift: float, arch: Architecture, seed: int) -> Float[np.ndarray, "n 2"]:
  """Where a tracker that has slipped would expect n targets, crop pixels."""
  return drift * arch.search_px * np.random.default_rng([seed, 1]).standard_normal((n, 2), np.float32)


def fit_beliefs(table: PairTable, rows: Int[np.ndarray, "m"], *, arch: Architecture, drift: float, seed: int) -> dict:
  """Maximises the mean IoU at every depth by Adam, on some rows of the table: as pairs, and as a tracker sees them.

  Args:
    drift: of the tracker, see `maths.readout`.
  """
  rng = np.random.default_rng(seed)
  order = rows[rng.integers(len(rows), size=(STEPS, BATCH))].astype(np.int32)
  centers = drifted(STEPS * BATCH, drift=drift, arch=arch, seed=seed).reshape(STEPS, BATCH, 2)
  truth = table.truth_in_search
  data = {
    "responses": table.responses,
    "coefficients": table.coefficients,
    "center": truth[:, :2] + truth[:, 2:] / 2 - np.float32(arch.search_px / 2),
    "size": truth[:, 2:],
    "key_size": table.size_in_crop,
  }
  return _train(jax.tree.map(jnp.asarray, data), (order, centers), drift * arch.search_px, arch=arch)


@functools.partial(jax.jit, static_argnames="arch")
def _train(data, batches, drift_px, *, arch):
  optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS))
  every_depth = jnp.eye(DEPTHS)

  def scaled(units: dict) -> dict:
    return {name: leaf * UNITS[name] for name, leaf in units.items()}

  def loss_of(units: dict, pairs: dict, centers: Array) -> Array:
    def lost(pair: dict, center: Array, drift_px: Array) -> Array:
      maps, centre = (pair["responses"], pair["coefficients"]), {"center": center, "drift_px": drift_px}
      found, log_growth = read_pair(scaled(units), *maps, every_depth, arch=arch, **centre)
      sizes = pair["key_size"][None] * jnp.exp(log_growth)[:, None]
      return jax.vmap(iou_loss, (0, 0, None, None))(found, sizes, pair["center"], pair["size"])

    of_all = jax.vmap(lost, (0, 0, None))
    as_pairs = of_all(pairs, jnp.zeros_like(centers), jnp.float32(0))
    return jnp.mean(as_pairs + of_all(pairs, centers, drift_px)) / 2

  def step(state: tuple, batch: tuple) -> tuple[tuple, None]:
    (units, moments), (rows, centers) = state, batch
    pairs = jax.tree.map(lambda leaf: leaf[rows], data)
    updates, moments = optimizer.update(jax.grad(loss_of)(units, pairs, centers), moments)
    return (optax.apply_updates(units, updates), moments), None

  start = {name: leaf / UNITS[name] for name, leaf in init_beliefs().items()}
  (units, _), _ = lax.scan(step, (start, optimizer.init(start)), batches)
  return scaled(units)
