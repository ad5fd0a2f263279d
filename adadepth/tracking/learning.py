"""Templates that go on learning what their targets look like, while the tracker is sure."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from adadepth.maths.cost_volume import MARGIN
from adadepth.maths.geometry import zero_displacement_index
from adadepth.models.architecture import Architecture
from adadepth.models.network import Template
from adadepth.tracking.policies import Decision
from adadepth.tracking.reader import Patch

RATE = 0.15  # of a frame, at most; chosen on dev
SURENESS = 4.0  # the rate is a sigmoid of so many times the score


def learn(template: Template, decision: Decision, *, arch: Architecture) -> Template:
  """The templates with what was seen at the boxes mixed into `recent`, at every depth that was computed there.

  A depth that read at another place than the one that decided learns nothing.
  """
  if template.recent is None:
    return template
  zero = zero_displacement_index(arch.template_cells, arch.search_cells)
  cell = jnp.round(decision.reading.center[:, ::-1] / arch.stride_px).astype(jnp.int32) + zero
  rate = RATE * jax.nn.sigmoid(SURENESS * decision.reading.score)
  recent = tuple(
    old if patch is None else mixed(old, patch, cell, jnp.where(computed, rate, 0))
    for old, patch, computed in zip(template.recent, decision.patches, decision.computed.T, strict=True)
  )
  return template._replace(recent=recent)


def mixed(old: Float[Array, "n h h c"], patch: Patch, cell: Array, rate: Float[Array, "n"]) -> Float[Array, "n h h c"]:
  """Each template with the given rate of what lies at its cell (y, x), if the patch reaches so far."""
  h, offset = old.shape[1], cell - patch.place
  within: Bool[Array, n] = jnp.max(jnp.abs(offset), axis=-1) <= MARGIN
  corner = jnp.clip(offset, -MARGIN, MARGIN) + MARGIN
  cut = lambda w, yx: lax.dynamic_slice(w, (yx[0], yx[1], 0), (h, h, w.shape[-1]))  # noqa: E731
  new = jax.vmap(cut)(patch.window, corner)
  return old + jnp.where(within, rate, 0)[:, None, None, None] * (new - old)
