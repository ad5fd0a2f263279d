"""Times relative to xcorr1's, and that each is read of the tracker it is named after."""

import numpy as np
import pytest

from adadepth.evaluation import step_times
from adadepth.evaluation.step_times import medians_ms, over_xcorr1, policy_trackers, step_seconds
from adadepth.models.model import Model
from adadepth.tracking.tracker import Tracker

SECONDS = {"xcorr1": np.array([1.0, 2.0, 4.0]), "hard_xcorr3": np.array([3.0, 8.0, 16.0])}


def test_a_ratio_is_taken_within_a_round():
  assert over_xcorr1(SECONDS)["hard_xcorr3"] == {"median": 4.0, "low": 3.5, "high": 4.0}
  assert over_xcorr1(SECONDS)["xcorr1"] == {"median": 1.0, "low": 1.0, "high": 1.0}


def test_medians_are_in_milliseconds():
  assert medians_ms(SECONDS) == {"xcorr1": 2000.0, "hard_xcorr3": 8000.0}


def test_every_static_exit_and_soft_gating_are_timed(params, arch):
  found = policy_trackers(Model(params, arch, 0.5))
  assert [tracker.policy for tracker in found.values()] == list(found)
  assert list(found) == ["xcorr1", "xcorr2", "xcorr3", "xcorr4", "xcorr5", "soft"]


@pytest.mark.parametrize("rounds", [1, 3])
def test_each_round_reads_every_tracker_once(params, arch, monkeypatch, rounds):
  monkeypatch.setattr(step_times, "FRAME_HW", (96, 128))
  tracker = Tracker(Model(params, arch, 0.5), "xcorr1")
  found = step_seconds({"one": tracker, "two": tracker}, rounds=rounds)
  assert {name: len(values) for name, values in found.items()} == {"one": rounds, "two": rounds}
  assert min(values.min() for values in found.values()) > 0
