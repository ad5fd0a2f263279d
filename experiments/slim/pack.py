"""Packs a finished slim run for the package, in half precision.

python -m experiments.slim.pack runs/slim
"""

import sys

from adadepth.models.model import EMBEDDED, asset_path, load_model, save_model


def main(workdir: str) -> None:
  path = asset_path(EMBEDDED)
  save_model(path, load_model(workdir), float_dtype="float16")
  print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
  main(sys.argv[1])
