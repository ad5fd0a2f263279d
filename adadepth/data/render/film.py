"""What happens between the scene and the file: exposure, light, focus, grain, grey."""

import dataclasses
import io

import numpy as np
from PIL import Image, ImageFilter

from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.motion import smooth_curve
from adadepth.data.render.scene import Scene
from adadepth.data.render.sprite import paste_sprite

GRAIN_SHIFT_PX = 32


@dataclasses.dataclass(frozen=True)
class Film:
  """How one sequence is recorded.

  Attributes:
    tables: tone curve of each frame and channel, uint8 [t, 3, 256].
    defocus_px: radius of the box blur in each frame, [t].
    exposure: share of a frame's time during which the target's motion smears, in [0, 1].
    grain: noise to cut frames from, int16 [h + 32, w + 32, 3].
    grain_shifts: left top corner of each frame's cut, [t, 2], px.
    grey: whether the frames have no colour.
    jpeg_quality: at which the frames are compressed, up to 100; 0: they are not.
  """

  tables: np.ndarray
  defocus_px: np.ndarray
  exposure: float
  grain: np.ndarray
  grain_shifts: np.ndarray
  grey: bool
  jpeg_quality: int = 0


def load_film(rng: np.random.Generator, frames: int, height: int, width: int, difficulty: Difficulty) -> Film:
  """Chooses how a sequence is recorded; one sequence in seven is grey."""
  grey = rng.random() < 1 / 7
  tables = tone_curves(rng, frames, difficulty.light)
  defocus_px = 1.6 * difficulty.blur * np.clip(0.3 + smooth_curve(rng, frames)[:, 0], 0, None)
  shifts = rng.integers(0, GRAIN_SHIFT_PX, (frames, 2))
  shape = (height + GRAIN_SHIFT_PX, width + GRAIN_SHIFT_PX, 3)
  grain = np.round(16 * difficulty.noise * rng.standard_normal(shape, np.float32)).astype(np.int16)
  return Film(tables, defocus_px, 0.8 * difficulty.blur, grain, shifts, grey)


def tone_curves(rng: np.random.Generator, frames: int, light: float) -> np.ndarray:
  """Returns 255 gain_c (v / 255)^gamma for all v, uint8 [frames, 3, 256]; the identity at light 0."""
  curves = smooth_curve(rng, frames, 5)
  gamma = np.exp(0.3 * light * curves[:, :1, None])
  gain = np.exp(0.3 * light * curves[:, 1:2] + 0.12 * light * curves[:, 2:])
  values = np.linspace(0, 1, 256)
  return np.clip(np.round(255 * gain[..., None] * values**gamma), 0, 255).astype(np.uint8)


def expose(scene: Scene, film: Film, t: int, height: int, width: int) -> np.ndarray:
  """Returns frame t, uint8 [height, width, 3]."""
  left, top = scene.camera[t].tolist()
  frame = scene.backdrop.crop((left, top, left + width, top + height))
  for sprite, track in scene.below:
    paste_sprite(frame, sprite, track, t, np.zeros(2))
  frame = paste_target(frame, scene, film.exposure, t)
  for sprite, track in scene.above:
    paste_sprite(frame, sprite, track, t, np.zeros(2))
  pixels = develop(frame, film, t)
  return compress(pixels, film.jpeg_quality) if film.jpeg_quality else pixels


def paste_target(frame: Image.Image, scene: Scene, exposure: float, t: int) -> Image.Image:
  """Lays the target over the frame; its motion smears evenly around the pose that the box is measured on."""
  sprite, track = scene.target
  path = track.center_in_image
  velocity = path[min(t + 1, len(path) - 1)] - path[max(t - 1, 0)]
  smear = exposure * velocity / (min(t + 1, len(path) - 1) - max(t - 1, 0) or 1)
  if np.hypot(*smear) < 1.0:
    paste_sprite(frame, sprite, track, t, np.zeros(2))
    return frame
  mean = None
  for count, share in enumerate((-0.4, 0.0, 0.4), start=1):
    moment = frame.copy()
    paste_sprite(moment, sprite, track, t, share * smear)
    mean = moment if mean is None else Image.blend(mean, moment, 1 / count)
  return mean


def develop(frame: Image.Image, film: Film, t: int) -> np.ndarray:
  """Applies focus, light, colour and grain to a frame; returns uint8 [h, w, 3]."""
  if film.defocus_px[t] > 0.1:
    frame = frame.filter(ImageFilter.BoxBlur(float(film.defocus_px[t])))
  frame = frame.point(film.tables[t].ravel().tolist())
  if film.grey:
    frame = frame.convert("L").convert("RGB")
  pixels = np.asarray(frame)
  if not film.grain.any():
    return pixels
  left, top = film.grain_shifts[t]
  grain = film.grain[top : top + pixels.shape[0], left : left + pixels.shape[1]]
  if film.grey:
    grain = grain[..., :1]
  return np.clip(pixels + grain, 0, 255).astype(np.uint8)


def compress(pixels: np.ndarray, quality: int) -> np.ndarray:
  """Returns what is left of uint8 [h, w, 3] in a JPEG."""
  file = io.BytesIO()
  Image.fromarray(pixels).save(file, "jpeg", quality=quality)
  return np.array(Image.open(file))
