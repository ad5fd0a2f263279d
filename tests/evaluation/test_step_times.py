"""Times relative to xcorr1's, how Table 1 shows them, and hard gating that exits where its time is wanted."""

import numpy as np

from adadepth.data.sequence import Sequence
from adadepth.evaluation.step_times import exit_trackers, medians_ms, over_xcorr1
from adadepth.jobs.table1 import hard_rows, table1_markdown, table1_rows
from adadepth.maths.peaks import PAPER, Readout
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model

SECONDS = {"xcorr1": np.array([1.0, 2.0, 4.0]), "hard_xcorr3": np.array([3.0, 8.0, 16.0])}


def test_a_ratio_is_taken_within_a_round():
  assert over_xcorr1(SECONDS)["hard_xcorr3"] == {"median": 4.0, "low": 3.5, "high": 4.0}
  assert over_xcorr1(SECONDS)["xcorr1"] == {"median": 1.0, "low": 1.0, "high": 1.0}
  assert medians_ms(SECONDS) == {"xcorr1": 2000.0, "hard_xcorr3": 8000.0}


def test_table_1_shows_the_times_there_are(arch):
  times = over_xcorr1(SECONDS)
  assert [row["ratio_time"] for row in table1_rows(arch, times, readout=PAPER)] == [times["xcorr1"], *[None] * 5]
  assert [row["ratio_time"] for row in hard_rows(arch, times, readout=PAPER)] == [
    None,
    None,
    times["hard_xcorr3"],
    None,
    None,
  ]
  table = table1_markdown(arch, times, readout=PAPER)
  lines = {line.split("|")[1].strip(): line for line in table.splitlines() if "|" in line}
  assert lines["hard, stops at xcorr3"].count("| 4.00 (3.50 to 4.00) |") == 1
  assert len({line.count("|") for line in lines.values()}) == 1
  assert "**Time**" not in table1_markdown(arch, {}, readout=PAPER)


def test_hard_gating_exits_where_it_is_told(params, arch: Architecture, moving_target: Sequence):
  # The same program as in test_tracking.
  trackers = exit_trackers(Model(params, arch, 0.5, Readout("subcell")))
  for depth, tracker in enumerate(trackers.values()):
    target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
    assert tracker.update(target, moving_target.frames[1])[1].depth == depth
  assert list(trackers) == [f"hard_xcorr{k}" for k in range(1, 6)]
