"""A scene: everything that is drawn once per sequence, and what happens to it over time."""

import dataclasses

import numpy as np
from PIL import Image

from adadepth.data.render.bystanders import add_distractors, add_occluders, add_strangers
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.motion import smooth_curve, turns, wander
from adadepth.data.render.sprite import Sprite, Track, make_sprite, measure_boxes
from adadepth.data.render.textures import (
  contrasting_color,
  paint_surface,
  random_color,
  random_palette,
  region_mask,
  scatter_leaves,
)

STREAMS = ("background", "target", "path", "pose", "camera", "clutter", "distractors", "occlusion", "film")

# Grey levels between the mean colours of target and background that leave the hardest target trackable.
VISIBLE_LEVELS = 30.0


@dataclasses.dataclass(frozen=True)
class Scene:
  """What the frames of one sequence show.

  Attributes:
    backdrop: RGB canvas, at least as large as a frame.
    camera: left top corner of each frame in the backdrop, whole px, [t, 2].
    below: sprites under the target, bottom first.
    target: the sprite that the boxes belong to.
    above: sprites that pass over the target.
  """

  backdrop: Image.Image
  camera: np.ndarray
  below: list[tuple[Sprite, Track]]
  target: tuple[Sprite, Track]
  above: list[tuple[Sprite, Track]]


def build_scene(
  streams: dict[str, np.random.Generator], frames: int, height: int, width: int, difficulty: Difficulty
) -> Scene:
  """Draws everything that a sequence needs once; each concern has its own random stream."""
  backdrop, palette = paint_backdrop(streams, height, width, difficulty)
  slack = np.array(backdrop.size) - (width, height)
  camera = move_camera(streams["camera"], frames, slack, difficulty.motion)
  target = make_target(streams, frames, height, width, palette, difficulty)
  strangers = add_strangers(streams["clutter"], target, height, width, palette, difficulty.clutter)
  doubles = add_distractors(streams["distractors"], target, height, width, difficulty.distractors)
  above = add_occluders(streams["occlusion"], target, camera, palette, difficulty.occlusion)
  return Scene(backdrop, camera, strangers + doubles, target, above)


def paint_backdrop(
  streams: dict[str, np.random.Generator], height: int, width: int, difficulty: Difficulty
) -> tuple[Image.Image, np.ndarray]:
  """Returns the canvas, a fifth to a half larger than a frame, and its palette [8, 3]."""
  rng = streams["background"]
  margin = rng.uniform(1.2, 1.5)
  # Sixteens keep the Fourier transforms quick.
  height, width = (16 * int(np.ceil(margin * side / 16)) for side in (height, width))
  palettes = [random_palette(rng, random_color(rng, 18.0), rng.uniform(12, 40)) for _ in range(2)]
  leaves = rng.choice([0, 4, 12, 60], 2)
  far, near = (
    paint_surface(rng, height, width, palette, int(count), 1.0) for palette, count in zip(palettes, leaves, strict=True)
  )
  scatter_leaves(near, streams["clutter"], np.concatenate(palettes), int(20 * difficulty.clutter))
  canvas = Image.composite(near, far, region_mask(rng, height, width))
  scatter_leaves(canvas, streams["clutter"], np.concatenate(palettes), int(20 * difficulty.clutter))
  return canvas, np.concatenate([palettes[0][:4], palettes[1][:4]])


def move_camera(rng: np.random.Generator, frames: int, slack: np.ndarray, motion: float) -> np.ndarray:
  """Returns the camera's path over the backdrop, whole px, [frames, 2]: still in four sequences of ten."""
  still = rng.random() < 0.4
  path = wander(rng, frames, 1.0 + 4.0 * motion, np.zeros(2), slack)
  # Whole pixels: the backdrop is cropped, which is fast and keeps its grain, not resampled.
  return np.round(path[:1] + 0 * path if still else path).astype(int)


def make_target(
  streams: dict[str, np.random.Generator],
  frames: int,
  height: int,
  width: int,
  background: np.ndarray,
  difficulty: Difficulty,
) -> tuple[Sprite, Track]:
  """Returns the target and its track; its centre stays inside the image."""
  rng = streams["target"]
  side_px = min(height, width) * np.exp(rng.uniform(np.log(0.13), np.log(0.34)))
  aspect = np.exp(rng.uniform(-0.6, 0.6))
  size_xy = side_px * np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
  around = background.mean(axis=0)
  center = hide_color(contrasting_color(rng, around), around, difficulty.texture)
  palette = random_palette(rng, center, rng.uniform(20, 50) * (1 - 0.4 * difficulty.texture))
  sprite = make_sprite(rng, size_xy, palette, contrast=1.0 - 0.4 * difficulty.texture, faces=2)
  matrices, morph = pose_target(streams["pose"], frames, difficulty)
  still = Track(np.zeros((frames, 2)), matrices, morph)
  reach = np.minimum(0.5 * measure_boxes(sprite.outline, still)[:, 2:].max(axis=0), 0.4 * np.array([width, height]))
  step_px = side_px * (0.1 + 0.4 * difficulty.motion)
  path = wander(streams["path"], frames, step_px, reach * 0.9, (width, height) - reach * 0.9)
  return sprite, Track(path, matrices, morph)


def hide_color(bold: np.ndarray, background: np.ndarray, texture: float) -> np.ndarray:
  """Moves a colour by up to 0.8 of the way into the background, but no closer than VISIBLE_LEVELS."""
  contrast = np.abs(bold - background).mean()
  share = max(1.0 - 0.8 * texture, min(1.0, VISIBLE_LEVELS / (contrast + 1e-6)))
  return background + share * (bold - background)


def pose_target(rng: np.random.Generator, frames: int, difficulty: Difficulty) -> tuple[np.ndarray, np.ndarray]:
  """Returns matrices [frames, 2, 2] and the share of the second face [frames]."""
  angle, zoom, squeeze, morph = smooth_curve(rng, frames, 4).T
  matrices = turns(
    1.5 * difficulty.rotation * angle,
    np.exp(0.55 * difficulty.scale * zoom),
    1.0 - 0.2 * difficulty.rotation * (1 + squeeze),
  )
  return matrices, 0.45 * difficulty.rotation * (1 + morph)
