"""Sequences made of one photo each: a thing in its own surroundings, under random similar views."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image

from adadepth.data.render.cutouts import Album, find_region, read_photo
from adadepth.data.sequence import Sequence

FRAMES = 6
PLACES = 4  # are tried for a target without labels; the least plain is taken
SHARES = (0.1, 0.45)  # of a photo's shorter side: the root of the area of a target without labels
# Standard deviations of a view about its target: of its angle, radians; of the logarithm of its scale, of both axes and
# of each against the other.
TURN, ZOOM, SQUEEZE = 0.15, 0.25, 0.1


@dataclasses.dataclass(frozen=True)
class Views:
  """Frames that are views of one photo, as large as it is; each is made when it is asked for.

  Attributes:
    photo: its file.
    to_photo: from (x, y, 1) of a frame to (x, y) of the photo, [t, 2, 3].
  """

  photo: pathlib.Path
  to_photo: np.ndarray

  def __len__(self) -> int:
    return len(self.to_photo)

  def __getitem__(self, index: int) -> np.ndarray:
    photo = read_photo(self.photo)
    mean = photo.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    affine = self.to_photo[index].ravel().tolist()
    view = photo.transform(photo.size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR, fillcolor=mean)
    return np.asarray(view)


def photo_sequence(album: Album, *, seed: int, index: int) -> Sequence:
  """A region of a photo, or any part of one that has no labels, in FRAMES views; it follows from seed and index."""
  rng = np.random.default_rng((11, index, seed))
  path, labels = album.pick(rng)
  photo = read_photo(path)
  region = find_region(rng, photo, labels) if labels else None
  if region:
    left, top, inside = region
    size = np.array(inside.shape[::-1], float)
    center = np.array([left, top]) + size / 2
  else:
    center, size = _any_part(rng, np.asarray(photo))
  views, boxes = [], []
  for _ in range(FRAMES):
    turn = rng.normal(0, TURN)
    zoom = np.exp(rng.normal(0, ZOOM) + rng.normal(0, SQUEEZE) * np.array([1, -1]))
    to_frame = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * zoom
    back = np.linalg.inv(to_frame)
    views.append(np.column_stack([back, center - back @ center]))
    half = np.sqrt(np.square(to_frame * (size / 2)).sum(axis=1))  # of the box around the turned ellipse
    boxes.append([*(center - half), *(2 * half)])
  return Sequence(f"photo/{index:05d}", Views(path, np.stack(views)), np.float32(boxes))


def _any_part(rng: np.random.Generator, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Centre and size of a random box, (x, y), px: of PLACES places the one with the most contrast."""
  frame_wh = np.array(pixels.shape[1::-1])
  side = rng.uniform(*SHARES) * frame_wh.min()
  size = side * np.exp(rng.normal(0, 0.35) * np.array([1, -1]))
  corners = rng.uniform(0, 1, (PLACES, 2)) * np.maximum(frame_wh - size, 0)

  def contrast(corner: np.ndarray) -> float:
    (left, top), (right, bottom) = corner.astype(int), np.ceil(corner + size).astype(int)
    return pixels[top:bottom, left:right].std(axis=(0, 1)).mean()

  return max(corners, key=contrast) + size / 2, size
