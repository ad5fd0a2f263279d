"""Success and precision plots of one pass, as papers print them: a curve a tracker, the best first, with its score."""

import pathlib
from collections.abc import Mapping

from adadepth.evaluation.measures import CURVES
from adadepth.reports.plots import threshold_plot

TITLES = {
  "success": ("Success plot of OPE", "success rate"),
  "precision": ("Precision plot of OPE", "precision"),
  "normalised_precision": ("Normalised precision plot of OPE", "normalised precision"),
}


def draw_curves(folder: pathlib.Path, entries: Mapping[str, Mapping]) -> None:
  """success.png, precision.png and normalised_precision.png of "tracking" of results.json."""
  for name, (xlabel, thresholds) in CURVES.items():
    measures = {tracker: entry["measures"] for tracker, entry in entries.items()}
    title, ylabel = TITLES[name]
    threshold_plot(
      folder / f"{name}.png",
      thresholds,
      {tracker: (of_one["curves"][name], of_one[name]) for tracker, of_one in measures.items()},
      title=title,
      xlabel=xlabel,
      ylabel=ylabel,
    )
