"""GOT-10k: `val/<name>/00000001.jpg ...` (or train/) and `groundtruth.txt`, `absence.label`, `cover.label`.

A line is x, y, w, h, taken as it stands: got10k compares boxes with an image from 0 to its width. The labels hold a
number a frame. Where absence is 1, or cover, the visible eighths of the target, is 0, the target is absent: got10k
scores no such frame. The test side has the first box alone, and is scored by the benchmark's server: it cannot be read
here.
"""

import pathlib

import numpy as np

from adadepth.data.layouts.ground_truth import Flags, Layout, SequenceFiles, flags_in, one_target
from adadepth.errors import InputError

LABELS = ("absence.label", "cover.label", "cut_by_image.label", "meta_info.ini")


def _targets(folder: pathlib.Path) -> dict[str, pathlib.Path]:
  return one_target(folder / "groundtruth.txt") if any((folder / label).is_file() for label in LABELS) else {}


def _hidden(files: SequenceFiles) -> Flags | None:
  absent, covered = (flags_in(files.folder / label) for label in LABELS[:2])
  hidden = [flags for flags in (absent, None if covered is None else ~covered) if flags is not None]
  if len({len(flags) for flags in hidden}) > 1:
    raise InputError(f"{files.folder} holds {len(absent)} labels of absence and {len(covered)} of cover; restore them")
  return np.any(hidden, axis=0) if hidden else None


def _attributes(files: SequenceFiles, lines: int) -> dict[str, Flags]:
  """Where the image's border cuts the target."""
  cut = flags_in(files.folder / "cut_by_image.label")
  return {} if cut is None or len(cut) != lines else {"cut by image": cut}


GOT10K = Layout(
  name="got10k",
  sign="<name>/groundtruth.txt and absence.label",
  targets=_targets,
  boxes={4: lambda rectangle: rectangle.astype(np.float32)},
  hidden=_hidden,
  attributes=_attributes,
  below=("val/*", "train/*"),
)
