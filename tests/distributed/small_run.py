"""The command of run.py, with figures and reports of a few frames: what a test of whole processes starts."""

from adadepth import command
from adadepth.reports import evaluation_page, figure7

figure7.FRAMES = 5
evaluation_page.LOOKED_AT = 6

if __name__ == "__main__":
  command.run()
