"""What could a gate know at all? Gates of other kinds, which may read more, on the pairs that the package's learn from.

python3 -m venv .venv-trees && .venv-trees/bin/pip install -r experiments/ablations/requirements.txt
.venv-trees/bin/python -m experiments.ablations.knowable runs/crossfit-package runs/knowable

The first folder is a finished run of experiments.crossfit. At each depth a gate predicts what it would gain by
stopping there over going on as the later gates do, which are learnt before it: linear, or boosted trees; from what the
package's gates read, or from all that a tracker has read by then, the depths before and how far their boxes agree
included. Sequences are dealt into folds; what is learnt on the others judges each. Writes knowable.json.
"""

import argparse
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float, Int

from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.intervals import by_video, paired_interval
from adadepth.evaluation.responses import COLUMNS, PairTable, joined
from adadepth.evaluation.scores import exit_ious, table_features
from adadepth.io.json_files import write_json
from adadepth.maths.geometry import box_from_center
from adadepth.maths.metrics import iou
from adadepth.models.gates import GATES
from adadepth.models.model import load_model
from adadepth.training.cross_fitting import grouped_folds

PRICES = 0.02, 0.012, 0.008, 0.005, 0.003  # of an xcorr1, in IoU; each is a point of a curve
ORACLE = 0.01, 0.004, 0.002, 0.001, 0.0005, 0.0002, 0.0  # the same, of exits that are chosen by the truth
FIRST = "linear, what the package's gates read"
COSTS = 4.5, 5.5, 6.5  # at which curves are read
FOLDS = 5


def read_table(folder: pathlib.Path) -> PairTable:
  """The pairs whose responses a run has kept."""
  files = sorted((folder / "responses").glob("*.npz"))
  return joined([PairTable(**{name: kept[name] for name in COLUMNS}) for kept in map(np.load, files)])


def all_read(table: PairTable, features: Float[np.ndarray, "n 5 f"], depth: int) -> Float[np.ndarray, "n g"]:
  """Everything that is known once `depth` is read."""
  boxes = box_from_center(table.center, table.size)
  sizes = np.log(np.concatenate([table.size[:, depth] / table.last_size, table.last_size / table.size_in_crop], -1))
  columns = [features[:, : depth + 1].reshape(len(table), -1), sizes, np.log(table.size_in_crop)]
  for before in range(depth):
    apart = np.linalg.norm(table.center[:, depth] - table.center[:, before], axis=-1)
    columns += [iou(boxes[:, depth], boxes[:, before])[:, None], np.log1p(apart)[:, None]]
  return np.concatenate(columns, axis=-1)


def exits_of(
  inputs: list[Float[np.ndarray, "n g"]],
  worth: Float[np.ndarray, "n 5"],
  folds: Int[np.ndarray, "n"],
  regressor: Callable,
) -> Int[np.ndarray, "n"]:
  """Where each pair exits, by gates that have not seen its sequence.

  Args:
    inputs: of the gate at each depth but the last.
    worth: of stopping at each depth, its price paid.
  """
  exits = np.full(len(worth), GATES)
  for fold in range(folds.max() + 1):
    seen, held = folds != fold, folds == fold
    going_on, here = worth[:, GATES], np.full(len(worth), GATES)
    for depth in reversed(range(GATES)):
      gate = regressor().fit(inputs[depth][seen], (worth[:, depth] - going_on)[seen])
      stops = gate.predict(inputs[depth]) > 0
      going_on, here = np.where(stops, worth[:, depth], going_on), np.where(stops, depth, here)
    exits[held] = here[held]
  return exits


def kinds(table: PairTable, features: Float[np.ndarray, "n 5 f"]) -> Iterator[tuple[str, list, Callable]]:
  """Every kind of gate: its name, what it reads, and what learns it."""
  from sklearn.ensemble import HistGradientBoostingRegressor
  from sklearn.linear_model import LinearRegression

  def trees():
    return HistGradientBoostingRegressor(
      max_iter=120, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=60, random_state=0
    )

  shipped = [features[:, depth] for depth in range(GATES)]
  everything = [all_read(table, features, depth) for depth in range(GATES)]
  yield FIRST, shipped, LinearRegression
  yield "trees, the same", shipped, trees
  yield "linear, all that is read by then", everything, LinearRegression
  yield "trees, the same all", everything, trees


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("run", type=pathlib.Path)
  parser.add_argument("workdir", type=pathlib.Path)
  given = parser.parse_args()
  model, table = load_model(str(given.run)), read_table(given.run)
  costs = pair_costs(model.arch).relative
  ious, features = exit_ious(table, arch=model.arch), table_features(model.params, table, arch=model.arch)
  folds, rows, curves = grouped_folds(table.sequence, FOLDS, seed=0), np.arange(len(table)), {}
  found = {"what each exit turns out to be worth": [np.argmax(ious - price * costs, axis=-1) for price in ORACLE]}
  for name, inputs, regressor in kinds(table, features):
    found[name] = [exits_of(inputs, ious - price * costs, folds, regressor) for price in PRICES]
  for name, points in found.items():
    at = [float(costs[exits].mean()) for exits in points]
    videos = np.stack([by_video(table.sequence, ious[rows, exits]) for exits in points])
    curves[name] = np.stack([[np.interp(c, at, of_one) for of_one in videos.T] for c in COSTS])
    print(name, [f"{c:.2f}: {videos[i].mean():.4f}" for i, c in enumerate(at)], flush=True)
  first = curves[FIRST]
  summary = {
    name: [
      {"relative_cost": cost, "iou@25": float(read.mean()), "minus_first": paired_interval(read, base)}
      for cost, read, base in zip(COSTS, curve, first, strict=True)
    ]
    for name, curve in curves.items()
  }
  write_json(given.workdir / "knowable.json", {"pairs": len(table), "kinds": summary})
  for name, entries in summary.items():
    print(f"| {name} | " + " | ".join(f"{e['iou@25']:.4f} ({e['minus_first']['mean']:+.4f})" for e in entries) + " |")


if __name__ == "__main__":
  main()
