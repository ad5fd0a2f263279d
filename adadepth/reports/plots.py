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
from jaxtyping import Float, Shaped, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.text import Text

from adadepth.io.whole_files import replacing
from adadepth.models.architecture import DEPTH_NAMES
from adadepth.reports.drawing import PREDICTION_COLOR, TRUTH_COLOR, Color, annotate_frame

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, BLACK = (
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#D55E00",
  "#CC79A7",
  "#56B4E9",
  "#000000",
)
CURVE_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DPI = 150
SIDES = ("train", "test")
HORIZON_COLORS = {"iou@1": BLUE, "iou@5": GREEN, "iou@25": ORANGE}
# Of Eq. 3: colour, line, marker, title.
OBJECTIVES = {"all": (BLUE, "-", "s", "loss: all depths"), "deepest": (VERMILION, "--", "o", "loss: deepest depth")}


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


class FrameRow(NamedTuple):
  """A row of Figure 7: what stands above it ("": nothing), and its pictures."""

  title: str
  panels: Sequence[FramePanel]


class Phase1Run(NamedTuple):
  """One run of phase 1.

  Attributes:
    objective: of Eq. 3, "all" or "deepest".
    curve: from step 0 to the last, {"step", "epoch", "train": scores, "test": scores} with scores such as
      {"xcorr1": {"iou@1": 0.6, "iou@5": ..., "iou@25": ...}, ..., "xcorr5": ...}.
  """

  objective: str
  curve: list[dict]


def figure1(path: str | pathlib.Path, pairs: Sequence[PairPicture]) -> None:
  """Draws the preprocessed key and search crops, two examples a row (paper, Figure 1).

  Args:
    path: the PNG to write.
    pairs: one or more examples.
  """
  _require(pairs, "pairs")
  # Both crops to one scale, as the network sees them.
  ratio = max(pair.template.shape[1] for pair in pairs) / max(pair.search.shape[1] for pair in pairs)
  columns = min(2, len(pairs))
  rows = -(-len(pairs) // columns)
  figure = Figure(figsize=(columns * (2.7 * (1 + ratio) + 0.5), 3.3 * rows + 0.4), layout="constrained")
  parts = figure.subfigures(rows, columns, squeeze=False).ravel()
  for part, pair in zip(parts, pairs, strict=False):
    part.suptitle(pair.name, fontsize=10, fontweight="bold")
    _show_pair(part.subplots(1, 2, width_ratios=(ratio, 1.0)), pair)
  handles = [_box_handle(TRUTH_COLOR, "ground truth")]
  if any(pair.predicted_in_search_xywh is not None for pair in pairs):
    handles.append(_box_handle(PREDICTION_COLOR, "prediction"))
  cross = {"color": "white", "markeredgecolor": BLACK, "markersize": 9, "linestyle": "none"}
  handles.append(Line2D([], [], marker="P", label="the target's centre one frame earlier", **cross))
  figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
  save(figure, path)


def figure3(path: str | pathlib.Path, runs: Sequence[Phase1Run]) -> None:
  """Draws train and test IOU@1, @5 and @25 of xcorr5 over the epochs of phase 1 (paper, Figure 3).

  A row an objective. Its runs (seeds) make one line, their mean, in a band from the lowest to the highest; they must
  have been measured at the same steps.
  """
  rows = by_objective(runs)
  figure = Figure(figsize=(9.0, 0.6 + 3.4 * len(rows)), layout="constrained")
  grid = figure.subplots(len(rows), 2, squeeze=False, sharex=True, sharey=True)
  for row, seeds in zip(grid, rows.values(), strict=True):
    epochs = np.array([point["epoch"] for point in seeds[0].curve])
    for axes, side in zip(row, SIDES, strict=True):
      for name, color in HORIZON_COLORS.items():
        values = np.array([[point[side]["xcorr5"][name] for point in run.curve] for run in seeds], float)  # None: NaN
        _line_with_band(axes, epochs, values, {"color": color, "marker": "o", "markersize": 4, "label": name.upper()})
      axes.set_title(f"{side}, {_loss_title(seeds)}", fontsize=11)
      axes.grid(alpha=0.25)
    row[0].set_ylabel("IOU of xcorr5")
  for axes in grid[-1]:
    axes.set_xlabel("epochs of phase 1")
  handles = [*grid[0, 0].get_legend_handles_labels()[0], *_band_handles(rows)]
  figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
  save(figure, path)


def figure4(path: str | pathlib.Path, runs: Sequence[Phase1Run]) -> None:
  """Draws IOU@25 of each depth before phase 1 and after it on the deepest and on all losses (paper, Figure 4).

  A line is the mean over seeds, a band goes from the lowest to the highest.
  """
  figure = Figure(figsize=(9.0, 4.2), layout="constrained")
  depths, rows = np.arange(1, 6), by_objective(runs)
  for axes, side in zip(figure.subplots(1, 2, sharey=True), SIDES, strict=True):
    before = np.array([_depths(run.curve[0], side) for run in runs])
    _line_with_band(axes, depths, before, {"color": BLACK, "linestyle": ":", "marker": "x", "label": "before"})
    for objective, seeds in rows.items():
      color, line, marker, _ = OBJECTIVES[objective]
      after = np.array([_depths(run.curve[-1], side) for run in seeds])
      label = f"{_loss_title(seeds)}, {seeds[0].curve[-1]['epoch']:.2g} epochs"
      style = {"color": color, "linestyle": line, "marker": marker, "markersize": 5, "label": label}
      _line_with_band(axes, depths, after, style)
    axes.set(title=side, xticks=depths, xticklabels=DEPTH_NAMES, xlim=(0.6, 5.4))
    axes.grid(alpha=0.25)
  figure.axes[0].set_ylabel("IOU@25")
  handles = [*figure.axes[0].get_legend_handles_labels()[0], *_band_handles(rows)]
  figure.legend(handles=handles, loc="outside lower center", ncols=2, handlelength=4, frameon=False, fontsize=9)
  save(figure, path)


def by_objective(runs: Sequence[Phase1Run]) -> dict[str, list[Phase1Run]]:
  """The runs of each objective, "all" first."""
  found = {name: [run for run in runs if run.objective == name] for name in OBJECTIVES}
  return {name: seeds for name, seeds in found.items() if seeds}


def figure6(
  path: str | pathlib.Path,
  *,
  fixed: Mapping[str, Mapping[str, Any]],
  soft: Mapping[str, Any] | None,
  hard: Sequence[Mapping[str, Any]],
  chosen_threshold: float | None = None,
  oracle: float | None = None,
  cheap_oracle: Mapping[str, Any] | None = None,
  baseline: float | None = None,
  accuracy: tuple[str, str] = ("accuracy (IOU@25)", "iou@25"),
  costs: Sequence[tuple[str, str]] = (("cost (GFLOPs per key and search pair)", "gflops"),),
) -> None:
  """Draws accuracy against cost for every policy (paper, Figure 6), a panel for each kind of cost.

  Each entry is a dict with at least its accuracy (in [0, 1]) and its costs, as `results.json` has them under "pairs".

  Args:
    path: the PNG to write.
    fixed: "xcorr1".."xcorrk" to their entries; costs on the upper axis are relative to "xcorr1".
    soft: the entry of soft gating; None leaves it out.
    hard: entries of hard gating, each with its "threshold" and perhaps "random_mix_iou@25" too (or of what accuracy is
      shown), in any order; may be empty.
    chosen_threshold: the T whose point is ringed; None rings nothing.
    oracle: IOU@25 of the best depth of every frame, a dashed line; None leaves it out.
    cheap_oracle: the entry of the cheapest depth within 0.02 of the best one; None leaves it out.
    baseline: IOU@25 of predicting the crop's centre, likewise.
    accuracy: the label of the upright axis, and the name of what it shows in the entries.
    costs: the label of each panel's axis, and the name of its cost in the entries; the first is what a random mix is
      equal in.
  """
  figure = Figure(figsize=(0.8 + 6.4 * len(costs), 5.2), layout="constrained")
  panels = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
  for axes, (label, cost) in zip(panels, costs, strict=True):
    shown = (cost, accuracy[1])
    if oracle is not None:
      axes.axhline(oracle, linestyle="--", color=PURPLE, linewidth=1.4, label="oracle: best exit of each pair")
    _plot_fixed(axes, fixed, shown)
    _plot_hard(axes, hard, chosen_threshold, shown)
    if cost == costs[0][1]:
      _plot_random_mix(axes, hard, shown)
    if soft is not None:
      axes.plot(*_point(soft, shown), "D", color=GREEN, markersize=7, label="soft gating", zorder=4)
    if cheap_oracle is not None:
      label_of = "oracle: cheapest exit within 0.02"
      axes.plot(*_point(cheap_oracle, shown), "*", color=PURPLE, markersize=13, label=label_of, zorder=4)
    axes.set_xlabel(label)
    axes.set_xlim(left=0.0)
    axes.margins(y=0.12)
    if baseline is not None:
      _plot_baseline(axes, baseline)
    axes.grid(alpha=0.25)
    unit = float(fixed["xcorr1"][cost])
    if unit != 1:
      relative = axes.secondary_xaxis("top", functions=(lambda c, unit=unit: c / unit, lambda r, unit=unit: r * unit))
      relative.set_xlabel("cost relative to xcorr1")
  panels[0].set_ylabel(accuracy[0])
  figure.legend(
    *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(costs), frameon=False, fontsize=9
  )
  save(figure, path)


def figure7(path: str | pathlib.Path, rows: Sequence[FrameRow], *, footnote: str = "") -> None:
  """Draws frames in a grid: truth green, prediction red, confidences in red figures (paper, Figure 7).

  Args:
    path: the PNG to write.
    rows: one or more, each of one or more frames with what was predicted there.
    footnote: below everything.
  """
  _require(rows, "rows")
  columns = max(len(row.panels) for row in rows)
  pictures = [[annotate_frame(panel.frame_rgb, **_annotations(panel)) for panel in row.panels] for row in rows]
  aspects = [max(picture.shape[0] / picture.shape[1] for picture in row) for row in pictures]
  heights = [4.0 * aspect + (0.75 if row.title else 0.35) for aspect, row in zip(aspects, rows, strict=True)]
  figure = Figure(figsize=(4.0 * columns, sum(heights) + (0.3 if footnote else 0)), layout="constrained")
  parts = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
  if footnote:
    figure.supxlabel(footnote, fontsize=11)
  for part, row, row_pictures in zip(parts, rows, pictures, strict=True):
    if row.title:
      part.suptitle(row.title, fontsize=13, fontweight="bold", x=0.01, ha="left")
    grid = part.subplots(1, columns, squeeze=False)[0]
    for axes in grid:
      axes.set_axis_off()
    for axes, panel, picture in zip(grid[: len(row.panels)], row.panels, row_pictures, strict=True):
      axes.imshow(picture, interpolation="antialiased")
      axes.set_title(panel.title, fontsize=10)
  save(figure, path)


def plot_curves(
  path: str | pathlib.Path,
  curves: Mapping[str, tuple[Sequence | np.ndarray, Sequence | np.ndarray]],
  *,
  ylabel: str,
) -> None:
  """Draws curves over training steps, such as the losses.

  Args:
    path: the PNG to write.
    curves: name to (steps [n], values [n]); values that are not finite leave a gap.
    ylabel: what the values are, with their unit.
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
  axes.set(xlabel="step", ylabel=ylabel)
  axes.grid(alpha=0.25)
  if len(curves) > 1:
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
  save(figure, path)


def threshold_plot(
  path: str | pathlib.Path,
  thresholds: Float[np.ndarray, "n"],
  curves: Mapping[str, tuple[Sequence[float], float]],
  *,
  title: str,
  xlabel: str,
  ylabel: str,
) -> None:
  """Draws the share of frames within each threshold, the curve of the highest score first in the legend.

  Args:
    path: the PNG to write.
    thresholds: of all curves, [n].
    curves: name to (shares [n], score).
    title: above the plot.
    xlabel: what the thresholds are.
    ylabel: what the shares are.
  """
  _require(curves, "curves")
  figure = Figure(figsize=(5.6, 4.4), layout="constrained")
  axes = figure.add_subplot()
  colors = {name: CURVE_COLORS[i % len(CURVE_COLORS)] for i, name in enumerate(curves)}
  for i, name in enumerate(sorted(curves, key=lambda name: -curves[name][1])):
    shares, score = curves[name]
    style = ("-", "--", "-.", ":")[i % 4]
    axes.plot(thresholds, shares, style, color=colors[name], linewidth=2, label=f"{name} [{score:.3f}]")
  axes.set(xlabel=xlabel, ylabel=ylabel, title=title, ylim=(0, 1), xlim=(thresholds[0], thresholds[-1]))
  axes.grid(alpha=0.25)
  axes.legend(fontsize=9)
  save(figure, path)


def _show_pair(row: np.ndarray, pair: PairPicture) -> None:
  key_axes, search_axes = row
  _show_crop(key_axes, pair.template, "key crop")
  _show_crop(search_axes, pair.search, "search crop")
  _add_box(key_axes, pair.template_xywh, TRUTH_COLOR)
  height, width = pair.search.shape[:2]
  outline = [withStroke(linewidth=3.5, foreground="black")]
  search_axes.plot(width / 2, height / 2, "+", color="white", markersize=10, mew=1.6, path_effects=outline)
  _add_box(search_axes, pair.truth_in_search_xywh, TRUTH_COLOR)
  if pair.predicted_in_search_xywh is not None:
    _add_box(search_axes, pair.predicted_in_search_xywh, PREDICTION_COLOR)


def _point(entry: Mapping[str, Any], shown: tuple[str, str]) -> tuple[float, float]:
  """What an entry has under two names: its cost, and its accuracy."""
  return float(entry[shown[0]]), float(entry[shown[1]])


def _depths(point: dict, side: str) -> list[float]:
  return [point[side][name]["iou@25"] for name in DEPTH_NAMES]


def _line_with_band(axes: Axes, x: Shaped[np.ndarray, "n"], values: Float[np.ndarray, "seeds n"], style: dict) -> None:
  axes.plot(x, values.mean(axis=0), linewidth=1.6, **style)
  axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=0.15, linewidth=0)


def _loss_title(seeds: Sequence[Phase1Run]) -> str:
  return f"{OBJECTIVES[seeds[0].objective][-1]} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})"


def _band_handles(rows: Mapping[str, Sequence[Phase1Run]]) -> list[Rectangle]:
  bands = any(len(seeds) > 1 for seeds in rows.values())
  return [Rectangle((0, 0), 1, 1, color="0.8", label="line: mean, band: lowest to highest seed")] if bands else []


def _plot_baseline(axes: Axes, baseline: float) -> None:
  """A line, or a note at the lower edge where it lies so far below the policies that it would squeeze them."""
  low, _ = axes.get_ylim()
  label = "baseline: centre of the crop"
  if baseline < low:
    axes.text(0.01, 0.015, f"{label}, {baseline:.3f} \u2193", transform=axes.transAxes, fontsize=8, color="0.35")
  else:
    axes.axhline(baseline, linestyle=":", color="0.35", linewidth=1.6, label=label)
    axes.set_ylim(bottom=low)


def _plot_fixed(axes: Axes, fixed: Mapping[str, Mapping[str, Any]], shown: tuple[str, str]) -> None:
  names = sorted(fixed)
  points = [_point(fixed[name], shown) for name in names]
  axes.plot(*zip(*points, strict=True), "s-", color=BLUE, markersize=6, label="static exit", zorder=3)
  for i, (name, (x, y)) in enumerate(zip(names, points, strict=True)):
    # Names stand above all data, at two heights since costs may be close, and a thin line leads down to each point.
    place = {"xytext": (x, (0.99, 0.95)[i % 2]), "textcoords": axes.get_xaxis_transform(), "ha": "center", "va": "top"}
    line = {"arrowstyle": "-", "color": BLUE, "alpha": 0.35, "linewidth": 0.8, "shrinkA": 1, "shrinkB": 0}
    axes.annotate(name, (x, y), **place, arrowprops=line, fontsize=8, color=BLUE, zorder=1)


def _plot_hard(
  axes: Axes, hard: Sequence[Mapping[str, Any]], chosen_threshold: float | None, shown: tuple[str, str]
) -> None:
  if not hard:
    return
  by_cost = sorted(hard, key=lambda entry: _point(entry, shown))
  points = [_point(entry, shown) for entry in by_cost]
  label = "hard gating, chosen \u03bb, T swept"
  axes.plot(*zip(*points, strict=True), "o-", color=VERMILION, markersize=3, linewidth=1, label=label, zorder=4)
  chosen = [point for point, entry in zip(points, by_cost, strict=True) if entry["threshold"] == chosen_threshold]
  if chosen:
    label = f"hard gating, chosen T = {chosen_threshold:.3g}"
    ring = {"markersize": 13, "markerfacecolor": "none", "markeredgecolor": BLACK, "markeredgewidth": 1.6}
    axes.plot(*chosen[0], "o", linestyle="none", label=label, zorder=5, **ring)


def _plot_random_mix(axes: Axes, hard: Sequence[Mapping[str, Any]], shown: tuple[str, str]) -> None:
  """Static exits mixed at random, at hard gating's costs."""
  cost, mixed = shown[0], f"random_mix_{shown[1]}"
  points = sorted((float(entry[cost]), entry[mixed]) for entry in hard if mixed in entry)
  if points:
    label = "static exits mixed at random, at hard gating's cost"
    axes.plot(*zip(*points, strict=True), "--", color="0.45", linewidth=1.2, label=label, zorder=3)


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


def save(figure: Figure, path: str | pathlib.Path) -> None:
  """Writes a figure as a PNG; its folder is made where missing. Names in it are people's: a dollar is a dollar."""
  FigureCanvasAgg(figure)
  for text in figure.findobj(Text):
    text.set_parse_math(False)
  with replacing(path) as partial:
    figure.savefig(partial, dpi=DPI, format="png")
