"""What the weight of the box, test-time training and a closer look do to the five depths, on train and dev.

python -m experiments.adaptation.variants DATA VGG19      its weights: variants.json
python -m experiments.adaptation.variants DATA embedded   the slim network of the package: slim.json

One key a sequence and its first five frames; adds to the JSON as it goes, skips what is there, prints the table.
"""

import dataclasses
import json
import pathlib
import sys

import jax

from adadepth.data.sources import Source
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.responses import pair_table
from adadepth.evaluation.scores import score_depths
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.json_files import write_json
from adadepth.maths.peaks import PAPER, Readout
from adadepth.models.architecture import Architecture
from adadepth.models.model import EMBEDDED, load_model
from adadepth.models.network import init_params
from adadepth.models.weights import load_vgg19

HERE = pathlib.Path(__file__).parent
WINDOWS = (0.0, 0.3)
BOX_ALONE = {"background": 0.0, "adapt_steps": 8}
VARIANTS = {
  "plain (paper)": {},
  "background 0.2": {"background": 0.2},
  "8 steps": {"adapt_steps": 8},
  "background 0.2, 8 steps": {"background": 0.2, "adapt_steps": 8},
  "background 0, 8 steps": BOX_ALONE,
  "background 0.2, 3 steps": {"background": 0.2, "adapt_steps": 3},
  "background 0.2, 8 steps, penalty 1": {"background": 0.2, "adapt_steps": 8, "adapt_penalty": 1.0},
  **{f"closer look, {px:g} px": {"finer_px": px} for px in (2.0, 3.0, 4.0)},
  **{f"background 0, 8 steps, closer look, {px:g} px": {**BOX_ALONE, "finer_px": px} for px in (2.0, 4.0, 8.0)},
}


def plain_network(weights: str) -> tuple[dict, Architecture]:
  """Parameters, and the network without what the variants add."""
  if weights == EMBEDDED:
    model = load_model(EMBEDDED)
    return model.params, Architecture(**model.arch.trained)
  params = init_params(jax.random.key(0), Architecture(), logit_scale=10.0)
  return {**params, "backbone": load_vgg19(weights, channels=Architecture().channels)}, Architecture()


def main(data: str, weights: str) -> None:
  source = Source(data, "", "stop", (0, 0, 0), 0.0, 0).read(("train", "dev"))
  sequences, (params, plain) = source["train"] + source["dev"], plain_network(weights)
  path = HERE / ("slim.json" if weights == EMBEDDED else "variants.json")
  results = json.loads(path.read_text()) if path.is_file() else {}
  for name, changes in VARIANTS.items():
    if name in results:
      continue
    arch = dataclasses.replace(plain, **changes)
    table = pair_table(
      params, sequences, arch=arch, keys=1, frames=5, threads=2, cache=None, description=f"responses ({name})"
    )
    results[name] = {}
    for window in WINDOWS:
      scores = score_depths(table, arch=arch, readout=Readout("subcell", window), costs=pair_costs(plain, PAPER))
      results[name][f"window {window:g}"] = scores.ious.mean(axis=0).tolist()
    write_json(path, results)
  titles = [f"xcorr{k + 1}{under}" for under in ("", ", window") for k in range(5)]
  print(f"| templates | {' | '.join(titles)} |")
  print("| --- " * 11 + "|")
  for name, by_window in results.items():
    print(f"| {name} | " + " | ".join(f"{iou:.3f}" for ious in by_window.values() for iou in ious) + " |")


if __name__ == "__main__":
  keep_freed_memory()
  main(*sys.argv[1:])
