"""Templates that go on learning what their targets look like, while the tracker is sure."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from adadepth.maths.cost_volume import MARGIN, parts
from adadepth.maths.geometry import zero_displacement_index
from adadepth.models.architecture import Architecture
from adadepth.models.network import Template
from adadepth.tracking.policies import Decision

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
  depths = [k for k, patch in enumerate(decision.patches) if patch is not None]
  # For all depths at once: on small arrays another runtime takes longer for an operation than for its numbers.
  offsets = cell[:, None] - jnp.stack([decision.patches[k].place for k in depths], axis=1)
  within: Bool[Array, "n d"] = jnp.max(jnp.abs(offsets), axis=-1) <= MARGIN
  learns = within & decision.computed[:, np.array(depths)]
  rates = jnp.where(learns, RATE * jax.nn.sigmoid(SURENESS * decision.reading.score)[:, None], 0)
  corners = jnp.clip(offsets, -MARGIN, MARGIN) + MARGIN
  recent = list(template.recent)
  for i, k in enumerate(depths):
    new = parts(decision.patches[k].window, corners[:, i], arch.template_cells)
    recent[k] += rates[:, i, None, None, None] * (new - recent[k])
  return template._replace(recent=tuple(recent))
