"""UAV123, of 30 or 10 fps: `<name>/000001.jpg ...` and, beside the sequences, `anno/<name>.txt`; or as it is released,
`data_seq/UAV123/<name>/000001.jpg ...` and `anno/UAV123/<name>.txt`, or UAV123_10fps in both places.

A line is x, y, w, h; pixels count from 1. Four NaN mark an absent target. The parts of a long video (group1_1 to
group1_4) lie in its one folder, from where the benchmark's table says on, or in a folder each; they are one video to a
split. Attributes are those of `att/<name>.txt` beside the ground truth.
"""

import pathlib

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

ATTRIBUTES = (
  *("scale variation", "aspect ratio change", "low resolution", "fast motion", "full occlusion", "partial occlusion"),
  *("out-of-view", "background clutter", "illumination variation", "viewpoint change", "camera motion"),
  "similar object",
)
# First and last frame of each part in its video, at 30 fps, from the benchmark's configSeqs.m; of 10 fps every third.
PARTS = {
  "bird1": ((1, 253), (775, 1477), (1573, 2437)),
  "car1": ((1, 751), (751, 1627), (1627, 2629)),
  "car6": ((1, 487), (487, 1807), (1807, 2953), (2953, 3925), (3925, 4861)),
  "car8": ((1, 1357), (1357, 2575)),
  "car16": ((1, 415), (415, 1993)),
  "group1": ((1, 1333), (1333, 2515), (2515, 3925), (3925, 4873)),
  "group2": ((1, 907), (907, 1771), (1771, 2683)),
  "group3": ((1, 1567), (1567, 2827), (2827, 4369), (4369, 5527)),
  "person2": ((1, 1189), (1189, 2623)),
  "person4": ((1, 1501), (1501, 2743)),
  "person5": ((1, 877), (877, 2101)),
  "person7": ((1, 1249), (1249, 2065)),
  "person8": ((1, 1075), (1075, 1525)),
  "person12": ((1, 601), (601, 1621)),
  "person14": ((1, 847), (847, 1813), (1813, 2923)),
  "person17": ((1, 1501), (1501, 2347)),
  "person19": ((1, 1243), (1243, 2791), (2791, 4357)),
  "truck4": ((1, 577), (577, 1261)),
  "uav1": ((1, 1555), (1555, 2377), (2473, 3469)),
}


def box_from_uav123_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A UAV123 rectangle x, y, w, h counts its top left pixel from 1."""
  return box_counted_from_one(rectangle)


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  """The ground truth of the whole video, or that of its parts, by "_1", "_2"."""
  released = folder.parent.parent.name == "data_seq"
  anno = folder.parent.parent.parent / "anno" / folder.parent.name if released else folder.parent / "anno"
  suffixes = ["", *(f"_{part}" for part in range(1, len(PARTS.get(folder.name, ())) + 1))]
  files = {suffix: anno / f"{folder.name}{suffix}.txt" for suffix in suffixes}
  return {suffix: path for suffix, path in files.items() if path.is_file()}


def _images(files: SequenceFiles, boxes: int) -> Images:
  """The images of a part, where its video is whole; otherwise all."""
  images = images_in(files.folder)
  part = files.ground_truth.stem.removeprefix(files.folder.name)
  if not part:
    return images
  first, last = PARTS[files.folder.name][int(part[1:]) - 1]
  if boxes == (last - 1) // 3 - (first - 1) // 3 + 1:  # of 10 fps
    first, last = (first - 1) // 3 + 1, (last - 1) // 3 + 1
  return {number: path for number, path in images.items() if first <= number <= last}


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  return attributes_in(files.ground_truth.parent / "att" / files.ground_truth.name, ATTRIBUTES, lines)


UAV123 = Layout(
  name="uav123",
  sign="anno/<name>.txt",
  targets=_targets,
  boxes={4: box_from_uav123_rectangle},
  first_pixel=1,
  images=_images,
  attributes=_attributes,
  below=("data_seq/*/*",),
)
