"""Tracks with an exported ONNX file: onnxruntime and NumPy, and Pillow for the crop. No JAX, and nothing to compile."""

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import onnxruntime
from jaxtyping import Float, Int, UInt8

from adadepth.data.crops import crop_square
from adadepth.errors import InputError
from adadepth.export.kept import shipped_onnx
from adadepth.export.settings import METADATA, Settings, from_json
from adadepth.maths.geometry import box_center, template_side
from adadepth.tracking.accepted import check_next_frame, first_boxes
from adadepth.tracking.budget import Budget, budget_for
from adadepth.tracking.region import search_region
from adadepth.tracking.track import Track

LARGEST_INPUT = 1 << 24  # numbers; the largest are the maps of a template, and crops
DTYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


class OnnxTarget(NamedTuple):
  """One target, or n, on the way.

  Attributes:
    states: of each target, what the file calls "next/..." and takes as "state/...", by the latter name.
    box_xywh: in the last frame, [n, 4].
    first_size_wh: (w, h) of the first boxes, [n, 2].
    missed: frames in a row in which each was not found, [n].
    shape: () for one target, (n,) for n.
    frame_shape: of the frames, which stays.
  """

  states: tuple[dict[str, np.ndarray], ...]
  box_xywh: Float[np.ndarray, "n 4"]
  first_size_wh: Float[np.ndarray, "n 2"]
  missed: Int[np.ndarray, "n"]
  shape: tuple[int, ...]
  frame_shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class OnnxTracker:
  """`tracking.tracker.Tracker`, from a file that `configs/export.py` has written. Several targets are run one by one.

  Attributes:
    path: of the file; by default the package's network with hard gating.
    budget: as of `Tracker`.
    threads: that compute; 0: one for each of the machine's cores.
    first_threshold: T of hard gating at a target's first frame, without a budget; None: the file's.
    settings: what the file says of itself.
    session: of onnxruntime, with zeros for each input, `blank`, and the names of its `outputs`.

  Example:
    tracker = OnnxTracker()  # or "runs/export/tracker.onnx"
    target = tracker.init(frame, (x, y, w, h))  # or n boxes, [n, 4]
    for frame in frames:
      target, track = tracker.update(target, frame)
  """

  path: str | os.PathLike = dataclasses.field(default_factory=shipped_onnx)
  budget: float | Budget | None = None
  threads: int = 0
  first_threshold: float | None = None
  settings: Settings = dataclasses.field(init=False, repr=False)
  session: onnxruntime.InferenceSession = dataclasses.field(init=False, repr=False)
  blank: dict[str, np.ndarray] = dataclasses.field(init=False, repr=False)
  outputs: list[str] = dataclasses.field(init=False, repr=False)

  def __post_init__(self):
    session = open_session(self.path, self.threads)
    object.__setattr__(self, "session", session)
    object.__setattr__(self, "settings", settings_of(session, self.path))
    object.__setattr__(self, "blank", blank_inputs(session, self.path))
    object.__setattr__(self, "outputs", [x.name for x in session.get_outputs()])
    policy, calibration = self.settings.policy, self.settings.calibration
    if self.budget is not None and policy != "hard":
      raise InputError(
        f'`budget` (={self.budget}) is for the policy "hard" alone; `path` (={self.path}) has {policy!r}'
      )
    if self.budget is not None and not isinstance(self.budget, Budget):
      object.__setattr__(self, "budget", budget_for(calibration, self.budget))

  def init(self, frame, box_xywh, threshold: float | None = None) -> OnnxTarget:
    """Takes the template of the target in a box of the first frame, or of n targets; args are those of `Tracker.init`.

    Raises:
      InputError: a frame that is none, a box that cannot be tracked, or a threshold that is none.
    """
    boxes, shape = first_boxes(frame, box_xywh, threshold)
    start = np.full((1,), self.threshold if threshold is None else threshold, np.float32)
    centers, keys_px = box_center(boxes), np.asarray(template_side(boxes[:, 2:]), np.float64)
    states = []
    for i, each in enumerate(frames_of(frame, len(boxes))):
      key = crop_square(each, centers[i], keys_px[i], self.settings.template_px)
      search = crop_square(each, centers[i], keys_px[i] * self.search_over_template, self.settings.search_px)
      state = {"state/box_xywh": boxes[i : i + 1], "state/threshold": start}
      states.append(self._run(state, search, centers[i], frame.shape, key=key)[0])
    return OnnxTarget(tuple(states), boxes, boxes[:, 2:], np.zeros(len(boxes), np.int32), shape, frame.shape)

  def update(self, target: OnnxTarget, frame) -> tuple[OnnxTarget, Track]:
    """Finds the target, or each of n, in the next frame; see `Tracker.update`."""
    check_next_frame(frame, target.frame_shape)
    where = target.box_xywh, target.first_size_wh, target.missed
    reader, scale = self.settings.reader, self.search_over_template
    centers, sides_px = search_region(*where, reader=reader, search_over_template=scale)
    states, tracks = [], []
    for i, each in enumerate(frames_of(frame, len(centers))):
      search = crop_square(each, centers[i], float(sides_px[i]), self.settings.search_px)
      state, track = self._run(target.states[i], search, centers[i], frame.shape)
      states.append(state)
      tracks.append(track)
    track = Track(*(np.concatenate(leaves) for leaves in zip(*tracks, strict=True)))
    shaped = Track(*(leaf.reshape(target.shape + leaf.shape[1:]) for leaf in track))
    return target._replace(states=tuple(states), box_xywh=track.box_xywh, missed=track.missed), shaped

  @property
  def threshold(self) -> float:
    """T of hard gating at a target's first frame."""
    if self.budget is not None:
      return float(self.budget.start)
    return self.settings.threshold if self.first_threshold is None else self.first_threshold

  @property
  def policy(self) -> str:
    """The file's."""
    return self.settings.policy

  @property
  def search_over_template(self) -> float:
    return self.settings.search_px / self.settings.template_px

  def _run(self, state, search, center, frame_shape, key=None) -> tuple[dict[str, np.ndarray], Track]:
    """One frame of one target, its first where there is a key crop; state that means nothing then may be left out."""
    costs, budget = (np.ones(5), 0) if self.budget is None else (self.budget.cost_by_exit, self.budget.target)
    given = {
      **state,
      "first": np.array(key is not None),
      "search": search[None],
      "center": np.float32(center)[None],
      "frame_wh": np.float32(frame_shape[-2:-4:-1]),
      "cost_by_exit": np.float32(costs),
      "budget": np.array(budget, np.float32),
    }
    if key is not None:
      given["key"] = key[None]
    found = dict(zip(self.outputs, self.session.run(self.outputs, {**self.blank, **given}), strict=True))
    following = {f"state/{name.removeprefix('next/')}": x for name, x in found.items() if name.startswith("next/")}
    return following, Track(*(found[f"track/{name}"] for name in Track._fields))


def open_session(path: str | os.PathLike, threads: int) -> onnxruntime.InferenceSession:
  """The file, loaded.

  Raises:
    InputError: there is none, or onnxruntime cannot read it.
  """
  if not pathlib.Path(path).is_file():
    raise InputError(f"`path` (={path}) is no file: write one with configs/export.py")
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = threads
  options.log_severity_level = 3
  try:
    return onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
  except Exception as error:  # onnxruntime's errors have no other class in common
    raise InputError(f"`path` (={path}) cannot be loaded: {str(error).splitlines()[0]}") from error


def settings_of(session: onnxruntime.InferenceSession, path: str | os.PathLike) -> Settings:
  """What the file says of itself; InputError where that is nothing, since it is not ours."""
  try:
    return from_json(session.get_modelmeta().custom_metadata_map[METADATA])
  except KeyError:
    raise InputError(f"`path` (={path}) is not a file that configs/export.py has written") from None
  except (ValueError, TypeError, RecursionError) as error:
    raise InputError(f"`path` (={path}) has settings that are damaged ({error}): export it anew") from None


def blank_inputs(session: onnxruntime.InferenceSession, path: str | os.PathLike) -> dict[str, np.ndarray]:
  """Zeros for each input; InputError where one has no size, an unknown type, or is out of all proportion."""
  shapes = {x.name: (tuple(x.shape), DTYPES.get(x.type)) for x in session.get_inputs()}
  for name, (shape, dtype) in shapes.items():
    sizes = all(isinstance(n, int) for n in shape)
    if not sizes or dtype is None or math.prod(shape) > LARGEST_INPUT:
      raise InputError(f"`path` (={path}) has an input {name!r} of shape {shape}, which no file of ours has")
  return {name: np.zeros(shape, dtype) for name, (shape, dtype) in shapes.items()}


def frames_of(frame: UInt8[np.ndarray, "*n h w 3"], targets: int) -> Iterable[UInt8[np.ndarray, "h w 3"]]:
  """The frame of each target: one for all, or one each."""
  return frame if frame.ndim == 4 else [frame] * targets
