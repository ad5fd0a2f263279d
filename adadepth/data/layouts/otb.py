"""OTB: `<Name>/img/0001.jpg ...` and `<Name>/groundtruth_rect.txt`, or one for each target: `.1.txt`, `.2.txt`.

A line is x, y, w, h, separated by commas, tabs or spaces; pixels count from 1. Attributes are those of the benchmark's
`anno/att/<Name>.txt`, laid beside the sequences as `att/<Name>.txt`.
"""

import pathlib
import re

import numpy as np
from jaxtyping import Float64

from adadepth.data.layouts.ground_truth import (
  Box,
  Flags,
  Images,
  Layout,
  SequenceFiles,
  attributes_in,
  box_counted_from_one,
  images_in,
)

GROUND_TRUTH = re.compile(r"groundtruth_rect(\.\d+)?\.txt")
ATTRIBUTES = (
  *("illumination variation", "out-of-plane rotation", "scale variation", "occlusion", "deformation", "motion blur"),
  *("fast motion", "in-plane rotation", "out of view", "background clutter", "low resolution"),
)
# Official sequences with more frames than boxes: the first and last frame that their boxes belong to.
OTB_ANNOTATED_FRAMES = {
  "David": (300, 770),
  "Diving": (1, 215),
  "Football1": (1, 74),
  "Freeman3": (1, 460),
  "Freeman4": (1, 283),
}


def box_from_otb_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """An OTB rectangle x, y, w, h counts its top left pixel from 1."""
  return box_counted_from_one(rectangle)


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """The ground-truth files: the numbered ones, if there are any, and those that are not empty, if there are any."""
  matches = [(path, GROUND_TRUTH.fullmatch(path.name)) for path in sorted(folder.glob("groundtruth_rect*.txt"))]
  files = {match[1] or "": path for path, match in matches if match}
  numbered = {number: path for number, path in files.items() if number} or files
  # Official folders may hold an empty file beside the real one.
  return {number: path for number, path in numbered.items() if path.stat().st_size} or numbered


def _images(files: SequenceFiles, boxes: int) -> Images:
  """The images less those that the official ground truth leaves out."""
  images = images_in(files.folder)
  first, last = OTB_ANNOTATED_FRAMES.get(files.folder.name, (0, 0))
  if boxes == last - first + 1 and {1, last} <= images.keys():
    return {number: path for number, path in images.items() if first <= number <= last}
  return images


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  """Of the target's own file ("Jogging.1.txt", or "jogging-1.txt" as the benchmark calls it), or the video's."""
  name = files.name.removeprefix("otb/")
  folder = files.folder.parent / "att"
  wanted = [spelling.lower() for spelling in (name, name.replace(".", "-"), files.folder.name)]
  found = {path.stem.lower(): path for path in folder.glob("*.txt")}
  return next((attributes_in(found[stem], ATTRIBUTES, lines) for stem in wanted if stem in found), {})


OTB = Layout(
  name="otb",
  sign="<Name>/groundtruth_rect.txt",
  targets=_targets,
  boxes={4: box_from_otb_rectangle},
  first_pixel=1,
  images=_images,
  attributes=_attributes,
)
