"""Packs what a cross-fitting run has learnt from all its videos, for the package.

python -m experiments.crossfit.pack package runs/crossfit-package
python -m experiments.crossfit.pack vgg19 runs/crossfit-vgg19   gates and box heads alone: users bring the backbone
"""

import sys

from adadepth.models.model import EMBEDDED, VGG19, asset_path, load_model, save_model


def main(name: str, workdir: str) -> None:
  if name not in ("package", "vgg19"):
    sys.exit(f"error: {name!r} is neither package nor vgg19, and would overwrite what users load")
  model, path = load_model(workdir), asset_path(EMBEDDED if name == "package" else VGG19)
  if name == "vgg19":
    model = model._replace(params={part: leaves for part, leaves in model.params.items() if part != "backbone"})
  save_model(path, model, float_dtype="float16")
  print(f"wrote {path}, {path.stat().st_size / 1e6:.3f} MB")


if __name__ == "__main__":
  main(*sys.argv[1:])
