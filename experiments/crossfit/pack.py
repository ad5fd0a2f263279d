"""Packs what a cross-fitting run has learnt from all its videos, for the package.

python -m experiments.crossfit.pack package runs/crossfit-package
python -m experiments.crossfit.pack vgg19 runs/crossfit-vgg19   gates and box heads alone: users bring the backbone
python -m experiments.crossfit.pack onnx     the package's network as ONNX: after `package`, or where its program is new
"""

import pathlib
import sys

from adadepth.export.kept import shipped_onnx
from adadepth.export.onnx_file import onnx_bytes
from adadepth.io.whole_files import replacing
from adadepth.models.model import load_model, save_model
from adadepth.models.model_files import EMBEDDED, VGG19, asset_path


def main(name: str, workdir: str = "") -> None:
  if name not in ("package", "vgg19", "onnx"):
    sys.exit(f"error: {name!r} is neither package, vgg19 nor onnx, and would overwrite what users load")
  path = pack_onnx() if name == "onnx" else pack_model(name, workdir)
  print(f"wrote {path}, {path.stat().st_size / 1e6:.3f} MB")


def pack_onnx() -> pathlib.Path:
  """The program of hard gating with the weights that the package has."""
  with replacing(shipped_onnx()) as partial:
    partial.write_bytes(onnx_bytes(load_model(EMBEDDED), "hard"))
  return shipped_onnx()


def pack_model(name: str, workdir: str) -> pathlib.Path:
  """The model of a finished run in half precision."""
  model, path = load_model(workdir), asset_path(EMBEDDED if name == "package" else VGG19)
  if name == "vgg19":
    model = model._replace(params={part: leaves for part, leaves in model.params.items() if part != "backbone"})
  save_model(path, model, float_dtype="float16")
  return path


if __name__ == "__main__":
  main(*sys.argv[1:])
