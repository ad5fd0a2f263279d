"""The first half of phase 2: learns how far gated policies believe each response, the closer look and rest."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from adadepth.evaluation.responses import PairTable
from adadepth.maths.fusion import LastPlace, place_and_growth, weighed
from adadepth.maths.losses import iou_loss
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.fusion_weights import NONNEGATIVE, belief_at, init_beliefs

STEPS, BATCH, LEARNING_RATE = 100, 32, 0.15
# Units in which Adam moves each number by as much.
UNITS = {"response": 20.0, "coefficient": 40.0, "log_width": 1.0, "size": 1.0, "gain": 0.3}


def read_pair(
  beliefs: dict,
  responses: Float[Array, "5 r r"],
  coefficients: Float[Array, "b s i i"],
  was: LastPlace,
  confidences: Float[Array, "m 5"],
  *,
  arch: Architecture,
) -> tuple[Float[Array, "m 2"], Float[Array, "m"]]:
  """What gated policies read of one pair that give each depth so much confidence.

  Args:
    coefficients: of closer looks at the first and the second block; b is 0 without.
    confidences: of each of m policies; what leaves all to the first depth has not seen the second block.
  Returns:
    Displacements, crop pixels; logarithms of the growth.
  """

  looks = coefficients.astype(jnp.float32)

  def read(c: Float[Array, "5"]) -> tuple[Float[Array, "2"], Float[Array, ""]]:
    belief = belief_at(beliefs, c)
    found = jnp.where(c[0] == 1, looks[0], looks[1]) if len(looks) else None
    return place_and_growth(belief, weighed(belief, responses), found, was, arch=arch)

  return jax.vmap(read)(confidences)


@functools.partial(jax.jit, static_argnames="arch")
def read_table(
  beliefs: dict,
  responses: Float[Array, "n 5 r r"],
  coefficients: Float[Array, "n b s i i"],
  was: LastPlace,
  confidences: Float[Array, "n m 5"],
  *,
  arch: Architecture,
) -> tuple[Float[Array, "n m 2"], Float[Array, "n m"]]:
  """`read_pair` of every pair, by beliefs of its own (see `params.beliefs.for_each`)."""
  pairs = (beliefs, responses, coefficients, was, confidences)
  return lax.map(lambda pair: read_pair(*pair, arch=arch), pairs, batch_size=16)


def as_pairs(n: int) -> LastPlace:
  """The last places of n pairs: each search crop is centred on the true one."""
  return LastPlace(jnp.zeros((n, 2)), jnp.zeros(n))


def as_tracked(n: int, *, drift: float, arch: Architecture, seed: int) -> LastPlace:
  """Where a tracker that has slipped by its drift (see `maths.readout`) would look for n targets."""
  slips = np.random.default_rng([seed, 1]).standard_normal((n, 2), np.float32)
  drift_px = jnp.float32(drift * arch.search_px)
  return LastPlace(drift_px * slips, jnp.full(n, drift_px))


def fit_beliefs(table: PairTable, rows: Int[np.ndarray, "m"], *, arch: Architecture, drift: float, seed: int) -> dict:
  """Maximises the mean IoU at every depth by Adam, on some rows of the table: as pairs, and as a tracker sees them.

  Args:
    drift: of the tracker, see `maths.readout`.
  """
  rng = np.random.default_rng(seed)
  order = rows[rng.integers(len(rows), size=(STEPS, BATCH))].astype(np.int32)
  slipped = as_tracked(STEPS * BATCH, drift=drift, arch=arch, seed=seed)
  data = {
    "responses": table.responses,
    "coefficients": table.coefficients,
    "center": table.displacement_in_search(arch),
    "size": table.truth_in_search[:, 2:],
    "key_size": table.size_in_crop,
  }
  in_steps = jax.tree.map(lambda leaf: leaf.reshape(STEPS, BATCH, *leaf.shape[1:]), slipped)
  return _train(jax.tree.map(jnp.asarray, data), (order, in_steps), arch=arch)


@functools.partial(jax.jit, static_argnames="arch")
def _train(data, batches, *, arch):
  optimizer = optax.chain(
    optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS)),
    optax.masked(optax.keep_params_nonnegative(), {name: name in NONNEGATIVE for name in UNITS}),
  )
  every_depth = jnp.eye(DEPTHS)

  def scaled(units: dict) -> dict:
    return {name: leaf * UNITS[name] for name, leaf in units.items()}

  def loss_of(units: dict, pairs: dict, slipped: LastPlace) -> Array:
    def lost(pair: dict, was: LastPlace) -> Array:
      found, log_growth = read_pair(scaled(units), pair["responses"], pair["coefficients"], was, every_depth, arch=arch)
      sizes = pair["key_size"][None] * jnp.exp(log_growth)[:, None]
      return jax.vmap(iou_loss, (0, 0, None, None))(found, sizes, pair["center"], pair["size"])

    of_all = jax.vmap(lost)
    return jnp.mean(of_all(pairs, as_pairs(BATCH)) + of_all(pairs, slipped)) / 2

  def step(state: tuple, batch: tuple) -> tuple[tuple, None]:
    (units, moments), (rows, slipped) = state, batch
    pairs = jax.tree.map(lambda leaf: leaf[rows], data)
    updates, moments = optimizer.update(jax.grad(loss_of)(units, pairs, slipped), moments, units)
    return (optax.apply_updates(units, updates), moments), None

  start = {name: leaf / UNITS[name] for name, leaf in init_beliefs().items()}
  (units, _), _ = lax.scan(step, (start, optimizer.init(start)), batches)
  return scaled(units)
