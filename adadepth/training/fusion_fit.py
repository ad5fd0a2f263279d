"""The first half of phase 2: learns how much each kind of evidence counts (`maths.fusion`)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Int

from adadepth.evaluation.responses import PairTable
from adadepth.evaluation.scores import as_tracked, read_pair
from adadepth.maths.fusion import LastPlace
from adadepth.maths.losses import iou_loss
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.fusion_weights import NONNEGATIVE, init_fusion

STEPS, BATCH, LEARNING_RATE = 100, 32, 0.15
# Units in which Adam moves each number by as much.
UNITS = {"response": 20.0, "ncc": 40.0, "log_motion": 1.0, "scale_cost": 1.0, "scale_gain": 0.3}


def fit_fusion(table: PairTable, rows: Int[np.ndarray, "m"], *, arch: Architecture, seed: int) -> dict:
  """Maximises the mean IoU at every exit by Adam on some rows of the table: as pairs, and as tracked."""
  rng = named_generator(seed, "fusion batches")
  order = rows[rng.integers(len(rows), size=(STEPS, BATCH))].astype(np.int32)
  last = as_tracked(STEPS * BATCH, arch=arch, rng=rng)
  known = np.arange(STEPS * BATCH) % 2 == 0  # every other one as a pair, whose last place is known
  last = LastPlace(np.where(known[:, None], 0, last.center), np.where(known, 0, last.drift_px))
  last = jax.tree.map(lambda leaf: leaf.reshape(STEPS, BATCH, *leaf.shape[1:]), last)
  data = {
    "responses": table.responses,
    "ncc": table.ncc,
    "center": table.displacement_in_search(arch),
    "size": table.truth_in_search[:, 2:],
    "key_size": table.size_in_crop,
  }
  return _train(jax.tree.map(jnp.asarray, data), (order, last), arch=arch)


@functools.partial(jax.jit, static_argnames="arch")
def _train(data, batches, *, arch):
  optimizer = optax.chain(
    optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS)),
    optax.masked(optax.keep_params_nonnegative(), {name: name in NONNEGATIVE for name in UNITS}),
  )

  def scaled(units: dict) -> dict:
    return {name: leaf * UNITS[name] for name, leaf in units.items()}

  def loss_of(units: dict, pairs: dict, last: LastPlace) -> Array:
    def lost(pair: dict, last: LastPlace) -> Array:
      maps = (pair["responses"], pair["ncc"], pair["key_size"])
      reading = read_pair(scaled(units), *maps, jnp.eye(DEPTHS), last, arch=arch)
      return jax.vmap(iou_loss, (0, 0, None, None))(reading.center, reading.size, pair["center"], pair["size"])

    return jnp.mean(jax.vmap(lost)(pairs, last))

  def step(state: tuple, batch: tuple) -> tuple[tuple, None]:
    (units, moments), (rows, last) = state, batch
    pairs = jax.tree.map(lambda leaf: leaf[rows], data)
    updates, moments = optimizer.update(jax.grad(loss_of)(units, pairs, last), moments, units)
    return (optax.apply_updates(units, updates), moments), None

  start = {name: leaf / UNITS[name] for name, leaf in init_fusion().items()}
  (units, _), _ = lax.scan(step, (start, optimizer.init(start)), batches)
  return scaled(units)
