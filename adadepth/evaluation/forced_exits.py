"""Exits that a benchmark or a test chooses: gates and templates that stop where they are told, whatever they see."""

from collections.abc import Sequence

import jax.numpy as jnp

from adadepth.maths.features import FEATURE_NAMES, FEATURES
from adadepth.models.gates import GATES
from adadepth.models.model import Model
from adadepth.models.network import Template

FORCED_THRESHOLD = 0.5
CERTAIN = 20.0  # a gate logit whose sigmoid is 0 or 1 in float32


def _gates(kernel: jnp.ndarray, biases: Sequence[float]) -> dict:
  return {
    f"gate{i + 1}": {
      "linear": {"Dense_0": {"kernel": kernel[:, None], "bias": jnp.full(1, bias, jnp.float32)}},
      "mean": jnp.zeros(FEATURES),
      "std": jnp.ones(FEATURES),
    }
    for i, bias in enumerate(biases)
  }


def forced(model: Model, gates: dict) -> Model:
  """The model with gates of this module in the place of its own."""
  return model._replace(params={**model.params, "gates": gates}, threshold=FORCED_THRESHOLD)


def gates_that_exit(depth: int) -> dict:
  """Gates that ignore what they see and stop at `depth` (0..4) whenever T is 0.5."""
  return _gates(jnp.zeros(FEATURES), [-CERTAIN if i < depth else CERTAIN for i in range(GATES)])


def gates_that_exit_where_told() -> dict:
  """Gates that stop at the first response that is not constant whenever T is 0.5: see `templates_that_exit`.

  They read the kurtosis alone, which is 0 for a constant map and at least 1 for any other.
  """
  reads_kurtosis = jnp.zeros(FEATURES).at[FEATURE_NAMES.index("kurtosis")].set(2 * CERTAIN)
  return _gates(reads_kurtosis, [-CERTAIN] * GATES)


def templates_that_exit(template: Template, depths: Sequence[int]) -> Template:
  """Templates of n targets, target i to exit at depths[i] (0..4) under `gates_that_exit_where_told`.

  What is shallower than its exit becomes 0, and a template of 0 has a constant response: a batch whose exits are
  mixed as one likes, with all the work that such exits are.

  Args:
    template: of n targets.
    depths: n exits.
  """
  exits = jnp.asarray(depths).reshape(-1, 1, 1, 1)
  blanked = lambda maps: maps and tuple(jnp.where(exits > k, 0, m) for k, m in enumerate(maps))  # noqa: E731
  return template._replace(**{n: blanked(getattr(template, n)) for n in ("maps", "filters", "recent")})
