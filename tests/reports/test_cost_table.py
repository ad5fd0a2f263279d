"""Table 1 for people: what was measured stands where it belongs, and what was not is left out."""

import numpy as np

from adadepth.evaluation.step_times import over_xcorr1
from adadepth.reports.cost_table import hard_rows, table1_markdown, table1_rows

TIMES = over_xcorr1({"xcorr1": np.array([1.0, 2.0, 4.0]), "hard_xcorr3": np.array([3.0, 8.0, 16.0])})


def test_rows_have_the_times_there_are(arch):
  assert [row["ratio_time"] for row in table1_rows(arch, TIMES)] == [TIMES["xcorr1"], *[None] * 5]
  assert [row["ratio_time"] for row in hard_rows(arch, TIMES)] == [None, None, TIMES["hard_xcorr3"], None, None]


def test_a_time_is_shown_with_its_quartiles(arch):
  lines = {line.split("|")[1].strip(): line for line in table1_markdown(arch, TIMES).splitlines() if "|" in line}
  assert lines["hard, stops at xcorr3"].count("| 4.00 (3.50 to 4.00) |") == 1
  assert len({line.count("|") for line in lines.values()}) == 1


def test_without_times_nothing_is_said_of_them(arch):
  assert "**Time**" in table1_markdown(arch, TIMES)
  assert "**Time**" not in table1_markdown(arch, {})
