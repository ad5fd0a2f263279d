"""Peak decoding as the paper has it: the highest cell of a response map."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from adadepth.maths.geometry import zero_displacement_index


def highest_cell(response: Float[Array, "*b r r"], *, template_cells: int) -> Float[Array, "*b 2"]:
  """Displacement (x, y) of the highest cell from "unmoved", in cells; the first of several that tie.

  Args:
    response: maps of any scale, [*b, r, r].
    template_cells: side of the template's map, which says where "unmoved" is.
  """
  cells = response.shape[-1]
  index = jnp.argmax(response.reshape((*response.shape[:-2], -1)), axis=-1)
  row, col = jnp.divmod(index, cells)
  return jnp.stack([col, row], axis=-1).astype(jnp.float32) - zero_displacement_index(template_cells, cells)
