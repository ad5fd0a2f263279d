"""What a finished run shows: results.json, table1.md and the paper's figures."""

import pathlib
from collections.abc import Sequence as Listing

import numpy as np

from adadepth.data.pairs import cut_group, evaluation_keys, evenly_spaced
from adadepth.data.sequence import Sequence
from adadepth.evaluation.scores import HORIZONS
from adadepth.models.model import Model
from adadepth.reports.figure7 import draw_figure7
from adadepth.reports.plots import PairPicture, figure1, figure6
from adadepth.tracking.policies import FIXED


def hard_entry(results: dict, threshold: float) -> dict:
  """The entry of "hard" whose threshold is nearest to the chosen one."""
  return min(results["pairs"]["hard"], key=lambda entry: abs(entry["threshold"] - threshold))


def shown(value: float | None, digits: int = 3) -> str:
  """A number in a table; "-" where there is none."""
  return "-" if value is None else f"{value:.{digits}f}"


def shown_ious(entry: dict) -> str:
  """The cells of IOU@1, @5 and @25."""
  return " | ".join(shown(entry[f"iou@{n}"]) for n in HORIZONS)


def describe(results: dict, threshold: float) -> str:
  """The pair scores as a table, for people."""
  rows = {name: results["pairs"][name] for name in (*FIXED, "soft")}
  rows[f"hard, T = {threshold:g}"] = hard_entry(results, threshold)
  lines = [
    "| policy | IOU@1 | IOU@5 | IOU@25 | GFLOPs | relative cost |",
    "| --- | --- | --- | --- | --- | --- |",
  ]
  for name, row in rows.items():
    lines.append(f"| {name} | {shown_ious(row)} | {row['gflops']:.3f} | {row['relative_cost']:.2f} |")
  hard = hard_entry(results, threshold)
  cost = f"{hard['gflops']:.3f} | {hard['relative_cost']:.2f}"
  lines.append(f"| static exits mixed at random | - | - | {hard['random_mix_iou@25']:.3f} | {cost} |")
  for name, title in (
    ("center", "no displacement"),
    ("perfect_displacement", "perfect displacement"),
    ("best_exit", "best exit of each pair"),
  ):
    lines.append(f"| *{title}* | {shown_ious(results['bounds'][name])} | | |")
  cheap = results["bounds"]["cheapest_good_exit"]
  costs = f"{cheap['gflops']:.3f} | {cheap['relative_cost']:.2f}"
  lines.append(f"| *cheapest exit within 0.02 of it* | {shown_ious(cheap)} | {costs} |")
  differences = [
    f"hard gating {name.replace('_', ' ')}: {d['mean']:+.3f} [{d['low']:+.3f}, {d['high']:+.3f}]"
    for name, d in results["comparison"].items()
  ]
  note = "Means over videos, paired 95 % bootstrap: " + "; ".join(differences) + "."
  return "\n".join([*lines, "", note]) + "\n"


def describe_budgets(budgets: Listing[dict]) -> str:
  """How budgets held, as a table for people; "" where there are none."""
  if not budgets:
    return ""
  lines = [
    "| budget | got | off | IOU@25, promised | got |",
    "| --- | --- | --- | --- | --- |",
  ]
  for row in budgets:
    unit = "x xcorr1" if row["unit"] == "relative" else row["unit"]
    cost = f"{row['target']:.3g} {unit} | {row['got']:.3g} | {100 * row['off']:+.1f} %"
    lines.append(f"| {cost} | {row['promised']:.3f} | {row['iou@25']:.3f} |")
  return "\n".join(lines) + "\n"


def describe_tracking(tracking: dict[str, dict]) -> str:
  """The tracking scores as a table, for people; "" where there are none."""
  if not tracking:
    return ""
  lines = [
    "| policy | mean IoU | success AUC | precision at 20 px | FPS |",
    "| --- | --- | --- | --- | --- |",
  ]
  for name, row in tracking.items():
    numbers = " | ".join(shown(row[key]) for key in ("mean_iou", "success_auc", "precision_20"))
    lines.append(f"| {name} | {numbers} | {shown(row['fps'], 1)} |")
  return "\n".join(lines) + "\n"


def draw_figure1(path: pathlib.Path, model: Model, sequences: Listing[Sequence]) -> None:
  """Preprocessed key and search crops of up to four sequences (Figure 1)."""
  pictures = []
  runs = [(sequence, evaluation_keys(sequence, model.arch, keys=1, frames=0)) for sequence in sequences]
  for sequence, ((key, frames),) in evenly_spaced([run for run in runs if run[1]], 4):
    group = cut_group(sequence, key, frames[-1:], model.arch)
    size = group.size_in_crop
    own = np.concatenate([model.arch.template_px / 2 - size / 2, size])
    name = f"{sequence.name}: key frame {key}, search frame {frames[-1]}"
    pictures.append(PairPicture(name, group.template, own, group.search[0], group.truth_in_search[0]))
  figure1(path, pictures)


def draw_figure6(path: pathlib.Path, results: dict, threshold: float) -> None:
  """Accuracy against cost (Figure 6), in FLOPs and, where they were measured, in milliseconds."""
  pairs, bounds = results["pairs"], results["bounds"]
  costs = [("cost (GFLOPs per key and search pair)", "gflops")]
  if results["times_ms"]:
    pairs, bounds = (with_times(part, results["times_ms"]) for part in (pairs, bounds))
    costs.append(("cost (measured ms per tracked frame)", "ms"))
  figure6(
    path,
    fixed={name: pairs[name] for name in FIXED},
    soft=pairs["soft"],
    hard=pairs["hard"],
    chosen_threshold=hard_entry(results, threshold)["threshold"],
    oracle=bounds["best_exit"]["iou@25"],
    cheap_oracle=bounds["cheapest_good_exit"],
    baseline=bounds["center"]["iou@25"],
    costs=costs,
  )


def with_times(entries, times_ms: dict[str, float], name: str = ""):
  """The entries with their "ms": a policy's own as measured, an entry's with exits sum_k P(exit k) t_k."""
  if isinstance(entries, list):
    return [with_times(entry, times_ms) for entry in entries]
  if "exits" in entries:
    return {**entries, "ms": float(np.dot(entries["exits"], [times_ms[depth] for depth in FIXED]))}
  if name in times_ms:
    return {**entries, "ms": times_ms[name]}
  nested = {key: with_times(value, times_ms, key) for key, value in entries.items() if isinstance(value, dict | list)}
  return {**entries, **nested}


def draw_figures(
  folder: pathlib.Path,
  model: Model,
  results: dict,
  sequences: Listing[Sequence],
) -> None:
  """figure1.png, figure6.png, figure7.png and figure7.mp4."""
  draw_figure1(folder / "figure1.png", model, sequences)
  draw_figure6(folder / "figure6.png", results, model.threshold)
  draw_figure7(folder, model, results, sequences)
