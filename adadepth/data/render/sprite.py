"""One moving thing: its outline, two faces and a mask, and how it is laid over a frame."""

import dataclasses

import numpy as np
from PIL import Image, ImageFilter

from adadepth.data.render.shapes import draw_mask, random_outline
from adadepth.data.render.textures import paint_surface

MARGIN_PX = 3

# Pixels of a face per pixel of an image that shows it at its own size: zooming in stays crisp.
DENSITY = 1.5


@dataclasses.dataclass(frozen=True)
class Sprite:
  """A flat textured thing.

  Attributes:
    outline: points of all its polygons around its centre, [n, 2], px.
    faces: the two RGB images it morphs between.
    mask: coverage, "L", of the size of the faces, `density` times finer than the outline's px; the
      outline's origin is its centre.
    density: pixels of the mask per px of the outline.
    coarse: the same at half the density, shown where it is dense enough, or None.
  """

  outline: np.ndarray
  faces: tuple[Image.Image, Image.Image]
  mask: Image.Image
  density: float = DENSITY
  coarse: "Sprite | None" = None

  @property
  def size_xy(self) -> np.ndarray:
    """Width and height before it is turned, [2], px."""
    return np.ptp(self.outline, axis=0)


@dataclasses.dataclass(frozen=True)
class Track:
  """The poses of one sprite.

  Attributes:
    center_in_image: centre of its box in every frame, [t, 2], px.
    matrices: what its outline is multiplied by, [t, 2, 2].
    morph: share of the second face, [t] in [0, 1].
  """

  center_in_image: np.ndarray
  matrices: np.ndarray
  morph: np.ndarray


def make_sprite(
  rng: np.random.Generator, size_xy: np.ndarray, palette: np.ndarray, *, contrast: float, faces: int
) -> Sprite:
  """Makes a sprite of random shape.

  Args:
    rng: consumed.
    size_xy: width and height of its unturned box, [2], px.
    palette: RGB, [n, 3], n >= 4.
    contrast: of its texture; 1 is usual.
    faces: 2 for one that changes its looks, 1 for one that does not.
  """
  parts = [part * size_xy * DENSITY for part in random_outline(rng)]
  width, height = (int(np.ceil(side * DENSITY)) + 2 * MARGIN_PX for side in size_xy)
  leaves = int(rng.choice([0, 3, 8]))
  painted = [paint_surface(rng, height, width, palette, leaves, contrast) for _ in range(faces)]
  for index, part in enumerate(parts[1:], start=1):
    color = tuple(int(c) for c in palette[index])
    stain = draw_mask([part], width, height).point(lambda coverage: 0.8 * coverage)
    for face in painted:
      face.paste(color, mask=stain)
  mask = draw_mask(parts, width, height)
  if rng.random() < 0.6:
    painted = round_off(painted, mask, rng.uniform(0.0, 0.6))
  return Sprite(np.concatenate(parts) / DENSITY, (painted[0], painted[-1]), mask)


def with_coarse(sprite: Sprite) -> Sprite:
  """Returns the sprite with a coarse copy: shown small, its edges and texture stay smooth. Its size is even."""
  faces = tuple(face.reduce(2) for face in sprite.faces)
  coarse = Sprite(sprite.outline, faces, sprite.mask.reduce(2), sprite.density / 2)
  return dataclasses.replace(sprite, coarse=coarse)


def recolor(sprite: Sprite, table: np.ndarray) -> Sprite:
  """Returns the sprite with value v of channel c turned into table[c, v], [3, 256], clipped to 0..255."""
  points = np.clip(table, 0, 255).astype(int).ravel().tolist()
  faces = tuple(face.point(points) for face in sprite.faces)
  coarse = None if sprite.coarse is None else recolor(sprite.coarse, table)
  return dataclasses.replace(sprite, faces=faces, coarse=coarse)


def round_off(faces: list[Image.Image], mask: Image.Image, depth: float) -> list[Image.Image]:
  """Darkens faces towards the rim of the mask, by up to the share `depth`, as light does on a round body."""
  rim = mask.filter(ImageFilter.BoxBlur(0.18 * min(mask.size)))
  shade = rim.point(lambda coverage: 255 * (1 - depth) + depth * coverage)
  return [Image.composite(face, Image.new("RGB", face.size), shade) for face in faces]


def measure_boxes(outline: np.ndarray, track: Track) -> np.ndarray:
  """Returns the exact boxes of the turned outline, float32 xywh [t, 4]: occlusion does not shrink them."""
  points = np.einsum("tij,nj->tni", track.matrices, outline)
  size = points.max(axis=1) - points.min(axis=1)
  return np.concatenate([track.center_in_image - size / 2, size], axis=1).astype(np.float32)


def paste_sprite(frame: Image.Image, sprite: Sprite, track: Track, t: int, shift: np.ndarray) -> None:
  """Lays the sprite's pose at frame t, moved by shift [2] px, over `frame`, in place."""
  matrix = track.matrices[t]
  # Bilinear resampling skips pixels from a scale of 2 on.
  if sprite.coarse is not None and sprite.density**2 > 2 * np.linalg.det(matrix):
    return paste_sprite(frame, sprite.coarse, track, t, shift)
  points = sprite.outline @ matrix.T
  low, high = points.min(axis=0), points.max(axis=0)
  origin = track.center_in_image[t] + shift - (low + high) / 2
  left, top = np.maximum(np.floor(origin + low) - 1, 0).astype(int)
  right, bottom = np.minimum(np.ceil(origin + high) + 1, frame.size).astype(int)
  if right <= left or bottom <= top:
    return
  back = sprite.density * np.linalg.inv(matrix)
  offset = np.array(sprite.mask.size) / 2 + back @ (np.array([left, top]) - origin)
  affine = (*back[0], offset[0], *back[1], offset[1])
  face = Image.blend(*sprite.faces, track.morph[t]) if track.morph[t] > 0 else sprite.faces[0]
  face, mask = (
    layer.transform((right - left, bottom - top), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    for layer in (face, sprite.mask)
  )
  frame.paste(face, (left, top), mask)
