"""Draws Figures 1 and 7 of a finished run again, without its other work: real frames, so they stay in the workdir.

python -m experiments.frames.draw runs/vgg19 DATA          a run of configs/gating.py
python -m experiments.frames.draw runs/other DATA MODEL    a run of configs/evaluate.py and the model it evaluated
"""

import json
import pathlib
import sys
import warnings

from adadepth.data.layouts import read_sequences
from adadepth.models.model import load_model
from adadepth.reports.figure7 import draw_figure7, pick_sequences
from adadepth.reports.report import draw_figure1


def main(workdir: str, data: str, model: str = "") -> None:
  warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)  # see adadepth/command.py
  folder, network = pathlib.Path(workdir), load_model(model or workdir)
  results = json.loads((folder / "results.json").read_text())
  sequences, _ = read_sequences(data, list(results["sequences"]), on_error="stop")
  draw_figure1(folder / "figure1.png", network, sequences)
  for pick in pick_sequences(results["sequences"]):
    print(f"{pick.name}: {pick.reason}", flush=True)
  draw_figure7(folder, network, results, sequences)
  print(f"wrote figure1.png, figure7.png and figure7.mp4 to {folder}")


if __name__ == "__main__":
  main(*sys.argv[1:])
