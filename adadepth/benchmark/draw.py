"""One picture of the benchmark's rows."""

import pathlib
import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adadepth.benchmark.many_targets import SOME
from adadepth.reports.plots import BLACK, BLUE, GREEN, PURPLE, VERMILION, save
from adadepth.tracking.policies import FIXED

Rows = dict[str, dict]
COLORS = {"xcorr1": GREEN, "xcorr5": PURPLE, "hard_even": VERMILION}


def draw_benchmark(path: pathlib.Path, rows: list[dict]) -> None:
  """Time by depth, by targets and over FLOPs; a panel whose part was not run says so."""
  measured = {row["id"]: row for row in rows if row["value"] is not None}
  figure = Figure(figsize=(15, 4.2), layout="constrained")
  for axes, draw in zip(figure.subplots(1, 3), (draw_depths, draw_targets, draw_exits), strict=True):
    draw(axes, measured)
    if not axes.has_data():
      axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color="0.4")
      axes.set(xticks=[], yticks=[])
      continue
    axes.grid(alpha=0.25)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False, handlelength=3)
  save(figure, path)


def draw_depths(axes: Axes, rows: Rows) -> None:
  """A tracking step of one target: each fixed depth, hard gating that exits there, PyTorch."""
  axes.set(title="one target: a tracking step, frame to box", xlabel="depth", ylabel="ms")
  torch = {name: fastest_torch(rows, name) for name in FIXED}
  series = (
    ("fixed depth", "s-", BLUE, [rows.get(f"step_{name}") for name in FIXED]),
    ("hard gating that exits there", "o--", VERMILION, [rows.get(f"step_hard_{name}") for name in FIXED]),
    ("PyTorch, fixed depth", "^:", BLACK, [torch[name] for name in FIXED]),
  )
  for label, style, color, points in series:
    plot_rows(axes, list(FIXED), points, style, color, label)


def draw_targets(axes: Axes, rows: Rows) -> None:
  """Time per target by how many there are; one alone is the tracking step's, of hard gating the mean over exits."""
  axes.set(title="many targets in a frame", xlabel="targets", ylabel="ms per target")
  counts = sorted({int(m[1]) for identity in rows if (m := re.match(r"targets(\d+)_", identity))})
  even = "hard gating, exits even over the depths\n(1 target: mean of its steps to each exit)"
  alone = {name: rows.get(f"step_{name}") for name in FIXED}
  alone["hard_even"] = mean_row([rows.get(f"step_hard_{name}") for name in FIXED])
  for name, style, label in zip(SOME, ("s-", "s-", "o--"), (*SOME[:2], even), strict=True):
    points = [alone[name], *(rows.get(f"targets{n}_{name}") for n in counts)]
    plot_rows(axes, [1, *counts], points, style, COLORS[name], label)
  doubling(axes, [1, *counts])
  axes.margins(y=0.4)  # for the legend


def draw_exits(axes: Axes, rows: Rows) -> None:
  """What ships: the time of each exit over its FLOPs, both relative to the last exit's; the diagonal is wanted."""
  axes.set(title="what ships: hard gating that exits at each depth")
  axes.set(xlabel="FLOPs, relative to exit 5", ylabel="time, relative to exit 5")
  for model, color, label in (("vgg19", BLUE, "VGG-19"), ("package", VERMILION, "the package's network")):
    times, flops = ([rows.get(f"ships_{what}_{model}_{name}") for name in FIXED] for what in ("step", "gflops"))
    if all(times) and all(flops):
      last = times[-1]["value"]
      x = [row["value"] / flops[-1]["value"] for row in flops]
      relative = [{name: row[name] / last for name in ("value", "low", "high")} for row in times]
      plot_rows(axes, x, relative, "o-", color, label)
  if axes.has_data():
    axes.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="as the FLOPs")


def doubling(axes: Axes, counts: list[int]) -> None:
  """An axis on which each doubling takes the same length, with a tick at each count."""
  axes.set_xscale("log", base=2)
  axes.set_xticks(counts, list(map(str, counts)))


def mean_row(rows: list[dict | None]) -> dict | None:
  """The mean of the rows and of their quartiles; None where one is missing."""
  return {name: np.mean([row[name] for row in rows]) for name in ("value", "low", "high")} if all(rows) else None


def fastest_torch(rows: Rows, policy: str) -> dict | None:
  """PyTorch's row for one target in its fastest layout and mode."""
  found = [row for identity, row in rows.items() if identity.startswith(f"torch_{policy}_1_")]
  return min(found, key=lambda row: row["value"], default=None)


def plot_rows(axes: Axes, x: list, rows: list[dict | None], style: str, color: str, label: str) -> None:
  """Medians, with quartiles as bars; rows that are None are left out."""
  points = [(at, row["value"], row["low"], row["high"]) for at, row in zip(x, rows, strict=True) if row]
  if not points:
    return
  at, value, low, high = zip(*points, strict=True)
  spread = np.abs(np.array([low, high]) - value)
  axes.errorbar(at, value, yerr=spread, fmt=style, color=color, label=label, markersize=5, capsize=2)
