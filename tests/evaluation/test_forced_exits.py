"""Hard gating stops where a benchmark tells it to, whatever it sees."""

import jax
import numpy as np
import pytest

from adadepth.evaluation.forced_exits import forced, gates_that_exit, gates_that_exit_where_told, templates_that_exit
from adadepth.evaluation.step_times import exit_trackers
from adadepth.models.model import Model
from adadepth.models.network import Template
from adadepth.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def model(params, arch) -> Model:
  return Model(params, arch, 0.5)


def test_every_frame_exits_where_the_gates_say(model, moving_target):
  trackers = exit_trackers(model)
  for depth, tracker in enumerate(trackers.values()):
    target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
    assert tracker.update(target, moving_target.frames[1])[1].depth == depth
  assert list(trackers) == [f"hard_xcorr{k}" for k in range(1, 6)]


def test_a_batch_of_mixed_exits_is_as_told(model, moving_target):
  exits = (4, 0, 2)
  tracker = Tracker(forced(model, gates_that_exit_where_told()), "hard")
  target = tracker.init(moving_target.frames[0], np.tile(moving_target.boxes_xywh[0], (3, 1)))
  template = templates_that_exit(target.state.template, exits)
  told = target._replace(state=target.state._replace(template=template))
  assert tuple(tracker.update(told, moving_target.frames[1])[1].depth) == exits


def test_a_forced_model_keeps_all_but_its_gates(model):
  params = forced(model, gates_that_exit(2)).params
  kept = {name: leaves for name, leaves in params.items() if name != "gates"}
  jax.tree.map(np.testing.assert_array_equal, kept, {name: model.params[name] for name in kept})
  assert set(params) == set(model.params)


def test_templates_are_left_as_they_were_from_their_exit_on():
  maps = tuple(np.full((2, 3, 3, 4), k + 1, np.float32) for k in range(5))
  found = templates_that_exit(Template(maps, None, np.ones((2, 2)), None), (0, 3)).maps
  np.testing.assert_array_equal([[m[i].max() for m in found] for i in range(2)], [[1, 2, 3, 4, 5], [0, 0, 0, 4, 5]])
