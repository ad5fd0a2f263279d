"""Looking at all depths changes nothing of what is tracked, and sees what the tracker saw."""

import itertools

import numpy as np
import pytest

from adadepth.evaluation.looks import look_along
from adadepth.models.model import Model
from adadepth.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def looks(small, small_params, moving_target):
  tracker = Tracker(Model(small_params, small, 0.3), "hard")
  return tracker, list(look_along(tracker, moving_target, frames=6))


def test_the_track_is_what_it_is_without_looking(looks, moving_target):
  tracker, found = looks
  alone = tracker.track(moving_target.frames[:6], moving_target.boxes_xywh[0])
  np.testing.assert_array_equal(np.stack([look.track.box_xywh for look in found]), alone.box_xywh)
  assert [look.number for look in found] == list(range(6)) and found[0].seen is None


def test_confidences_are_the_trackers_as_deep_as_it_went_and_sum_to_one(looks):
  for look in looks[1][1:]:
    depth = look.track.depth
    np.testing.assert_array_equal(look.seen.confidences[: depth + 1], look.track.confidences[: depth + 1])
    # The deeper ones come from another program: sums in another order.
    assert look.seen.confidences.sum() == pytest.approx(1, abs=1e-4)


def test_what_was_searched_lies_around_the_last_box(looks, small):
  _, found = looks
  for last, look in itertools.pairwise(found):
    x, y, side = look.seen.square_xyw
    box = last.track.box_xywh
    np.testing.assert_allclose((x + side / 2, y + side / 2), box[:2] + box[2:] / 2, atol=1e-3)
    assert look.seen.responses.shape == (5, small.search_cells, small.search_cells)
    assert look.seen.threshold == pytest.approx(0.3)
