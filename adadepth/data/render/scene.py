"""A scene: everything that is drawn once per sequence, and what happens to it over time."""

import dataclasses
import functools

import numpy as np
from PIL import Image

from adadepth.data.render.bystanders import add_distractors, add_occluders, add_strangers, paint_cover, paint_stranger
from adadepth.data.render.cutouts import Album, cut_sprite, cut_target
from adadepth.data.render.difficulty import Difficulty
from adadepth.data.render.motion import smooth_curve, turns, wander
from adadepth.data.render.sprite import Sprite, Track, make_sprite, measure_boxes
from adadepth.data.render.textures import (
  contrasting_color,
  hide_color,
  paint_surface,
  random_color,
  random_palette,
  region_mask,
  scatter_leaves,
)

STREAMS = ("background", "target", "path", "pose", "camera", "clutter", "distractors", "occlusion", "film")


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
  streams: dict[str, np.random.Generator],
  frames: int,
  height: int,
  width: int,
  difficulty: Difficulty,
  album: Album | None = None,
) -> Scene:
  """Draws everything that a sequence needs once; each concern has its own random stream.

  Without an album everything is painted; with one it is cut from photos.
  """
  rng, pose = streams["target"], streams["pose"]
  if album is None:
    backdrop, palette = paint_backdrop(streams, height, width, difficulty)
    sprite, side_px = paint_target(rng, height, width, palette, difficulty)
    matrices, morph = pose_target(pose, frames, difficulty)
    stranger, cover = (functools.partial(paint, palette=palette) for paint in (paint_stranger, paint_cover))
  else:
    backdrop = album.backdrop(streams["background"], height, width)
    sprite, side_px, stranger = cut_target(rng, album, backdrop, height, width, difficulty.texture)
    matrices, morph = pose_cutout(pose, frames, difficulty, sprite, np.array([width, height]))
    cover = functools.partial(cut_sprite, album=album)
  slack = np.array(backdrop.size) - (width, height)
  camera = move_camera(streams["camera"], frames, slack, difficulty.motion)
  step_px = side_px * (0.1 + 0.4 * difficulty.motion)
  target = sprite, move_target(streams["path"], sprite, matrices, morph, step_px, height, width)
  strangers = add_strangers(streams["clutter"], target, height, width, stranger, difficulty.clutter)
  doubles = add_distractors(streams["distractors"], target, height, width, difficulty.distractors)
  above = add_occluders(streams["occlusion"], target, camera, cover, difficulty.occlusion)
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


def paint_target(
  rng: np.random.Generator, height: int, width: int, background: np.ndarray, difficulty: Difficulty
) -> tuple[Sprite, float]:
  """Returns the target and the root of its box's area, px."""
  side_px = min(height, width) * np.exp(rng.uniform(np.log(0.13), np.log(0.34)))
  aspect = np.exp(rng.uniform(-0.6, 0.6))
  size_xy = side_px * np.array([np.sqrt(aspect), 1 / np.sqrt(aspect)])
  around = background.mean(axis=0)
  center = hide_color(contrasting_color(rng, around), around, difficulty.texture)
  palette = random_palette(rng, center, rng.uniform(20, 50) * (1 - 0.4 * difficulty.texture))
  sprite = make_sprite(rng, size_xy, palette, contrast=1.0 - 0.4 * difficulty.texture, faces=2)
  return sprite, side_px


def move_target(
  rng: np.random.Generator,
  sprite: Sprite,
  matrices: np.ndarray,
  morph: np.ndarray,
  step_px: float,
  height: int,
  width: int,
) -> Track:
  """Returns the track of a target whose centre stays inside the image."""
  frames = len(morph)
  still = Track(np.zeros((frames, 2)), matrices, morph)
  reach = np.minimum(0.5 * measure_boxes(sprite.outline, still)[:, 2:].max(axis=0), 0.4 * np.array([width, height]))
  path = wander(rng, frames, step_px, reach * 0.9, (width, height) - reach * 0.9)
  return Track(path, matrices, morph)


def pose_target(rng: np.random.Generator, frames: int, difficulty: Difficulty) -> tuple[np.ndarray, np.ndarray]:
  """Returns matrices [frames, 2, 2] and the share of the second face [frames]."""
  angle, zoom, squeeze, morph = smooth_curve(rng, frames, 4).T
  matrices = turns(
    1.5 * difficulty.rotation * angle,
    np.exp(0.55 * difficulty.scale * zoom),
    1.0 - 0.2 * difficulty.rotation * (1 + squeeze),
  )
  return matrices, 0.45 * difficulty.rotation * (1 + morph)


def pose_cutout(
  rng: np.random.Generator, frames: int, difficulty: Difficulty, sprite: Sprite, image_xy: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """As pose_target: it turns less, since photos are upright, and its width and height change by themselves."""
  angle, zoom, shape, morph = smooth_curve(rng, frames, 4).T
  zoom, shape = 0.7 * difficulty.scale * zoom, 0.4 * difficulty.scale * shape
  matrices = turns(0.7 * difficulty.rotation * angle, np.exp(zoom - shape / 2), np.exp(shape))
  boxes = measure_boxes(sprite.outline, Track(np.zeros((frames, 2)), matrices, morph))
  # However it is turned and stretched, it is no larger than most of the image.
  return matrices * min(1.0, (0.9 * image_xy / boxes[:, 2:]).min()), 0.45 * difficulty.rotation * (1 + morph)
