"""A tracker as StableHLO, for JAX and XLA on CPUs and CUDA."""

import jax
import jax.export
import numpy as np

from adadepth.export.program import frame_program, inputs_of, leaf_names
from adadepth.models.model import Model

PLATFORMS = ("cpu", "cuda")


def stablehlo_bytes(model: Model, policy: str) -> bytes:
  """`program.frame_program` with the model's weights; it takes and returns arrays by the ONNX file's names.

  `jax.export.deserialize(file).call({"first": ..., "state/box_xywh": ...})` returns {"next/box_xywh": ...}.
  """
  params, program = jax.tree.map(np.asarray, model.params), frame_program(policy, arch=model.arch)
  inputs = inputs_of(params, arch=model.arch)
  named, structure = dict(leaf_names(inputs)), jax.tree.structure(inputs)

  @jax.jit
  def by_name(given: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return dict(leaf_names(program(params, **structure.unflatten([given[name] for name in named]))))

  return bytes(jax.export.export(by_name, platforms=PLATFORMS)(named).serialize())
