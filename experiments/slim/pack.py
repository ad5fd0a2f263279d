"""Packs a finished slim run for the package, in half precision.

python -m experiments.slim.pack runs/slim
"""

import sys

from adadepth.io.models import embedded_path, load_model, save_model


def main(workdir: str) -> None:
  save_model(embedded_path(), load_model(workdir), float_dtype="float16")
  print(f"wrote {embedded_path()}, {embedded_path().stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
  main(sys.argv[1])
