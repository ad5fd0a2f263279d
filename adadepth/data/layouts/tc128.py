"""TColor-128: `<Name>/img/0001.jpg ...`, `<Name>/<Name>_gt.txt` and `<Name>/<Name>_frames.txt`.

A line is x, y, w, h; pixels count from 1. The second file holds the first and the last image that the boxes are of:
"1,140".
"""

import pathlib

from adadepth.data.layouts.ground_truth import (
  Images,
  Layout,
  SequenceFiles,
  box_counted_from_one,
  cells_of,
  images_in,
)
from adadepth.errors import InputError


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  files = sorted(folder.glob("*_gt.txt")) if (folder / "img").is_dir() else ()
  return {"": files[0]} if len(files) == 1 else {}


def _images(files: SequenceFiles, boxes: int) -> Images:
  """The images from the first to the last that the boxes are of."""
  images, tables = images_in(files.folder), sorted(files.folder.glob("*_frames.txt"))
  if not tables:
    return images
  try:
    first, last = (int(cell) for cell in cells_of(tables[0].read_text("utf-8-sig", errors="replace")))
  except ValueError:
    raise InputError(f"{tables[0]} must hold the first and the last image of the boxes, like 1,140") from None
  return {number: path for number, path in images.items() if first <= number <= last}


TC128 = Layout(
  name="tc128",
  sign="<Name>/<Name>_gt.txt",
  targets=_targets,
  boxes={4: box_counted_from_one},
  first_pixel=1,
  images=_images,
)
