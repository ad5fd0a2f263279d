"""Templates that go on learning what their targets look like, while the tracker is sure."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from adadepth.maths.cost_volume import MARGIN, parts
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
  depths = [k for k, patch in enumerate(decision.patches) if patch is not None]
  rate = RATE * jax.nn.sigmoid(SURENESS * decision.reading.score)
  rates = jnp.where(decision.computed[:, np.array(depths)], rate[:, None], 0)
  new = mixed([template.recent[k] for k in depths], [decision.patches[k] for k in depths], cell, rates)
  recent = dict(enumerate(template.recent)) | dict(zip(depths, new, strict=True))
  return template._replace(recent=tuple(recent.values()))


def mixed(old: Sequence[Array], patches: Sequence[Patch], cell: Int[Array, "n 2"], rates: Float[Array, "n d"]) -> list:
  """Each template of d depths with the given rate of what lies at its cell (y, x), if the depth's patch reaches so far.

  Where is computed for all depths at once: of small arrays a runtime feels the operations, not the numbers.
  """
  offsets = cell[:, None] - jnp.stack([patch.place for patch in patches], axis=1)
  rates = jnp.where(jnp.max(jnp.abs(offsets), axis=-1) <= MARGIN, rates, 0)
  corners = jnp.clip(offsets, -MARGIN, MARGIN) + MARGIN
  found = []
  for i, (maps, patch) in enumerate(zip(old, patches, strict=True)):
    new = parts(patch.window, corners[:, i], maps.shape[1])
    found.append(maps + rates[:, i, None, None, None] * (new - maps))
  return found
