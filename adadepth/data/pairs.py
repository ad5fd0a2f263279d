"""Key and search pairs, cut from sequences on the host as the paper cuts them."""

import dataclasses
import functools
from collections.abc import Sequence as Listing

import numpy as np
from jaxtyping import Float, Int, UInt8

from adadepth.data.crops import crop_square
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.maths.geometry import box_center, box_in_crop, crop_scale
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import Architecture

KEY_EVERY = 10
FRAMES_PER_KEY = 25


@dataclasses.dataclass(frozen=True)
class PairGroup:
  """One key and its n search frames, ready for the network.

  Attributes:
    sequence: the sequence's name.
    key: the key's frame index.
    template: [template_px, template_px, 3].
    search: [n, search_px, search_px, 3].
    truth_in_search: true boxes, xywh, pixels of the search crop from its top left, [n, 4].
    last_size: of the box that each search crop is cut for, (w, h), its pixels, [n, 2].
    size_in_crop: of the key's box, (w, h), template crop pixels, [2].
    frames_after_key: 1 is the frame right after the key, [n].
  """

  sequence: str
  key: int
  template: UInt8[np.ndarray, "k k 3"]
  search: UInt8[np.ndarray, "n s s 3"]
  truth_in_search: Float[np.ndarray, "n 4"]
  last_size: Float[np.ndarray, "n 2"]
  size_in_crop: Float[np.ndarray, "2"]
  frames_after_key: Int[np.ndarray, "n"]

  def __len__(self) -> int:
    return len(self.search)

  @property
  def displacement_in_search(self) -> Float[np.ndarray, "n 2"]:
    """True displacement (x, y) from the search crop's centre, crop pixels."""
    return self.truth_in_search[:, :2] + self.truth_in_search[:, 2:] / 2 - np.float32(self.search.shape[1] / 2)


def search_frames(
  boxes_xywh: Float[np.ndarray, "t 4"], key: int, arch: Architecture, horizon: int = FRAMES_PER_KEY
) -> list[int]:
  """The frames after a key that can be searched.

  A frame counts if it and the one before it have a box. The run ends where the target's centre leaves the
  search crop, which is centred on the previous true box.
  """
  reach = arch.search_px / crop_scale(boxes_xywh[key, 2:], arch.template_px) / 2
  step = np.abs(np.diff(box_center(boxes_xywh[key : key + horizon + 1]), axis=0)).max(axis=1)
  left = np.flatnonzero(step >= reach)
  run = step[: left[0]] if len(left) else step
  return (key + 1 + np.flatnonzero(~np.isnan(run))).tolist()


def key_frames(boxes_xywh: Float[np.ndarray, "t 4"], arch: Architecture, every: int = KEY_EVERY) -> list[int]:
  """Every `every`-th frame that has a box and at least one frame to search."""
  has_box = ~np.isnan(boxes_xywh).any(axis=1)
  return [t for t in range(0, len(boxes_xywh) - 1, every) if has_box[t] and search_frames(boxes_xywh, t, arch)]


def evenly_spaced(items: Listing, count: int) -> list:
  """At most `count` items, evenly spread; all of them where count is 0."""
  if not count or count >= len(items):
    return list(items)
  return [items[round(i)] for i in np.linspace(0, len(items) - 1, count)]


def cut_group(
  sequence: Sequence,
  key: int,
  frames: Listing[int],
  arch: Architecture,
  jitter_in_crop: Float[np.ndarray, "n 2"] | None = None,
  size_error: Float[np.ndarray, "n 2"] | None = None,
) -> PairGroup:
  """Cuts one key's template and its search crops, each around the previous frame's true box.

  The crops keep the key's scale, but where the reader is "box": there they have that of the previous box.

  Args:
    key: frame index of the key.
    frames: frame indices to search, each with a box in it and before it.
    jitter_in_crop: shifts the search crops' centres, crop pixels.
    size_error: logarithm of what the previous box's size is taken to be, over what it is; for the reader "box".
  """
  boxes, before = sequence.boxes_xywh, np.asarray(frames) - 1
  key_scale = crop_scale(boxes[key, 2:], arch.template_px)
  sizes = np.broadcast_to(boxes[key, 2:], (len(frames), 2))
  if arch.reader == "box":
    sizes = boxes[before, 2:] * np.exp(np.float32(0 if size_error is None else size_error))
  scales = crop_scale(sizes, arch.template_px)
  shift = 0 if jitter_in_crop is None else jitter_in_crop / scales[:, None]
  centers = box_center(boxes[before]) + shift
  crops = [
    crop_square(sequence.frames[t], center, arch.search_px / float(scale), arch.search_px)
    for t, center, scale in zip(frames, centers, scales, strict=True)
  ]
  key_side = arch.template_px / float(key_scale)
  return PairGroup(
    sequence=sequence.name,
    key=key,
    template=crop_square(sequence.frames[key], box_center(boxes[key]), key_side, arch.template_px),
    search=np.stack(crops),
    truth_in_search=box_in_crop(boxes[np.asarray(frames)], centers, scales, arch.search_px).astype(np.float32),
    last_size=(sizes * scales[:, None]).astype(np.float32),
    size_in_crop=(boxes[key, 2:] * key_scale).astype(np.float32),
    frames_after_key=np.asarray(frames, np.int32) - key,
  )


def cut_key_search(sequence: Sequence, key: int, arch: Architecture) -> UInt8[np.ndarray, "s s 3"]:
  """The key frame's own search crop, centred on its target: what templates are trained on."""
  box = sequence.boxes_xywh[key]
  side = arch.search_px / float(crop_scale(box[2:], arch.template_px))
  return crop_square(sequence.frames[key], box_center(box), side, arch.search_px)


def evaluation_keys(sequence: Sequence, arch: Architecture, *, keys: int, frames: int) -> list[tuple[int, list[int]]]:
  """The (key, search frames) that the pair evaluation looks at.

  Args:
    keys: key frames a sequence, evenly spread over it; 0 takes every tenth frame.
    frames: how many frames after a key are looked at; 0 takes all 25. A key without a box in them is left out.
  """
  chosen = evenly_spaced(key_frames(sequence.boxes_xywh, arch), keys)
  horizon = frames or FRAMES_PER_KEY
  pairs = [(key, search_frames(sequence.boxes_xywh, key, arch, horizon)) for key in chosen]
  return [(key, run) for key, run in pairs if run]


@dataclasses.dataclass(frozen=True)
class PairSampler:
  """Draws training groups: group `index` depends on the seed and the index alone.

  Attributes:
    sequences: what to draw from, each equally often.
    frames: search frames a group, drawn without order from the key's run.
    jitter_px: the search crop's centre is shifted by up to this many crop pixels on each axis.
    key_every: keys are drawn from every `key_every`-th frame.
  """

  sequences: Listing[Sequence]
  arch: Architecture
  seed: int
  frames: int
  jitter_px: float
  key_every: int = KEY_EVERY

  def __len__(self) -> int:
    return 2**62

  def __getitem__(self, index: int) -> PairGroup:
    rng = named_generator(self.seed, "training pairs", index)
    while True:
      which = rng.integers(len(self.sequences))
      if keys := self._keys[which]:
        return self._draw(rng, self.sequences[which], keys[rng.integers(len(keys))])

  @property
  def keys(self) -> int:
    """How many keys there are to draw: as many drawn are an epoch, though a sequence's share does not follow its."""
    return sum(len(keys) for keys in self._keys)

  @functools.cached_property
  def _keys(self) -> list[list[int]]:
    """The keys of each sequence, found once: in a long one that takes longer than cutting a group."""
    keys = [key_frames(sequence.boxes_xywh, self.arch, self.key_every) for sequence in self.sequences]
    if not any(keys):
      raise InputError("no training sequence has two frames in a row with a box, and so no pair to train on")
    return keys

  def _draw(self, rng: np.random.Generator, sequence: Sequence, key: int) -> PairGroup:
    run = search_frames(sequence.boxes_xywh, key, self.arch)
    frames = rng.choice(run, self.frames, replace=len(run) < self.frames).tolist()
    jitter = rng.uniform(-self.jitter_px, self.jitter_px, (self.frames, 2))
    return cut_group(sequence, key, frames, self.arch, jitter.astype(np.float32))
