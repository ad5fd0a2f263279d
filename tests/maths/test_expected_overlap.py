"""VOT's measures: limits by hand, the rest against loops over frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adadepth.maths.expected_overlap import (
  FAILED,
  SKIPPED,
  STARTED,
  TRACKED,
  Run,
  expected_overlaps,
  multi_start_curve,
  multi_start_measures,
  multi_start_run,
  supervised_accuracy,
  supervised_eao,
  supervised_runs,
  until_lost,
)

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
overlaps = st.lists(st.floats(0, 1), min_size=2, max_size=40).map(np.array)
runs = st.lists(st.tuples(overlaps, st.booleans()).map(lambda pair: Run(*pair)), min_size=1, max_size=5)


def supervised(*parts: tuple[int, int]) -> np.ndarray:
  """Marks of a pass: (how many frames a run has, its start among them, and how many are skipped after its failure)."""
  marks = []
  for length, skipped in parts:
    marks += [STARTED] + [TRACKED] * (length - 1) + ([FAILED] + [SKIPPED] * (skipped - 1) if skipped else [])
  return np.array(marks)


# Supervised


def test_accuracy_leaves_out_ten_frames_from_each_start_on_and_what_is_not_tracked():
  marks = supervised((15, 5), (12, 0))
  overlap = np.where(marks == TRACKED, 0.5, 0.0)
  overlap[[1, 9, 21, 29]] = 0  # within the burn-in
  assert supervised_accuracy(overlap, marks) == 0.5
  assert supervised_accuracy(overlap[:10], marks[:10]) == 0


def test_a_pass_falls_into_runs_that_end_before_their_failure():
  overlap = np.arange(12) / 12
  marks = supervised((3, 2), (2, 2), (3, 0))
  found = supervised_runs(overlap, marks)
  assert [(len(run.overlaps), run.failed) for run in found] == [(3, True), (2, True), (3, False)]
  np.testing.assert_array_equal(found[1].overlaps, overlap[5:7])


@QUICK
@given(runs)
def test_expected_overlaps_equal_a_loop(group):
  longest = max(len(run.overlaps) for run in group)
  for n, found in enumerate(expected_overlaps(group)):
    values = []
    for run in group:
      if run.failed or n < len(run.overlaps):
        padded = [*run.overlaps, *[0.0] * longest]
        values.append(sum(padded[1 : n + 1]) / n if n else 0.0)
    assert found == pytest.approx(sum(values) / len(values))


def test_a_perfect_pass_has_an_eao_of_one_where_it_is_long_enough():
  run = Run(np.append(0.0, np.ones(400)), False)
  assert supervised_eao([run]) == 1
  assert np.isnan(supervised_eao([Run(run.overlaps[:100], False)]))


def test_a_failure_costs_more_the_earlier_it_is():
  early, late = (Run(np.append(0.0, np.ones(length)), True) for length in (10, 300))
  whole = Run(np.append(0.0, np.ones(400)), False)
  assert supervised_eao([early, whole]) < supervised_eao([late, whole]) < 1


# Multi-start


def test_a_target_is_lost_where_ten_frames_in_a_row_begin():
  overlap = np.ones(40)
  overlap[[3, 4, 5]] = 0.1  # three are not ten
  seen = np.ones(40, bool)
  assert until_lost(overlap, seen) == 40
  overlap[20:30] = 0.1
  assert until_lost(overlap, seen) == 20
  assert until_lost(overlap, np.arange(40) != 25) == 40  # an absent target cannot be lost


def test_after_a_loss_nothing_counts():
  overlap = np.ones(40)
  overlap[20:30] = 0
  run = multi_start_run(overlap, np.ones(40, bool))
  assert run.failed and run.overlaps.sum() == 20


@QUICK
@given(runs)
def test_the_multi_start_curve_equals_a_loop(group):
  for n, found in enumerate(multi_start_curve(group, 60)):
    values = []
    for values_of_run, failed in group:
      if 0 < n < len(values_of_run):
        values.append(sum(values_of_run[1 : n + 1]) / n)
      elif n > 1 and n >= len(values_of_run) and failed:
        values.append(sum(values_of_run[1:]) / (n - 1))
    assert found == pytest.approx(sum(values) / len(values) if values else 0)


def test_multi_start_measures_by_hand():
  seen = np.ones(50, bool)
  whole, half = np.full(50, 0.8), np.where(np.arange(50) < 25, 0.4, 0.0)
  found = multi_start_measures([[(whole, seen), (half, seen)], [(whole, seen)]], [50, 100], lengths=(20, 30))
  assert found.accuracy == pytest.approx((50 * 0.8 * 2 + 25 * 0.4) / 125)
  assert found.robustness == pytest.approx((75 / 100 * 50 + 1 * 100) / 150)
  assert 0.6 < found.eao < 0.67
