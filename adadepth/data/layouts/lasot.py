"""LaSOT: `<class>/<class>-<n>/img/00000001.jpg ...` and `groundtruth.txt`, `full_occlusion.txt`, `out_of_view.txt`.

A line is x, y, w, h; pixels count from 1, as its MATLAB toolkit has them. The other two files hold a 0 or 1 for each
frame, separated by commas: in a frame with either 1 the target is absent, as the toolkit's own `absent/` says.
Attributes are those of the toolkit's `annos/att/<class>-<n>.txt`, laid as `att/` in the data set's folder.
"""

import pathlib

import numpy as np

from adadepth.data.layouts.ground_truth import (
  Flags,
  Layout,
  SequenceFiles,
  attributes_in,
  box_counted_from_one,
  flags_in,
  one_target,
)
from adadepth.errors import InputError

LABELS = ("full_occlusion.txt", "out_of_view.txt")
ATTRIBUTES = (
  *("illumination variation", "partial occlusion", "deformation", "motion blur", "camera motion", "rotation"),
  *("background clutter", "viewpoint change", "scale variation", "full occlusion", "fast motion", "out-of-view"),
  *("low resolution", "aspect ratio change"),
)


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  return one_target(folder / "groundtruth.txt") if any((folder / label).is_file() for label in LABELS) else {}


def _hidden(files: SequenceFiles) -> Flags:
  """Where the target is fully occluded or out of view."""
  labels = {label: flags_in(files.folder / label) for label in LABELS}
  given = {label: flags for label, flags in labels.items() if flags is not None}
  if len({len(flags) for flags in given.values()}) > 1:
    counts = " and ".join(f"{label} of {len(flags)} frames" for label, flags in given.items())
    raise InputError(f"{files.folder} holds {counts}; restore the files")
  return np.any(list(given.values()), axis=0)


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  places = (files.folder.parent.parent / "att", files.folder.parent / "att")
  paths = (place / f"{files.folder.name}.txt" for place in places)
  return next((attributes_in(path, ATTRIBUTES, lines) for path in paths if path.is_file()), {})


LASOT = Layout(
  name="lasot",
  sign="<class>/<name>/groundtruth.txt and full_occlusion.txt",
  targets=_targets,
  boxes={4: box_counted_from_one},
  first_pixel=1,
  hidden=_hidden,
  attributes=_attributes,
  below=("*/*",),
)
