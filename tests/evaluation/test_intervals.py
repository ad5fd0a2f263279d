"""Paired bootstrap over videos: what moves an interval, what does not, and how often it covers the truth."""

import numpy as np
import pytest

from adadepth.evaluation.intervals import by_video, paired_interval


@pytest.fixture
def values():
  """Two trackers on forty videos, which differ much more than the trackers do."""
  rng = np.random.default_rng(0)
  videos = rng.uniform(0, 1, 40)
  return videos + rng.normal(0.02, 0.05, 40), videos


def test_no_difference_has_no_width(values):
  assert paired_interval(values[0], values[0]) == {"mean": 0, "low": 0, "high": 0}


def test_what_both_share_moves_nothing(values):
  a, b = values
  shared = np.linspace(0, 100, 40)
  assert paired_interval(a + shared, b + shared) == pytest.approx(paired_interval(a, b))


def test_a_shift_of_one_moves_the_interval_as_far(values):
  a, b = values
  found, shifted = paired_interval(a, b), paired_interval(a + 0.3, b)
  assert shifted == pytest.approx({name: value + 0.3 for name, value in found.items()})


def test_the_interval_is_that_of_the_normal_approximation(values):
  difference = values[0] - values[1]
  found = paired_interval(*values)
  error = difference.std() / np.sqrt(40)
  assert found["mean"] == pytest.approx(difference.mean())
  # The quantiles of 10,000 draws scatter by a few percent, and forty values are not quite normal.
  assert found["low"] == pytest.approx(difference.mean() - 1.96 * error, abs=0.15 * error)
  assert found["high"] == pytest.approx(difference.mean() + 1.96 * error, abs=0.15 * error)


def test_intervals_cover_the_truth_nineteen_times_in_twenty():
  rng, zero = np.random.default_rng(0), np.zeros(30)
  drawn = [paired_interval(rng.normal(1, 2, 30), zero) for _ in range(200)]
  covered = np.mean([row["low"] <= 1 <= row["high"] for row in drawn])
  assert 0.88 <= covered <= 0.98  # 0.93 of thirty values; two hundred say it to 0.02


def test_one_video_has_no_interval():
  assert paired_interval(np.array([0.5]), np.array([0.25])) == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_an_interval_is_the_same_each_time(values):
  assert paired_interval(*values) == paired_interval(*values)


def test_all_targets_and_parts_of_a_video_are_one_value():
  names = np.array(["otb/Jogging.2", "uav123/group1_1", "otb/Jogging.1", "uav123/group1_2", "vot/ball2", "vot/ball2"])
  found = by_video(names, np.array([0.2, 0.5, 0.4, 0.7, 0.0, 1.0]))
  np.testing.assert_allclose(found, [0.3, 0.6, 0.5])  # in the order of their names
