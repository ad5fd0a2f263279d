"""Runs the job that a config describes: the command `adadepth` of a checkout that is not installed.

python run.py --config=configs/gating.py --workdir=runs/gating
"""

from adadepth.command import run

if __name__ == "__main__":
  run()
