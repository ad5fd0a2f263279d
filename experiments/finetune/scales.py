"""Which logit scale Eq. 1 wants for the min-max scaled maps of a network as it is, on cached responses.

python -m experiments.finetune.scales runs/paper

Reads the responses that a run of configs/gating.py:vgg19,paper left in its workdir. Prints dev's L_i (Eq. 2, label) of
each depth under fixed scales and under the scale that is best on train, and writes scales.json beside this file.
"""

import pathlib
import sys

import jax.numpy as jnp
import numpy as np

from adadepth.evaluation.responses import COLUMNS, PairTable, joined
from adadepth.io.json_files import write_json
from adadepth.jobs.from_config import label_variance
from adadepth.models.architecture import DEPTHS, Architecture
from adadepth.models.model import load_model
from adadepth.training.phase2 import depth_losses

FIXED_SCALES = (1.0, 3.0, 10.0, 20.0, 30.0, 100.0)
SEARCHED = np.geomspace(1, 300, 58)


def kept_table(folder: pathlib.Path) -> PairTable:
  """The pairs of one side, a file a sequence, as the main job kept them (adadepth/evaluation/cache.py)."""
  tables = []
  for path in sorted(folder.glob("*.npz")):
    with np.load(path) as file:
      tables.append(PairTable(**{name: file[name] for name in COLUMNS}))
  if not tables:
    sys.exit(f"error: no responses in {folder}; give a finished workdir of configs/gating.py:vgg19,paper")
  return joined(tables)


def losses_at(table: PairTable, scale: float, arch: Architecture) -> np.ndarray:
  """Mean L_i of each depth with one scale at all of them, [5]."""
  params = {"head": {"log_scale": jnp.full(DEPTHS, np.log(scale), jnp.float32)}}
  unused = np.zeros((len(table), DEPTHS), np.float32)
  return depth_losses(
    params, table, unused, loss="cross_entropy", arch=arch, map_loss="label", variance_px2=label_variance(arch)
  ).mean(axis=0)


def main(workdir: str) -> None:
  folder, arch = pathlib.Path(workdir), load_model(workdir).arch
  train, dev = (kept_table(folder / "responses" / side) for side in ("train", "dev"))
  on_train = np.stack([losses_at(train, scale, arch) for scale in SEARCHED])
  best = SEARCHED[on_train.argmin(axis=0)]
  rows = {f"{scale:g}": losses_at(dev, scale, arch) for scale in FIXED_SCALES}
  rows["best on train"] = np.array([losses_at(dev, scale, arch)[k] for k, scale in enumerate(best)])
  print("| scale | " + " | ".join(f"xcorr{k + 1}" for k in range(DEPTHS)) + " |\n" + "| --- " * 6 + "|")
  for name, losses in rows.items():
    print(f"| {name} | " + " | ".join(f"{loss:.3f}" for loss in losses) + " |")
  print("| that is | " + " | ".join(f"{scale:.1f}" for scale in best) + " |")
  uniform = float(np.log(arch.search_cells**2))
  write_json(
    pathlib.Path(__file__).with_name("scales.json"), {"dev_loss": rows, "best_on_train": best, "uniform": uniform}
  )


if __name__ == "__main__":
  main(sys.argv[1])
