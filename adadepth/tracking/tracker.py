"""The public tracker: a network and a policy that follow one target, or many, through frames as they come."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from adadepth.data.crops import crop_square
from adadepth.data.device_crops import crop_square_on_device
from adadepth.errors import InputError
from adadepth.maths.geometry import box_center, template_side
from adadepth.models.model import Model, check_gates, load_model
from adadepth.models.model_files import EMBEDDED
from adadepth.models.network import prepare_params
from adadepth.tracking.accepted import check_next_frame, check_policy, first_boxes
from adadepth.tracking.budget import Budget, budget_for
from adadepth.tracking.policies import FIXED, POLICIES, policy_named
from adadepth.tracking.region import search_region
from adadepth.tracking.step import TrackerState, compiled_init, compiled_update
from adadepth.tracking.track import Track, given_track


class Target(NamedTuple):
  """One target, or n, on the way.

  Attributes:
    state: the device's, of n.
    box_xywh: in the last frame, on the host, [n, 4].
    first_size_wh: (w, h) of the first boxes, [n, 2].
    missed: frames in a row in which each was not found, [n].
    shape: () for one target, (n,) for n.
    frame_shape: of the frames, which stays.
  """

  state: TrackerState
  box_xywh: Float[np.ndarray, "n 4"]
  first_size_wh: Float[np.ndarray, "n 2"]
  missed: Int[np.ndarray, "n"]
  shape: tuple[int, ...]
  frame_shape: tuple[int, ...]


class SearchCrops(NamedTuple):
  """The parts of a frame in which n targets are looked for.

  Attributes:
    crops: RGB, [n, search_px, search_px, 3].
    centers: where they were cut, image pixels, [n, 2].
    sides_px: of the squares that were cut, image pixels, [n].
  """

  crops: UInt8[np.ndarray | Array, "n s s 3"]
  centers: Float[np.ndarray, "n 2"]
  sides_px: Float[np.ndarray, "n"]


@dataclasses.dataclass(frozen=True, eq=False)
class Tracker:
  """Tracks a target, or many at once; holds the network and the policy, never the targets.

  Attributes:
    model: a `Model`, or what `load_model` takes; the package's network by default.
    policy: "xcorr1".."xcorr5", "soft" or "hard".
    budget: for "hard": what a frame may cost in the mean, relative to xcorr1, or a `Budget` of any unit. T then follows
      what the exits cost, each target's its own. None: T is the model's and stays.
    dtype: in which an accelerator computes the backbone, "bfloat16" or "float32"; a CPU always has float32.
    params: the model's, prepared for this machine (`prepare_params`), which is what runs.

  Example:
    tracker = adadepth.Tracker()
    target = tracker.init(frame, (x, y, w, h))  # or n boxes, [n, 4]
    for frame in frames:
      target, track = tracker.update(target, frame)
      print(track.box_xywh, track.depth)  # [4] and a number; of n targets [n, 4] and [n]
  """

  model: Model | str = EMBEDDED
  policy: str = "hard"
  budget: float | Budget | None = None
  dtype: str = "bfloat16"
  params: dict = dataclasses.field(init=False, repr=False)

  def __post_init__(self):
    check_policy(self.policy, self.budget, POLICIES)
    if self.dtype not in ("bfloat16", "float32"):
      raise InputError(f'`dtype` (={self.dtype!r}) must be "bfloat16" or "float32"')
    if not isinstance(self.model, Model):
      object.__setattr__(self, "model", load_model(self.model, argument="model"))
    if self.policy not in FIXED:
      check_gates(self.model, "`model`")
    if "backbone" not in self.model.params:
      raise InputError(
        "`model` holds gates alone, no backbone: give `model._replace(params={**model.params, "
        '"backbone": adadepth.models.weights.load_vgg19(path)})`'
      )
    if self.budget is not None and not isinstance(self.budget, Budget):
      object.__setattr__(self, "budget", budget_for(self.model.calibration, self.budget))
    object.__setattr__(self, "params", prepare_params(self.model.params, self.model.arch, dtype=self.dtype))

  def init(self, frame, box_xywh, threshold: float | None = None) -> Target:
    """Takes the template of the target in a box of the first frame, or of n targets.

    Args:
      frame: RGB, uint8 [h, w, 3]; for n targets in n videos side by side, [n, h, w, 3].
      box_xywh: image pixels, 0-indexed, half-open, its centre inside the frame; [4], or [n, 4] for n targets. The
        number of targets stays, since each is a program of its own; their sizes may differ.
      threshold: T to begin with, in [0, 1]; None: the budget's start, or the model's own.
    Raises:
      InputError: a frame that is none, a box that cannot be tracked, or a threshold that is none.
    """
    boxes, shape = first_boxes(frame, box_xywh, threshold)
    arch = self.model.arch
    keys, searches = (
      self._cut(frame, box_center(boxes), self._side_px(boxes[:, 2:], px), px)
      for px in (arch.template_px, arch.search_px)
    )
    thresholds = np.full(len(boxes), self.threshold if threshold is None else threshold, np.float32)
    # With the plain backbone, which compiles in a third of the time: templates are made once.
    state = compiled_init(self.model.params, keys, searches, boxes, thresholds, arch=arch)
    return Target(state, boxes, boxes[:, 2:], np.zeros(len(boxes), np.int32), shape, frame.shape)

  def update(self, target: Target, frame: UInt8[np.ndarray | Array, "*n h w 3"]) -> tuple[Target, Track]:
    """Finds the target, or each of n, in the next frame.

    Returns:
      The target, and its track on the host.
    Raises:
      InputError: the frame has another size or type than the first.
    """
    check_next_frame(frame, target.frame_shape)
    arch = self.model.arch
    searches, centers, _ = self.search_crops(target, frame)
    frame_wh = np.float32(target.frame_shape[-2:-4:-1])
    policy = policy_named(self.policy, arch=arch)
    state, track = compiled_update(
      self.params, target.state, searches, centers, frame_wh, budget=self.budget, policy=policy, arch=arch
    )
    track = jax.device_get(track)
    shaped = jax.tree.map(lambda leaf: leaf.reshape(target.shape + leaf.shape[1:]), track)
    return target._replace(state=state, box_xywh=track.box_xywh, missed=track.missed), shaped

  def search_crops(self, target: Target, frame: UInt8[np.ndarray | Array, "*n h w 3"]) -> SearchCrops:
    """Where each target is looked for in the next frame: what `update` gives to the network."""
    arch = self.model.arch
    where, scale = (target.box_xywh, target.first_size_wh, target.missed), arch.search_px / arch.template_px
    centers, sides_px = search_region(*where, reader=arch.reader, search_over_template=scale)
    return SearchCrops(self._cut(frame, centers, sides_px, arch.search_px), centers, sides_px)

  def track(self, frames, box_xywh) -> Track:
    """Tracks a target, or n, through a video in memory.

    Args:
      frames: RGB, uint8, any sequence of [h, w, 3].
      box_xywh: in the first frame, as `init` takes it.
    Returns:
      The track, with a leading t; the first row is the given box, with confidence 0 at depth 0.
    Raises:
      InputError: no frame, or as `init` and `update`.
    """
    if not len(frames):
      raise InputError("`frames` is empty: give the video's frames, the first with the target in `box_xywh`")
    target = self.init(frames[0], box_xywh)
    tracks = [given_track(box_xywh)]
    for frame in frames[1:]:
      target, track = self.update(target, frame)
      tracks.append(track)
    return jax.tree.map(lambda *rows: np.stack(rows), *tracks)

  @property
  def threshold(self) -> float:
    """T of hard gating at a target's first frame."""
    return self.model.threshold if self.budget is None else float(self.budget.start)

  def _side_px(self, size_wh: Float[np.ndarray, "n 2"], crop_px: int) -> Float[np.ndarray, "n"]:
    """Image pixels of a crop of so many pixels, at the scale of targets of such sizes."""
    return np.asarray(template_side(size_wh), np.float64) * crop_px / self.model.arch.template_px

  def _cut(self, frame, centers: Float[np.ndarray, "n 2"], sides_px: Float[np.ndarray, "n"], crop_px: int):
    """A crop for each target, [n, crop_px, crop_px, 3]: on a CPU the host's, elsewhere the device's."""
    on_host = jax.default_backend() == "cpu"
    cut, stack = (crop_square, np.stack) if on_host else (crop_square_on_device, jnp.stack)
    frame = np.asarray(frame)
    frames = frame if frame.ndim == 4 else [frame] * len(centers)
    crops = (cut(f, c, float(s), crop_px) for f, c, s in zip(frames, centers, sides_px, strict=True))
    return stack(list(crops))
