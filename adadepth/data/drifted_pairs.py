"""Training pairs as a tracker meets them: the last box is not quite right, and so neither is the crop around it."""

import dataclasses
from collections.abc import Sequence as Listing

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

from adadepth.data.crops import crop_square
from adadepth.data.pairs import PairGroup
from adadepth.data.sequence import Sequence
from adadepth.errors import InputError
from adadepth.maths.geometry import box_center, box_in_crop, template_side
from adadepth.maths.random_streams import named_generator
from adadepth.models.architecture import Architecture

HORIZON = 60  # frames between a key and what is searched, either way
LEAST_PX = 3.0  # a target smaller than that on a side is left out
# Half of the crops are off by a Gaussian, as a tracker's are; half by anything, so that no place is preferred.
DRIFT_SHARE = 0.09  # its standard deviation, in search crops
SIZE_ERRORS, OFTEN = (0.12, 0.28), 0.7  # standard deviations of the logarithm of the last size; the first is so often
ASPECT_SHARE = 0.6  # that of each side on its own, over the one of both
GREY, BLURRED = 0.12, 0.12  # shares of pairs, and of crops


@dataclasses.dataclass(frozen=True)
class DriftedSampler:
  """Draws training groups of one search frame: group `index` depends on the seed and the index alone.

  Attributes:
    sequences: what to draw from, each equally often.
  """

  sequences: Listing[Sequence]
  arch: Architecture
  seed: int

  def __len__(self) -> int:
    return 2**62

  def __getitem__(self, index: int) -> PairGroup:
    rng = named_generator(self.seed, "drifted pairs", index)
    for _ in range(1000):
      sequence = self.sequences[rng.integers(len(self.sequences))]
      usable = np.flatnonzero((sequence.boxes_xywh[:, 2:] >= LEAST_PX).all(axis=1))
      if len(usable) > 1:
        key = rng.choice(usable)
        frame = rng.choice(usable[np.abs(usable - key) <= HORIZON])
        return drifted_pair(sequence, int(key), int(frame), self.arch, rng)
    raise InputError(f"no training sequence has two boxes of {LEAST_PX:g} px or more, and so no pair to train on")

  @property
  def keys(self) -> int:
    """How many keys there are to draw: as many drawn are an epoch."""
    return sum(int((s.boxes_xywh[:, 2:] >= LEAST_PX).all(axis=1).sum()) for s in self.sequences)


def drifted_pair(sequence: Sequence, key: int, frame: int, arch: Architecture, rng: np.random.Generator) -> PairGroup:
  """A key and one search frame, cut around a box that is off in place, size and shape, in colours of another light."""
  key_box, box = (sequence.boxes_xywh[t].astype(np.float64) for t in (key, frame))
  given = key_box[2:] * np.exp(rng.normal(0, 0.03, 2))  # a person's box is not exact either
  key_center = box_center(key_box) + key_box[2:] * rng.normal(0, 0.02, 2)
  key_side = float(template_side(given))
  error = SIZE_ERRORS[rng.random() >= OFTEN]
  last = box[2:] * np.exp(rng.normal(0, error) + rng.normal(0, ASPECT_SHARE * error, 2))
  scale = arch.template_px / float(template_side(last))
  middle = arch.search_px / 2
  offset = rng.uniform(-1, 1, 2) * (middle - 20) if rng.random() < 0.5 else rng.normal(0, DRIFT_SHARE, 2) * 2 * middle
  center = box_center(box) - np.clip(offset, 12 - middle, middle - 12) / scale
  template = crop_square(sequence.frames[key], key_center, key_side, arch.template_px)
  search = crop_square(sequence.frames[frame], center, arch.search_px / scale, arch.search_px)
  truth = box_in_crop(box[None], center[None], np.array([scale]), arch.search_px)
  template, search = other_light((template, search), rng)
  if rng.random() < 0.5:
    template, search = template[:, ::-1], search[:, ::-1]
    truth[:, 0] = arch.search_px - truth[:, 0] - truth[:, 2]
  return PairGroup(
    sequence=sequence.name,
    key=key,
    template=template,
    search=search[None],
    truth_in_search=truth.astype(np.float32),
    last_size=(last * scale)[None].astype(np.float32),
    size_in_crop=(key_box[2:] * arch.template_px / key_side).astype(np.float32),
    frames_after_key=np.array([frame - key], np.int32),
  )


def drift(
  rng: np.random.Generator, n: int, arch: Architecture
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
  """How far n boxes of a tracker that is doing well are off: their centres, crop pixels, and the logarithm of their
  sizes; as `cut_group` takes them.
  """
  size = rng.normal(0, SIZE_ERRORS[0], (n, 1)) + rng.normal(0, ASPECT_SHARE * SIZE_ERRORS[0], (n, 2))
  return rng.normal(0, DRIFT_SHARE * arch.search_px, (n, 2)).astype(np.float32), size.astype(np.float32)


def other_light(
  crops: Listing[UInt8[np.ndarray, "_ _ 3"]], rng: np.random.Generator
) -> list[UInt8[np.ndarray, "_ _ 3"]]:
  """Crops of one pair with contrast, brightness and colour changed: most of it alike in all, some in each; some grey
  or out of focus.
  """
  grey, lit = rng.random() < GREY, []
  both = _light(rng, (0.7, 1.3), (0.8, 1.25), (0.75, 1.3))
  for crop in crops:
    own = _light(rng, (0.85, 1.18), (0.92, 1.08), (0.85, 1.18))
    contrast, color, brightness = (a * b for a, b in zip(both, own, strict=True))
    pixels, mean = crop.astype(np.float32), np.float32(crop.mean())
    pixels = ((pixels - mean) * np.float32(contrast) + mean * np.float32(brightness)) * color.astype(np.float32)
    if grey:
      pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
    lit.append(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < BLURRED:
      blur = ImageFilter.GaussianBlur(rng.uniform(0.5, 1.6))
      lit[-1] = np.asarray(Image.fromarray(lit[-1]).filter(blur))
  return lit


def _light(rng: np.random.Generator, contrast: tuple, color: tuple, brightness: tuple) -> tuple:
  return rng.uniform(*contrast), rng.uniform(*color, 3), rng.uniform(*brightness)
