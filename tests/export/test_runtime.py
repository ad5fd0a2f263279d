"""An exported file tracks as JAX does, with no JAX; and its early exit is real."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

from adadepth.errors import InputError
from adadepth.evaluation.forced_exits import forced, gates_that_exit
from adadepth.export.onnx_file import onnx_bytes
from adadepth.export.runtime import OnnxTracker
from adadepth.export.stablehlo import PLATFORMS, stablehlo_bytes
from adadepth.models.architecture import VGG19_CONVS
from adadepth.models.calibration import Calibration
from adadepth.models.model import Model
from adadepth.tracking.threshold import next_threshold
from adadepth.tracking.tracker import Tracker

ROOT = pathlib.Path(__file__).resolve().parents[2]
CALIBRATION = Calibration(
  [0.1, 0.9], [[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 1.0]], [0.5, 0.6], [1.0, 2.0, 5.0, 11.0, 18.0], "xcorr3"
)


@pytest.fixture(scope="module")
def models(params, box_params, arch, boxed) -> dict[str, Model]:
  return {
    "paper": Model(params, arch, 0.3),
    "ridge": Model(box_params, dataclasses.replace(boxed, template="ridge"), 0.3),
    "box": Model(box_params, boxed, 0.3, CALIBRATION),
  }


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
  """(model, policy) -> its file, written once."""
  folder = tmp_path_factory.mktemp("onnx")

  def write(model: str, policy: str) -> pathlib.Path:
    path = folder / f"{model}_{policy}.onnx"
    if not path.exists():
      path.write_bytes(onnx_bytes(models[model], policy))
    return path

  return write


@pytest.mark.parametrize(("name", "policy"), [("box", "hard"), ("ridge", "hard"), ("paper", "soft"), ("box", "xcorr2")])
def test_boxes_and_exits_are_jaxs(models, exported, moving_target, name, policy):
  ours, jaxs = OnnxTracker(exported(name, policy)), Tracker(models[name], policy)
  first = moving_target.frames[0], moving_target.boxes_xywh[0]
  target, expected = ours.init(*first), jaxs.init(*first)
  for frame in moving_target.frames[1:4]:
    target, found = ours.update(target, frame)
    expected, track = jaxs.update(expected, frame)
    assert found.depth == track.depth and found.missed == track.missed
    # Sums of float32 in another order; a ridge filter of random maps makes 1e-7 of them 4e-4.
    np.testing.assert_allclose(found.box_xywh, track.box_xywh, atol=0.01)
    np.testing.assert_allclose(found.confidences, track.confidences, atol=1e-3)
    np.testing.assert_allclose(found.score, track.score, atol=1e-3)


def test_each_of_several_targets_is_tracked_as_if_alone(exported, moving_target):
  tracker, boxes = OnnxTracker(exported("box", "hard")), moving_target.boxes_xywh[[0, 5]]
  target, track = tracker.update(tracker.init(moving_target.frames[0], boxes), moving_target.frames[1])
  assert track.box_xywh.shape == (2, 4) and track.lost.shape == (2,) and target.missed.shape == (2,)
  for i, box in enumerate(boxes):
    _, alone = tracker.update(tracker.init(moving_target.frames[0], box), moving_target.frames[1])
    np.testing.assert_array_equal(alone.box_xywh, track.box_xywh[i])


# The threshold and the budget are inputs.


def test_the_threshold_is_an_input(exported, moving_target):
  tracker, (first, second) = OnnxTracker(exported("box", "hard")), moving_target.frames[:2]
  depths = [tracker.update(tracker.init(first, moving_target.boxes_xywh[0], t), second)[1].depth for t in (0.0, 1.0)]
  assert depths == [0, 4]


def test_a_budget_moves_the_threshold_by_its_rule(exported, moving_target):
  tracker = OnnxTracker(exported("box", "hard"), budget=5.0)
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  for frame in moving_target.frames[1:3]:
    before = target.states[0]["state/threshold"]
    target, track = tracker.update(target, frame)
    expected = next_threshold(jnp.asarray(before[0]), jnp.asarray(track.depth), tracker.budget)
    np.testing.assert_allclose(target.states[0]["state/threshold"], expected, rtol=1e-5)
    assert target.states[0]["state/threshold"] != before


# The early exit.


def convolutions_at(graph: onnx.GraphProto, level: int = 0) -> dict[int, int]:
  """How many convolutions lie in so many nested `If`s."""
  found = {level: sum(node.op_type == "Conv" for node in graph.node)}
  for node in graph.node:
    for branch in (a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH):
      for inner, count in convolutions_at(branch, level + 1).items():
        found[inner] = found.get(inner, 0) + count
  return found


def test_what_lies_deeper_than_the_exit_is_inside_a_branch(exported):
  """Of the small box network VGG-19's plan has 2, 2, 4, 4, 4 convolutions; a box head adds two at each depth."""
  hard, soft = (convolutions_at(onnx.load(exported("box", p)).graph) for p in ("hard", "xcorr2"))
  assert hard[0] == 0
  assert sum(hard.values()) - hard[1] == (2 + 4 + 4 + 4) + 4 * 2
  assert sum(soft.values()) == soft[1]


@pytest.mark.parametrize("depth", [0, 2])
def test_no_convolution_that_lies_deeper_than_the_exit_is_run(models, moving_target, tmp_path, depth):
  """By onnxruntime's profile, which lists every node that ran."""
  path = tmp_path / "forced.onnx"
  path.write_bytes(onnx_bytes(forced(models["box"], gates_that_exit(depth)), "hard"))
  tracker = OnnxTracker(path)
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  options = onnxruntime.SessionOptions()
  options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
  profiled = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
  object.__setattr__(tracker, "session", profiled)
  assert tracker.update(target, moving_target.frames[1])[1].depth == depth
  events = json.loads(pathlib.Path(profiled.end_profiling()).read_text())
  ran = [e for e in events if e["name"].endswith("kernel_time") and "Conv" in e["args"]["op_name"]]
  assert len(ran) == sum(VGG19_CONVS[: depth + 1]) + 2 * (depth + 1)  # a box head has two


# Without JAX, and what is refused.


def test_a_process_that_cannot_import_jax_tracks(exported, moving_target, tmp_path):
  np.savez(tmp_path / "film.npz", frames=moving_target.frames[:3], box=moving_target.boxes_xywh[0])
  path = exported("box", "hard")
  code = f"""
import sys
sys.modules.update(dict.fromkeys(("jax", "jaxlib", "flax", "onnx")))
import numpy as np
from adadepth.export.runtime import OnnxTracker
film = np.load({str(tmp_path / "film.npz")!r})
tracker = OnnxTracker({str(path)!r})
target = tracker.init(film["frames"][0], film["box"])
for frame in film["frames"][1:]:
  target, track = tracker.update(target, frame)
print(*track.box_xywh.tolist())
"""
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  tracker = OnnxTracker(path)
  target = tracker.init(moving_target.frames[0], moving_target.boxes_xywh[0])
  for frame in moving_target.frames[1:3]:
    target, track = tracker.update(target, frame)
  np.testing.assert_allclose([float(v) for v in done.stdout.split()], track.box_xywh, rtol=1e-6)


def test_the_runtime_is_short():
  assert len((ROOT / "adadepth" / "export" / "runtime.py").read_text().splitlines()) < 200


@pytest.mark.parametrize(
  ("path", "settings", "says"),
  [
    ("missing.onnx", {}, r"`path` \(=missing.onnx\) is no file"),
    (__file__, {}, "cannot be loaded"),
    ("xcorr2", {"budget": 3.0}, """`budget` .* "hard" alone"""),
    ("hard", {"budget": 99.0}, "`budget` .* above 1 and below 18"),
  ],
)
def test_a_file_or_budget_that_cannot_be_is_refused(exported, path, settings, says):
  with pytest.raises(InputError, match=says):
    OnnxTracker(exported("box", path) if path in ("xcorr2", "hard") else path, **settings)


def test_an_onnx_file_of_others_is_refused(tmp_path):
  x = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
  graph = onnx.helper.make_graph([onnx.helper.make_node("Neg", ["x"], ["y"])], "theirs", x[:1], x[1:])
  opsets = [onnx.helper.make_opsetid("", 20)]
  onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "theirs.onnx")
  with pytest.raises(InputError, match="is not a file that configs"):
    OnnxTracker(tmp_path / "theirs.onnx")


def test_frames_boxes_and_thresholds_are_refused_as_the_tracker_refuses_them(exported, moving_target):
  tracker, frame, box = OnnxTracker(exported("box", "hard")), moving_target.frames[0], moving_target.boxes_xywh[0]
  for arguments, says in (
    ((frame[..., 0], box), "`frame` is uint8"),
    ((frame, box[:3]), "`box_xywh`"),
    ((frame, box + 999), "centre outside"),
    ((frame, box, 1.5), "`threshold`"),
  ):
    with pytest.raises(InputError, match=says):
      tracker.init(*arguments)
  with pytest.raises(InputError, match="as the first one was"):
    tracker.update(tracker.init(frame, box), frame[:-1])


# StableHLO.


def test_stablehlo_holds_the_same_program_for_cpus_and_cuda(models, exported, moving_target):
  program = jax.export.deserialize(bytearray(stablehlo_bytes(models["box"], "xcorr2")))
  assert program.platforms == PLATFORMS == ("cpu", "cuda")
  tracker = OnnxTracker(exported("box", "xcorr2"))
  shapes, _ = jax.tree.unflatten(program.in_tree, program.in_avals)
  assert {x.name: tuple(x.shape) for x in tracker.session.get_inputs()} == {n: v.shape for n, v in shapes[0].items()}
  rng = np.random.default_rng(0)
  given = {name: np.asarray(255 * rng.random(v.shape), v.dtype) for name, v in shapes[0].items()}
  given |= {"first": np.array(True), "state/box_xywh": np.float32([[40, 50, 20, 20]])}
  found = tracker.session.run(None, given)
  for x, theirs in zip(tracker.session.get_outputs(), found, strict=True):
    np.testing.assert_allclose(program.call(given)[x.name], theirs, rtol=1e-3, atol=1e-3)
