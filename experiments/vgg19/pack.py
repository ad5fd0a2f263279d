"""Packs the gates of a finished VGG-19 run for the package: all but the backbone, with their calibration.

python -m experiments.vgg19.pack runs/vgg19
"""

import sys

from adadepth.models.model import VGG19, asset_path, load_model, save_model


def main(workdir: str) -> None:
  model, path = load_model(workdir), asset_path(VGG19)
  gates = {name: leaves for name, leaves in model.params.items() if name != "backbone"}
  save_model(path, model._replace(params=gates))
  print(f"wrote {path}, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
  main(sys.argv[1])
