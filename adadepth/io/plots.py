"""The paper's figures and training curves as PNG files.

Matplotlib is used through its objects (Figure, FigureCanvasAgg), never through pyplot's global state, so
drawing works in threads and without a screen, and leaves a person's own figures alone. Colours are those of
Okabe and Ito, which people with any common colour blindness can tell apart; kinds of policy differ in marker
and line style as well.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from adadepth.io.drawing import PREDICTION_COLOR, TRUTH_COLOR, Color, annotate_frame
from adadepth.maths.metrics import pareto_front

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, BLACK = (
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#D55E00",
  "#CC79A7",
  "#56B4E9",
  "#F0E442",
  "#000000",
)
CURVE_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DPI = 150


class PairPicture(NamedTuple):
  """One row of Figure 1: crops as the network gets them, boxes in pixels of their own crop.

  Attributes:
    name: title of the row, e.g. "vot/ball2, frame 40".
    template: key crop, RGB uint8 [th, tw, 3].
    template_xywh: the target in the key crop, [4].
    search: search crop, RGB uint8 [sh, sw, 3].
    truth_in_search_xywh: the target in the search crop, [4].
    predicted_in_search_xywh: the box predicted there, [4]; None leaves it out.
  """

  name: str
  template: UInt8[np.ndarray, "th tw 3"]
  template_xywh: Float[np.ndarray, "4"]
  search: UInt8[np.ndarray, "sh sw 3"]
  truth_in_search_xywh: Float[np.ndarray, "4"]
  predicted_in_search_xywh: Float[np.ndarray, "4"] | None = None


class FramePanel(NamedTuple):
  """One picture of Figure 7; the fields after `title` are the arguments of `drawing.annotate_frame`."""

  title: str
  frame_rgb: UInt8[np.ndarray, "h w 3"]
  predicted_xywh: Float[np.ndarray, "4"] | None
  truth_xywh: Float[np.ndarray, "4"] | None = None
  confidences: Float[np.ndarray, "k"] | None = None
  depth: int | np.integer | None = None


def figure1(path: str | pathlib.Path, pairs: Sequence[PairPicture]) -> None:
  """Draws the preprocessed key and search crops, one example a row (paper, Figure 1).

  Args:
    path: the PNG to write.
    pairs: one or more examples.
  """
  _require(pairs, "pairs")
  # Both columns to one scale, as the network sees them.
  ratio = max(pair.template.shape[1] for pair in pairs) / max(pair.search.shape[1] for pair in pairs)
  figure = Figure(figsize=(2.7 * (1 + ratio) + 0.5, 3.2 * len(pairs) + 0.4), layout="constrained")
  rows = figure.subfigures(len(pairs), 1, squeeze=False)[:, 0]
  for row, pair in zip(rows, pairs, strict=True):
    row.suptitle(pair.name, fontsize=10, fontweight="bold")
    _show_pair(row.subplots(1, 2, width_ratios=(ratio, 1.0)), pair)
  handles = [_box_handle(TRUTH_COLOR, "ground truth")]
  if any(pair.predicted_in_search_xywh is not None for pair in pairs):
    handles.append(_box_handle(PREDICTION_COLOR, "prediction"))
  figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
  _save(figure, path)


def figure6(
  path: str | pathlib.Path,
  *,
  fixed: Mapping[str, Mapping[str, Any]],
  soft: Mapping[str, Any],
  hard: Sequence[Mapping[str, Any]],
  sweep: Sequence[Mapping[str, Any]] = (),
  chosen_threshold: float | None = None,
  oracle: float | None = None,
  cheap_oracle: Mapping[str, Any] | None = None,
  baseline: float | None = None,
  costs: Sequence[tuple[str, str]] = (("cost (GFLOPs per key and search pair)", "gflops"),),
) -> None:
  """Draws accuracy against cost for every policy (paper, Figure 6), a panel for each kind of cost.

  Each entry is one of `results.json`'s under "pairs": a dict with at least "iou@25" (in [0, 1]) and its costs.

  Args:
    path: the PNG to write.
    fixed: "xcorr1".."xcorrk" to their entries; costs on the upper axis are relative to "xcorr1".
    soft: the entry of soft gating.
    hard: entries of hard gating, each with its "threshold" too, in any order; may be empty.
    sweep: entries of hard gating at many lambdas and T, as a cloud with its Pareto front; may be empty.
    chosen_threshold: the T whose point is ringed; None rings nothing.
    oracle: IOU@25 of the best depth of every frame, a dashed line; None leaves it out.
    cheap_oracle: the entry of the cheapest depth within 0.02 of the best one; None leaves it out.
    baseline: IOU@25 of predicting the crop's centre, likewise.
    costs: the label of each panel's axis, and the name of its cost in the entries.
  """
  figure = Figure(figsize=(0.8 + 6.4 * len(costs), 5.2), layout="constrained")
  panels = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
  for axes, (label, cost) in zip(panels, costs, strict=True):
    _plot_levels(axes, oracle, baseline)
    _plot_sweep(axes, sweep, cost)
    _plot_fixed(axes, fixed, cost)
    _plot_hard(axes, hard, chosen_threshold, cost)
    axes.plot(*_point(soft, cost), "D", color=GREEN, markersize=8, label="soft gating", zorder=4)
    if cheap_oracle is not None:
      label_of = "oracle: cheapest depth within 0.02"
      axes.plot(*_point(cheap_oracle, cost), "*", color=PURPLE, markersize=13, label=label_of, zorder=4)
    axes.set_xlabel(label)
    axes.set_xlim(left=0.0)
    axes.margins(y=0.12)
    axes.grid(alpha=0.25)
    unit = float(fixed["xcorr1"][cost])
    relative = axes.secondary_xaxis("top", functions=(lambda c, unit=unit: c / unit, lambda r, unit=unit: r * unit))
    relative.set_xlabel("cost relative to xcorr1")
  panels[0].set_ylabel("accuracy (IOU@25)")
  figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
  _save(figure, path)


def figure7(path: str | pathlib.Path, panels: Sequence[FramePanel], *, columns: int = 3) -> None:
  """Draws frames in a grid: truth green, prediction red, confidences in red figures (paper, Figure 7).

  Args:
    path: the PNG to write.
    panels: one or more frames with what was predicted there.
    columns: pictures a row, >= 1.
  """
  _require(panels, "panels")
  columns = min(columns, len(panels))
  pictures = [annotate_frame(panel.frame_rgb, **_annotations(panel)) for panel in panels]
  aspects = [picture.shape[0] / picture.shape[1] for picture in pictures]
  row_heights = [4.0 * max(aspects[i : i + columns]) + 0.35 for i in range(0, len(panels), columns)]
  figure = Figure(figsize=(4.0 * columns, sum(row_heights)), layout="constrained")
  grid = figure.subplots(len(row_heights), columns, squeeze=False, height_ratios=row_heights).ravel()
  for axes in grid:
    axes.set_axis_off()
  for axes, panel, picture in zip(grid, panels, pictures, strict=False):
    axes.imshow(picture, interpolation="antialiased")
    axes.set_title(panel.title, fontsize=10)
  _save(figure, path)


def plot_curves(
  path: str | pathlib.Path,
  curves: Mapping[str, tuple[Sequence | np.ndarray, Sequence | np.ndarray]],
  *,
  ylabel: str,
  xlabel: str = "step",
  title: str = "",
) -> None:
  """Draws curves over training steps or epochs, such as the losses or IOU@1, @5 and @25 (paper, Figure 3).

  Args:
    path: the PNG to write.
    curves: name to (steps [n], values [n]); values that are not finite leave a gap.
    ylabel: what the values are, with their unit.
    xlabel: what the steps are.
    title: above the plot; empty for none.
  """
  _require(curves, "curves")
  figure = Figure(figsize=(6.4, 4.0), layout="constrained")
  axes = figure.add_subplot()
  for i, (name, (steps, values)) in enumerate(curves.items()):
    # A run short enough to have few points shows them: a curve of one point would be invisible.
    marker = "o" if len(steps) <= 30 else ""
    style = ("-", "--", "-.")[(i // len(CURVE_COLORS)) % 3]
    color = CURVE_COLORS[i % len(CURVE_COLORS)]
    axes.plot(steps, values, style, marker=marker, markersize=4, color=color, linewidth=1.6, label=name)
  axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
  axes.grid(alpha=0.25)
  if len(curves) > 1:
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
  _save(figure, path)


def _show_pair(row: np.ndarray, pair: PairPicture) -> None:
  key_axes, search_axes = row
  _show_crop(key_axes, pair.template, "key crop")
  _show_crop(search_axes, pair.search, "search crop")
  _add_box(key_axes, pair.template_xywh, TRUTH_COLOR)
  _add_box(search_axes, pair.truth_in_search_xywh, TRUTH_COLOR)
  if pair.predicted_in_search_xywh is not None:
    _add_box(search_axes, pair.predicted_in_search_xywh, PREDICTION_COLOR)


def _point(entry: Mapping[str, Any], cost: str) -> tuple[float, float]:
  return float(entry[cost]), float(entry["iou@25"])


def _plot_levels(axes: Axes, oracle: float | None, baseline: float | None) -> None:
  if oracle is not None:
    axes.axhline(oracle, linestyle="--", color=PURPLE, linewidth=1.4, label="oracle: best depth each frame")
  if baseline is not None:
    axes.axhline(baseline, linestyle=":", color="0.35", linewidth=1.6, label="baseline: centre of the crop")


def _plot_sweep(axes: Axes, sweep: Sequence[Mapping[str, Any]], cost: str) -> None:
  if not sweep:
    return
  x, y = np.array([_point(entry, cost) for entry in sweep]).T
  axes.plot(x, y, ".", color=ORANGE, markersize=3, alpha=0.5, label="hard gating, all \u03bb and T", zorder=2)
  front = np.flatnonzero(pareto_front(x, y))
  front = front[np.argsort(x[front])]
  axes.step(x[front], y[front], "-", where="post", color=BLACK, linewidth=1.0, label="their Pareto front", zorder=3)


def _plot_fixed(axes: Axes, fixed: Mapping[str, Mapping[str, Any]], cost: str) -> None:
  names = sorted(fixed)
  points = [_point(fixed[name], cost) for name in names]
  axes.plot(*zip(*points, strict=True), "s-", color=BLUE, markersize=6, label="fixed depth", zorder=3)
  for name, point in zip(names, points, strict=True):
    axes.annotate(
      name,
      point,
      xytext=(0, -9),
      textcoords="offset points",
      ha="center",
      va="top",
      fontsize=8,
      color=BLUE,
      path_effects=[withStroke(linewidth=2.5, foreground="white")],
      zorder=6,
    )


def _plot_hard(axes: Axes, hard: Sequence[Mapping[str, Any]], chosen_threshold: float | None, cost: str) -> None:
  if not hard:
    return
  by_cost = sorted(hard, key=lambda entry: _point(entry, cost))
  points = [_point(entry, cost) for entry in by_cost]
  label = "hard gating, chosen \u03bb, T swept"
  axes.plot(*zip(*points, strict=True), "o-", color=VERMILION, markersize=4.5, label=label, zorder=4)
  chosen = [point for point, entry in zip(points, by_cost, strict=True) if entry["threshold"] == chosen_threshold]
  if chosen:
    label = f"hard gating, chosen T = {chosen_threshold:.3g}"
    ring = {"markersize": 13, "markerfacecolor": "none", "markeredgecolor": BLACK, "markeredgewidth": 1.6}
    axes.plot(*chosen[0], "o", linestyle="none", label=label, zorder=5, **ring)


def _require(items: Sequence[Any] | Mapping[str, Any], name: str) -> None:
  if not items:
    raise ValueError(f"`{name}` is empty; a figure needs at least one of them")


def _annotations(panel: FramePanel) -> dict[str, Any]:
  fields = panel._asdict()
  del fields["title"], fields["frame_rgb"]
  return fields


def _show_crop(axes: Axes, crop: np.ndarray, title: str) -> None:
  height, width = crop.shape[:2]
  # The half-open convention: pixel 0 covers 0..1, so a box's edges fall between pixels.
  axes.imshow(crop, extent=(0, width, height, 0), interpolation="antialiased")
  axes.set_title(f"{title}, {width} x {height} px", fontsize=9)
  axes.set_xticks([])
  axes.set_yticks([])


def _add_box(axes: Axes, box_xywh: np.ndarray, color: Color) -> None:
  if not np.isfinite(box_xywh).all():
    return
  x, y, w, h = (float(v) for v in box_xywh)
  for edge_color, linewidth in (("black", 3.4), (_unit_rgb(color), 1.8)):
    axes.add_patch(Rectangle((x, y), w, h, fill=False, edgecolor=edge_color, linewidth=linewidth))


def _box_handle(color: Color, label: str) -> Rectangle:
  return Rectangle((0, 0), 1, 1, facecolor=_unit_rgb(color), edgecolor="black", linewidth=0.8, label=label)


def _unit_rgb(color: Color) -> tuple[float, ...]:
  return tuple(value / 255 for value in color)


def _save(figure: Figure, path: str | pathlib.Path) -> None:
  path = pathlib.Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  FigureCanvasAgg(figure)
  figure.savefig(path, dpi=DPI, format="png")
