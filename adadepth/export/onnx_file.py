"""A tracker as one ONNX file, for `runtime` and any other."""

import numpy as np

from adadepth.export.onnx_program import to_onnx
from adadepth.export.program import frame_program, inputs_of
from adadepth.export.settings import METADATA, Settings
from adadepth.models.flops import cost_by_exit
from adadepth.models.model import Model


def onnx_bytes(model: Model, policy: str) -> bytes:
  """`program.frame_program` with the model's weights, and what a runtime must know besides."""
  arch = model.arch
  sides = arch.template_px, arch.search_px
  costs = np.asarray(cost_by_exit(arch, model.calibration)).tolist()
  settings = Settings(policy, arch.reader, *sides, float(model.threshold), model.calibration, costs)
  program, inputs = frame_program(policy, arch=arch), inputs_of(model.params, arch=arch)
  made = to_onnx(program, model.params, inputs, name="adadepth", metadata={METADATA: settings.to_json()})
  return made.SerializeToString()
