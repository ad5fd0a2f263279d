"""Tables that compare trackers, in Markdown and LaTeX."""

from collections.abc import Mapping
from collections.abc import Sequence as Listing

from adadepth.evaluation.measures import SCORES
from adadepth.reports.report import shown

VOT_TITLES = {"accuracy": "accuracy", "robustness": "robustness", "failures": "failures", "eao": "EAO"}

Entries = Mapping[str, Mapping]  # by tracker, of results.json


def comparison_table(entries: Entries, scores: Listing[str], paired: Listing[str]) -> str:
  """The scores of each tracker, then what each has more than the first, in Markdown.

  Args:
    entries: "tracking" of results.json.
    scores: of their "measures".
    paired: of their "minus_first".
  """
  lines = _markdown(["tracker", *map(_title, scores)])
  lines += _rows([[name, *(shown(entry["measures"][score]) for score in scores)] for name, entry in entries.items()])
  first, *others = entries
  if others:
    lines += ["", f"Over videos, more than {first}, with the 95 % interval of a paired bootstrap:", ""]
    lines += _markdown(["tracker", *map(_title, paired)])
    lines += _rows([[name, *(_interval(entries[name]["minus_first"][score]) for score in paired)] for name in others])
  return "\n".join(lines) + "\n"


def attribute_table(entries: Entries) -> str:
  """Success of each tracker by what makes videos hard, in Markdown; "" where no data set says."""
  attributes = next(iter(entries.values()))["measures"].get("attributes")
  if not attributes:
    return ""
  lines = ["Success (AUC) by attribute:", "", *_markdown(["attribute", "sequences", *entries])]
  rows = [
    [word, str(row["sequences"]), *(shown(e["measures"]["attributes"][word]["success"]) for e in entries.values())]
    for word, row in attributes.items()
  ]
  return "\n".join(lines + _rows(rows)) + "\n"


def latex_table(entries: Entries, scores: Listing[str]) -> str:
  """The scores of each tracker as a LaTeX table (booktabs), the best of a column in bold."""
  best = {score: _best(entries, score) for score in scores}
  lines = [
    rf"\begin{{tabular}}{{l{'r' * len(scores)}}}",
    r"\toprule",
    " & ".join(["Tracker", *map(_title, scores)]) + r" \\",
    r"\midrule",
  ]
  for name, entry in entries.items():
    cells = [_latex_cell(entry["measures"][score], best[score]) for score in scores]
    lines.append(" & ".join([_escaped(name), *cells]) + r" \\")
  return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _title(score: str) -> str:
  return SCORES[score].title if score in SCORES else VOT_TITLES[score]


def _best(entries: Entries, score: str) -> float | None:
  """The best value: the highest, but of failures, which supervised robustness counts."""
  measures = [entry["measures"] for entry in entries.values()]
  values = [row[score] for row in measures if row[score] is not None]
  counts_failures = score == "robustness" and any("failures" in r for m in measures for r in m["by_sequence"].values())
  return (min if counts_failures else max)(values, default=None)


def _latex_cell(value: float | None, best: float | None) -> str:
  return rf"\textbf{{{shown(value)}}}" if value is not None and value == best else shown(value)


def _escaped(name: str) -> str:
  """A name without LaTeX's own characters."""
  return "".join(rf"\{letter}" if letter in "&%$#_{}" else letter for letter in name)


def _markdown(titles: Listing[str]) -> list[str]:
  return [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]


def _rows(rows: Listing[Listing[str]]) -> list[str]:
  return [f"| {' | '.join(row)} |" for row in rows]


def _interval(difference: Mapping[str, float] | None) -> str:
  if difference is None:
    return "-"
  return f"{difference['mean']:+.3f} [{difference['low']:+.3f}, {difference['high']:+.3f}]"
