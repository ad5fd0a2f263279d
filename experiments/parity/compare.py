"""Lays our figures beside theirs: the table of README.md.

python -m experiments.parity.compare FOLDER

FOLDER holds got10k/got10k.json, vot_supervised/vot.json, vot_multi_start/vot.json, and ours_<data set or protocol>/.
"""

import json
import pathlib
import sys

# Ours, and where got10k's report has it.
ONE_PASS = {
  "success": lambda row: row["success_score"],
  "precision": lambda row: row["precision_score"],
}
GOT10K = {
  "ao": lambda row: row["ao"],
  "sr_50": lambda row: row["sr"],
  "sr_75": lambda row: row["succ_curve"][75],
}


VOT = ("accuracy", "robustness", "eao")


def read(path: pathlib.Path) -> dict:
  return json.loads(path.read_text())


def vot_figures(file: pathlib.Path) -> dict[str, list[float]]:
  """Accuracy, robustness and EAO of each tracker in the toolkit's report."""
  report = read(file)
  baseline = report["results"]["baseline"]
  kinds = [analysis["type"].rsplit(".", 1)[-1] for analysis in baseline["parameters"]["analyses"]]
  results = dict(zip(kinds, baseline["results"], strict=True))
  both = zip(results["AverageAccuracyRobustness"], results["EAOScore"], strict=True)
  return {name: [*rates[:2], *eao] for name, (rates, eao) in zip(report["trackers"], both, strict=True)}


def rows(folder: pathlib.Path) -> list[tuple[str, str, str, float, float]]:
  """Data set, tracker, score, ours, theirs."""
  theirs, found = read(folder / "got10k" / "got10k.json"), []
  for data, scores in (("otb", ONE_PASS), ("lasot", ONE_PASS), ("got10k", GOT10K)):
    ours = read(folder / f"ours_{data}" / "results.json")["tracking"]
    for tracker, row in theirs[data].items():
      found += [(data, tracker, s, ours[tracker]["measures"][s], pick(row)) for s, pick in scores.items()]
  for protocol in ("supervised", "multi_start"):
    ours = read(folder / f"ours_{protocol}" / "results.json")["tracking"]
    for tracker, values in vot_figures(folder / f"vot_{protocol}" / "vot.json").items():
      of_one = [ours[tracker]["measures"][score] for score in VOT]
      found += [(protocol, tracker, *pair) for pair in zip(VOT, of_one, values, strict=True)]
  return found


def main(folder: str) -> None:
  print("| data | tracker | measure | ours | theirs | difference |\n| --- | --- | --- | --- | --- | --- |")
  for data, tracker, score, ours, theirs in rows(pathlib.Path(folder)):
    print(f"| {data} | {tracker} | {score} | {ours:.6f} | {theirs:.6f} | {ours - theirs:.1e} |")


if __name__ == "__main__":
  main(*sys.argv[1:])
