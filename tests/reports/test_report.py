"""Tables for people: every number in its row, and "-" where there is none."""

import numpy as np
import pytest
from planted_pairs import ARCH, planted_table

from adadepth.evaluation.costs import Costs
from adadepth.evaluation.scores import compare_hard, exit_ious, score_pairs, score_table
from adadepth.reports.report import describe, describe_budgets, describe_tracking, hard_entry, with_times

COSTS = Costs(np.array([1.0, 2.0, 4.0, 8.0, 16.0]), np.array([1.0, 2.5, 5.0, 9.0, 17.0]), 17.5)
WRONG, RIGHT = (2, 0), (0, -1)


@pytest.fixture
def results() -> dict:
  """Of two pairs, which hard gating stops at depths 3 and 4 at T = 0.5, as late after their key as frames 3 and 4."""
  table = planted_table([RIGHT] * 2, [[WRONG, WRONG, RIGHT, RIGHT, RIGHT], [WRONG] * 3 + [RIGHT] * 2])
  table = table.__class__(**{**vars(table), "frames_after_key": np.array([3, 4], np.int32)})
  scores = score_table(table, exit_ious(table, arch=ARCH), arch=ARCH, costs=COSTS)
  confidences = np.array([[0.1, 0.1, 0.7, 0.05, 0.05], [0.1, 0.1, 0.1, 0.6, 0.1]], np.float32)
  found = score_pairs(scores, confidences, scores.center, (0.25, 0.5))
  return {**found, "comparison": compare_hard(scores, confidences, 0.5, "xcorr5")}


def row(table: str, title: str) -> list[str]:
  """The cells of one row."""
  (line,) = [line for line in table.splitlines() if line.startswith(f"| {title} |")]
  return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_horizon_that_no_pair_lies_within_has_no_number(results):
  assert row(describe(results, 0.5), "xcorr3") == ["-", "0.500", "0.500", "4.000", "4.00"]


def test_hard_gating_is_shown_at_the_threshold_that_was_chosen(results):
  assert row(describe(results, 0.5), "hard, T = 0.5") == ["-", "1.000", "1.000", "7.000", "7.00"]


def test_a_random_mix_of_static_exits_stands_at_hard_gatings_cost(results):
  # 7 GFLOPs: a quarter of xcorr3, which has 0.5, and the rest of xcorr4, which has 1.
  assert row(describe(results, 0.5), "static exits mixed at random") == ["-", "-", "0.875", "7.000", "7.00"]


def test_the_comparison_is_shown_with_its_intervals(results):
  last = describe(results, 0.5).splitlines()[-1]
  assert "hard gating minus xcorr5: +0.000 [+0.000, +0.000]" in last
  assert "hard gating minus random mix: +0.125 [" in last


def test_every_row_has_as_many_cells(results):
  lines = [line for line in describe(results, 0.5).splitlines() if line.startswith("|")]
  assert {line.count("|") for line in lines} == {7}


def test_the_entry_nearest_to_the_threshold_is_hard_gatings(results):
  assert [hard_entry(results, t)["threshold"] for t in (0.1, 0.3, 0.4, 0.9)] == [0.25, 0.25, 0.5, 0.5]


def test_the_time_of_hard_gating_is_that_of_its_exits(results):
  times = {"xcorr1": 1.0, "xcorr2": 2.0, "xcorr3": 3.0, "xcorr4": 5.0, "xcorr5": 9.0, "soft": 10.0}
  timed = with_times(results["pairs"], times)
  assert [timed[name]["ms"] for name in times] == list(times.values())
  assert timed["hard"][1]["ms"] == (3 + 5) / 2
  assert "ms" not in results["pairs"]["xcorr1"]


def test_budgets_are_shown_with_what_they_got():
  held = {"unit": "relative", "target": 4.0, "got": 4.2, "off": 0.05, "promised": 0.75, "iou@25": 0.7}
  table = describe_budgets([held, {**held, "unit": "ms"}])
  assert row(table, "4 x xcorr1") == ["4.2", "+5.0 %", "0.750", "0.700"]
  assert row(table, "4 ms") == ["4.2", "+5.0 %", "0.750", "0.700"]


def test_a_track_without_scores_has_no_numbers():
  unscored = {"mean_iou": None, "success_auc": None, "precision_20": None, "fps": 12.34}
  assert row(describe_tracking({"hard": unscored}), "hard") == ["-", "-", "-", "12.3"]


def test_nothing_is_said_of_what_there_is_none_of():
  assert describe_budgets([]) == describe_tracking({}) == ""
