"""Figure 7: which sequences it shows, and that it shows all five confidences where hard gating stops early."""

import numpy as np

from adadepth.evaluation.one_pass import track_sequence
from adadepth.models.model import Model
from adadepth.reports.figure7 import pick_sequences, track_panels, zoomed
from adadepth.tracking.tracker import Tracker


def ious(*values: float) -> dict[str, float]:
  return {f"xcorr{k + 1}": value for k, value in enumerate(values)}


def test_sequences_are_picked_by_what_depth_gains():
  by_sequence = {
    "easy": ious(0.8, 0.7, 0.7, 0.7, 0.7),
    "nearly": ious(0.7, 0.71, 0.7, 0.7, 0.7),
    "middling": ious(0.5, 0.6, 0.6, 0.6, 0.6),
    "third": ious(0.2, 0.9, 0.2, 0.2, 0.2),
    "hard": ious(0.2, 0.3, 0.4, 0.5, 0.8),
    "harder": ious(0.1, 0.3, 0.4, 0.5, 0.9),
  }
  picks = pick_sequences(by_sequence)
  assert [pick.name for pick in picks] == ["easy", "nearly", "harder", "hard"]
  assert "0.80 with xcorr1" in picks[0].reason and "0.90 with xcorr5" in picks[2].reason


def test_few_sequences_are_picked_once_each():
  assert [pick.name for pick in pick_sequences({"a": ious(0.5, 0.5, 0.5, 0.5, 0.9)})] == ["a"]
  two = {"a": ious(0.5, 0.5, 0.5, 0.5, 0.9), "b": ious(0.5, 0.5, 0.5, 0.5, 0.5)}
  assert [pick.name for pick in pick_sequences(two)] == ["b", "a"]


def test_panels_follow_hard_gating_and_have_every_confidence(params, arch, moving_target):
  model = Model(params, arch, 0.0)  # exits at depth 1
  panels = track_panels(model, moving_target, frames=4)
  run = track_sequence(Tracker(model, "hard"), moving_target, frames=5)
  np.testing.assert_array_equal([panel.predicted_xywh for panel in panels], run.boxes_xywh[1:])
  assert all(panel.depth == 0 for panel in panels)
  np.testing.assert_allclose([panel.confidences.sum() for panel in panels], 1, rtol=1e-5)
  assert all((panel.confidences > 0).sum() > 1 for panel in panels)
  shapes = {panel.frame_rgb.shape for panel in zoomed(panels)}
  assert shapes == {(480, 640, 3)}
