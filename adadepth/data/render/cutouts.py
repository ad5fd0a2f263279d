"""Things and backgrounds out of real photos: cut along region labels, or along outlines of our own."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image, ImageFilter, ImageOps, ImageStat
from scipy import ndimage

from adadepth.data.render.bystanders import Maker
from adadepth.data.render.shapes import draw_mask, random_outline
from adadepth.data.render.sprite import DENSITY, MARGIN_PX, Sprite, recolor, with_coarse
from adadepth.data.render.textures import hide_color, ramp
from adadepth.errors import InputError
from adadepth.io.images import SUFFIXES, decode_image, open_image

MASKS = "masks"
MAX_LABELS = 1 << 16
# A photo, and the image of its region labels, or None: then things are cut along outlines of our own.
Picked = tuple[pathlib.Path, pathlib.Path | None]
OWN_OUTLINES = 0.25  # share of the things that are

# A region is worth cutting out if it takes this share of its photo, fills that much of its box at least, is not
# longer than so many times its width, and lies on the photo's edge with no more than that share of its box's rim.
AREA_SHARES, FILLED_SHARE, LONGEST, CUT_OFF_SHARE = (0.015, 0.3), 0.3, 3.0, 0.08


@dataclasses.dataclass(frozen=True)
class Album:
  """Photos to cut from; each is decoded when it is used.

  Attributes:
    photos: all of them.
    masked: those with labels, folder by folder.
  """

  photos: tuple[pathlib.Path, ...]
  masked: tuple[tuple[Picked, ...], ...]

  def pick(self, rng: np.random.Generator) -> Picked:
    """Returns a random photo, and its labels where a thing is to be cut along them."""
    if not self.masked or rng.random() < OWN_OUTLINES:
      return self.photos[rng.integers(len(self.photos))], None
    # Square roots: a small folder of whole objects is not drowned by a large one of segments.
    weight = np.sqrt([len(folder) for folder in self.masked])
    folder = self.masked[rng.choice(len(weight), p=weight / weight.sum())]
    return folder[rng.integers(len(folder))]

  def backdrop(self, rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Returns a part of a photo on a canvas a fifth to a half larger than a frame."""
    photo = read_photo(self.photos[rng.integers(len(self.photos))])
    width, height = np.ceil(rng.uniform(1.2, 1.5) * np.array([width, height])).astype(int).tolist()
    canvas = crop_window(rng, photo, (width, height), rng.uniform(0.7, 1.0))
    return ImageOps.mirror(canvas) if rng.random() < 0.5 else canvas


def open_album(folder: str) -> Album | None:
  """Lists the photos in a tree of folders, with labels of the same names in `masks/` beside them; None for "".

  Raises:
    InputError: there is no such folder, or no picture in it.
  """
  if not folder:
    return None
  images = sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
  masks = {(path.parent.parent, path.stem): path for path in images if path.parent.name == MASKS}
  photos = tuple(path for path in images if path.parent.name != MASKS)
  if not photos:
    fault = f"holds no photos ({', '.join(SUFFIXES)})" if pathlib.Path(folder).is_dir() else "is no folder"
    raise InputError(
      f"`photos` (={folder!r}) {fault}: name a folder of photos, with label images of the same names in {MASKS}/ "
      'beside them where there are any, or "" for painted shapes'
    )
  masked: dict[pathlib.Path, list[Picked]] = {}
  for photo in photos:
    if mask := masks.get((photo.parent, photo.stem)):
      masked.setdefault(photo.parent, []).append((photo, mask))
  return Album(photos, tuple(map(tuple, masked.values())))


def cut_target(
  rng: np.random.Generator, album: Album, backdrop: Image.Image, height: int, width: int, texture: float
) -> tuple[Sprite, float, Maker]:
  """Returns the target, the root of its box's area in px, and who cuts strangers, half of them from its photo."""
  side_px = min(height, width) * np.exp(rng.uniform(np.log(0.1), np.log(0.34)))
  picked = album.pick(rng)
  sprite = cut_sprite(rng, np.full(2, side_px), album=album, picked=picked)
  color, around = (np.array(ImageStat.Stat(*seen).mean) for seen in ((sprite.faces[0], sprite.mask), (backdrop,)))
  # Photos are less plain than paint: half the way hides as well.
  shift = hide_color(color, around, 0.5 * texture) - color

  def stranger(rng: np.random.Generator, side: np.ndarray) -> Sprite:
    kin = (picked[0], None) if rng.random() < 0.5 else None
    return cut_sprite(rng, side * rng.uniform(0.6, 1.4), album=album, picked=kin)

  return recolor(sprite, np.arange(256) + shift[:, None]), side_px, stranger


def cut_sprite(rng: np.random.Generator, side: np.ndarray, *, album: Album, picked: Picked | None = None) -> Sprite:
  """Cuts a thing out of a photo: a region of it where one is worth it, else an outline of our own.

  Args:
    rng: consumed.
    side: its unturned box has the area of this one, [2], px, and about the shape it has in the photo.
    album: what it is cut from.
    picked: what exactly; None: anything.
  Returns:
    A sprite whose second face is the first in another light.
  """
  path, labels = picked or album.pick(rng)
  photo = read_photo(path)
  region = find_region(rng, photo, labels) if labels else None
  natural = np.ones(2) if region is None else np.array(region[2].shape[::-1])
  stretch = np.exp(rng.uniform(-0.25, 0.25) * np.array([1, -1]))
  size_xy = np.sqrt(side.prod() / natural.prod()) * natural * stretch
  # Even, so that a copy of half the size has the same centre.
  width, height = (2 * np.ceil(size_xy * DENSITY / 2).astype(int) + 2 * MARGIN_PX).tolist()
  if region is None:
    parts = [part * size_xy * DENSITY for part in random_outline(rng)]
    face, mask = crop_window(rng, photo, (width, height), rng.uniform(0.12, 0.5)), draw_mask(parts, width, height)
    outline = np.concatenate(parts) / DENSITY
  else:
    face, mask = cut_region(photo, region, size_xy, (width, height))
    outline = rim(mask)
  if rng.random() < 0.5:
    face, mask, outline = ImageOps.mirror(face), ImageOps.mirror(mask), outline * (-1, 1)
  light = Image.fromarray((170 + 85 * ramp(rng, height, width)).astype(np.uint8))
  return with_coarse(Sprite(outline, (face, Image.composite(face, Image.new("RGB", face.size), light)), mask))


def find_region(rng: np.random.Generator, photo: Image.Image, path: pathlib.Path) -> tuple[int, int, np.ndarray] | None:
  """Returns left, top and pixels (bool [h, w]) of a random region worth cutting out, None if none is."""
  try:
    labels = np.asarray(open_image(path))
  except Exception as error:  # of whatever kind Pillow's decoders raise
    raise InputError(f"{path}: cannot read the labels ({error}); restore or remove it") from error
  if labels.shape != (photo.height, photo.width):
    raise InputError(f"{path}: labels of shape {labels.shape} for a photo of {photo.height} x {photo.width} pixels")
  if labels.dtype.kind not in "bu" and (labels.dtype.kind != "i" or labels.min() < 0 or labels.max() >= MAX_LABELS):
    raise InputError(f"{path}: labels must be whole numbers from 0 to {MAX_LABELS - 1}; restore or remove it")
  least, most = (share * labels.size for share in AREA_SHARES)
  edge = np.pad(np.zeros(np.subtract(labels.shape, 2), bool), 1, constant_values=True)
  area = np.bincount(labels.ravel())
  for label in rng.permutation(np.flatnonzero((area >= least) & (area <= most))):
    pieces, _ = ndimage.label(labels == label)
    largest = 1 + np.bincount(pieces.ravel())[1:].argmax()
    box = ndimage.find_objects(pieces)[largest - 1]
    inside = pieces[box] == largest
    height, width = inside.shape
    cut_off = (inside & edge[box]).sum() > CUT_OFF_SHARE * 2 * (height + width)
    long = max(height, width) > LONGEST * min(height, width)
    if inside.sum() >= least and inside.mean() >= FILLED_SHARE and not long and not cut_off:
      return box[1].start, box[0].start, ndimage.binary_fill_holes(inside)
  return None


def cut_region(
  photo: Image.Image, region: tuple[int, int, np.ndarray], size_xy: np.ndarray, face_xy: tuple[int, int]
) -> tuple[Image.Image, Image.Image]:
  """Returns a face of face_xy pixels with the region in the middle, and its mask."""
  left, top, inside = region
  height, width = inside.shape
  x, y = ((np.array(face_xy) / (size_xy * DENSITY) - 1) * (width, height) / 2).round().astype(int) + 1
  face = photo.crop((left - x, top - y, left + width + x, top + height + y))
  mask = Image.fromarray(np.pad(255 * inside.astype(np.uint8), ((y, y), (x, x))))
  # Labels end a pixel or so late, and what lies behind would show as a halo.
  mask = mask.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.7))
  return face.resize(face_xy, Image.Resampling.BILINEAR), mask.resize(face_xy, Image.Resampling.BILINEAR)


def rim(mask: Image.Image) -> np.ndarray:
  """Returns the corners of the outermost pixels in each row of a mask, around its centre, [n, 2], px of an outline."""
  inside = np.asarray(mask)
  inside = inside > inside.max() / 2
  rows = np.flatnonzero(inside.any(axis=1))
  left, right = inside[rows].argmax(axis=1), mask.width - inside[rows, ::-1].argmax(axis=1)
  corners = [np.stack([x, y], axis=1) for x in (left, right) for y in (rows, rows + 1)]
  return (np.concatenate(corners) - np.array(mask.size) / 2) / DENSITY


def read_photo(path: pathlib.Path) -> Image.Image:
  """Returns the picture as RGB."""
  return Image.fromarray(decode_image(path, name=str(path)))


def crop_window(rng: np.random.Generator, photo: Image.Image, size: tuple[int, int], share: float) -> Image.Image:
  """Returns a random window of the shape of `size`, as large as fits into the photo times `share`, resized to it."""
  window = share * min(photo.width / size[0], photo.height / size[1]) * np.array(size)
  low = rng.uniform(0, 1, 2) * (np.array(photo.size) - window)
  high = np.minimum(low + window, photo.size)
  return photo.resize(size, Image.Resampling.BILINEAR, box=(*low, *high))
