"""Things and backgrounds out of real photos: cut along region masks, or along outlines of our own."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image, ImageFilter, ImageOps, ImageStat
from scipy import ndimage

from adadepth.data.render.bystanders import Maker
from adadepth.data.render.shapes import draw_mask, random_outline
from adadepth.data.render.sprite import DENSITY, MARGIN_PX, Sprite
from adadepth.data.render.textures import hide_color, ramp
from adadepth.errors import InputError
from adadepth.io.images import SUFFIXES, decode_image

MASKS = "masks"
# A face, its mask, and the points of its outline.
Piece = tuple[Image.Image, Image.Image, np.ndarray]

# A region is worth cutting out if it covers this share of its photo, that much of its own box at least, and if
# that much of its box's edge at most lies on the photo's.
AREA_SHARES, FILLED_SHARE, CUT_OFF_SHARE = (0.015, 0.3), 0.4, 0.08

# Of the things, how many are a piece of photo in one of our outlines.
OWN_OUTLINES = 0.25


@dataclasses.dataclass(frozen=True)
class Album:
  """Photos to cut from; each is decoded when it is used.

  Attributes:
    photos: all of them.
    masked: those with region labels, as (photo, mask), folder by folder.
  """

  photos: tuple[pathlib.Path, ...]
  masked: tuple[tuple[tuple[pathlib.Path, pathlib.Path], ...], ...]

  def pick(self, rng: np.random.Generator) -> tuple[pathlib.Path, pathlib.Path | None]:
    """Returns a photo, and its mask where the thing is to be cut along a region of it."""
    if not self.masked or rng.random() < OWN_OUTLINES:
      return self.photos[rng.integers(len(self.photos))], None
    # Square roots: a small folder of whole objects is not drowned by a large one of segments.
    weight = np.sqrt([len(pairs) for pairs in self.masked])
    pairs = self.masked[rng.choice(len(weight), p=weight / weight.sum())]
    return pairs[rng.integers(len(pairs))]

  def backdrop(self, rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Returns a part of a photo on a canvas a fifth to a half larger than a frame."""
    photo = read_photo(self.photos[rng.integers(len(self.photos))])
    margin = rng.uniform(1.2, 1.5)
    size = (int(np.ceil(margin * width)), int(np.ceil(margin * height)))
    canvas = crop_window(rng, photo, size, rng.uniform(0.7, 1.0))
    return ImageOps.mirror(canvas) if rng.random() < 0.5 else canvas


def open_album(folder: str) -> Album | None:
  """Lists the photos in a tree of folders, with the label images in `masks/` beside them; None for "".

  Raises:
    InputError: the folder holds no pictures.
  """
  if not folder:
    return None
  images = sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
  masks = {(p.parent.parent, p.stem): p for p in images if p.parent.name == MASKS}
  photos = [p for p in images if p.parent.name != MASKS]
  if not photos:
    raise InputError(
      f"`photos` (={folder!r}) holds no pictures ({', '.join(SUFFIXES)}): name a folder of photos, with label images "
      f'of the same names in {MASKS}/ beside them where there are any, or "" for painted shapes'
    )
  masked: dict[pathlib.Path, list] = {}
  for photo in photos:
    if mask := masks.get((photo.parent, photo.stem)):
      masked.setdefault(photo.parent, []).append((photo, mask))
  return Album(tuple(photos), tuple(tuple(pairs) for pairs in masked.values()))


def cut_target(
  rng: np.random.Generator, album: Album, backdrop: Image.Image, height: int, width: int, texture: float
) -> tuple[Sprite, float, Maker]:
  """Returns the target, the root of its box's area in px, and who makes its strangers, half from its own photo."""
  side_px = min(height, width) * np.exp(rng.uniform(np.log(0.1), np.log(0.34)))
  picked = album.pick(rng)
  sprite = cut_sprite(rng, np.full(2, side_px), album=album, picked=picked)
  color, around = (np.array(ImageStat.Stat(*seen).mean) for seen in ((sprite.faces[0], sprite.mask), (backdrop,)))
  shift = hide_color(color, around, texture) - color
  table = np.clip(np.arange(256) + shift[:, None], 0, 255).astype(int).ravel().tolist()
  sprite = dataclasses.replace(sprite, faces=tuple(face.point(table) for face in sprite.faces))

  def stranger(rng: np.random.Generator, side: np.ndarray) -> Sprite:
    kin = picked if rng.random() < 0.5 else None
    return cut_sprite(rng, side * rng.uniform(0.6, 1.4), album=album, picked=kin)

  return sprite, side_px, stranger


def cut_sprite(
  rng: np.random.Generator,
  side: np.ndarray,
  *,
  album: Album,
  picked: tuple[pathlib.Path, pathlib.Path | None] | None = None,
) -> Sprite:
  """Cuts a thing out of a photo: a region of it where it has any worth cutting out, else an outline of our own.

  Args:
    rng: consumed.
    side: its unturned box's area is theirs, [2], px; its shape is about what it is in the photo.
    album: what it is cut from.
    picked: a photo, and its mask or None; None: any.
  Returns:
    A sprite whose second face is the first in another light.
  """
  path, labels = picked or album.pick(rng)
  photo = read_photo(path)
  region = find_region(rng, photo, labels) if labels else None
  natural = np.ones(2) if region is None else np.array(region[2].shape[::-1])
  stretch = np.exp(rng.uniform(-0.25, 0.25) * np.array([1, -1]))
  size_xy = np.sqrt(side.prod() / natural.prod()) * natural * stretch
  face, mask, outline = own_piece(rng, photo, size_xy) if region is None else region_piece(photo, region, size_xy)
  if rng.random() < 0.5:
    face, mask, outline = ImageOps.mirror(face), ImageOps.mirror(mask), outline * (-1, 1)
  light = Image.fromarray(np.uint8(170 + 85 * ramp(rng, face.height, face.width)))
  return Sprite(outline, (face, Image.composite(face, Image.new("RGB", face.size), light)), mask)


def own_piece(rng: np.random.Generator, photo: Image.Image, size_xy: np.ndarray) -> Piece:
  """Returns a part of the photo in an outline that has nothing to do with it."""
  parts = [part * size_xy * DENSITY for part in random_outline(rng)]
  mask = draw_mask(parts, *pixels_of(size_xy))
  return crop_window(rng, photo, mask.size, rng.uniform(0.12, 0.5)), mask, np.concatenate(parts) / DENSITY


def region_piece(photo: Image.Image, region: tuple[int, int, np.ndarray], size_xy: np.ndarray) -> Piece:
  """Returns a region of the photo; its outline is read off the mask."""
  left, top, inside = region
  height, width = inside.shape
  size = pixels_of(size_xy)
  x, y = np.ceil(MARGIN_PX * np.array([width, height]) / size_xy / DENSITY).astype(int)
  face = photo.crop((left - x, top - y, left + width + x, top + height + y)).resize(size, Image.Resampling.BILINEAR)
  mask = Image.fromarray(np.pad(255 * inside.astype(np.uint8), ((y, y), (x, x))))
  # Labels end a pixel or so late: what lies behind would show as a halo.
  mask = mask.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.7))
  mask = mask.resize(size, Image.Resampling.BILINEAR)
  return face, mask, rim(mask)


def pixels_of(size_xy: np.ndarray) -> tuple[int, int]:
  """Returns width and height of the face of a thing of this size."""
  width, height = (int(np.ceil(side * DENSITY)) + 2 * MARGIN_PX for side in size_xy)
  return width, height


def find_region(rng: np.random.Generator, photo: Image.Image, path: pathlib.Path) -> tuple[int, int, np.ndarray] | None:
  """Returns the left, the top and the pixels bool [h, w] of a random region worth cutting out, None if none is."""
  labels = np.asarray(Image.open(path))
  if labels.shape != (photo.height, photo.width):
    raise InputError(f"{path}: its labels {labels.shape} are not one for each pixel of its photo of {photo.size}")
  area = np.bincount(labels.ravel()) / labels.size
  for label in rng.permutation(np.flatnonzero((area > AREA_SHARES[0]) & (area < AREA_SHARES[1]))):
    pieces, _ = ndimage.label(labels == label)
    piece = 1 + np.bincount(pieces.ravel())[1:].argmax()
    rows, columns = ndimage.find_objects(pieces)[piece - 1]
    inside = ndimage.binary_fill_holes(pieces[rows, columns] == piece)
    height, width = inside.shape
    cut_off = sum(
      edge.sum()
      for edge, at_border in (
        (inside[0], rows.start == 0),
        (inside[-1], rows.stop == photo.height),
        (inside[:, 0], columns.start == 0),
        (inside[:, -1], columns.stop == photo.width),
      )
      if at_border
    )
    big = inside.sum() > AREA_SHARES[0] * labels.size
    if big and inside.mean() > FILLED_SHARE and cut_off <= CUT_OFF_SHARE * 2 * (height + width):
      return columns.start, rows.start, inside
  return None


def rim(mask: Image.Image) -> np.ndarray:
  """Returns the corners of the outermost pixels in every row of a mask, around its centre, [n, 2], px."""
  inside = np.asarray(mask)
  inside = inside > inside.max() / 2
  rows = np.flatnonzero(inside.any(axis=1))
  left, right = inside[rows].argmax(axis=1), mask.width - inside[rows, ::-1].argmax(axis=1)
  points = [np.stack([x, y], axis=1) for x in (left, right) for y in (rows, rows + 1)]
  return (np.concatenate(points) - np.array(mask.size) / 2) / DENSITY


def read_photo(path: pathlib.Path) -> Image.Image:
  """Returns the picture as RGB."""
  return Image.fromarray(decode_image(path, name=str(path)))


def crop_window(rng: np.random.Generator, photo: Image.Image, size: tuple[int, int], share: float) -> Image.Image:
  """Returns a random window of the shape of `size`, as large as fits into the photo times `share`, resized to it."""
  window = share * min(photo.width / size[0], photo.height / size[1]) * np.array(size)
  low = rng.uniform(0, 1, 2) * (np.array(photo.size) - window)
  return photo.resize(size, Image.Resampling.BILINEAR, box=(*low, *np.minimum(low + window, photo.size)))
