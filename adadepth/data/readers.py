"""Readers of the official VOT and OTB layouts under any data root.

    <root>/vot/<name>/00000001.jpg ... (or <name>/color/...), groundtruth.txt          x,y,w,h or four corners
    <root>/otb/<Name>/img/0001.jpg ..., groundtruth_rect.txt (.1.txt, .2.txt: two targets)  x,y,w,h, 1-based

The root may hold `vot/`, `otb/` or both, or be such a folder itself. A `list.txt` beside the sequences,
one name a line, says which of them count and in which order; without it all do, by name. Images are JPEG,
PNG or BMP. Each layout's numbers become the one box convention once, in the `box_from_*` functions.

Bad data meets the policy of `problems.Problems`: "stop" at the first, or "skip" and count. Skipped, a bad
box becomes a row of NaN (its frame stays), a frame that is missing, unreadable or of another size than the
first leaves the sequence with its box, and a sequence without a single usable box is left out. NaN is VOT's
own mark for an absent target; it is treated alike, so a set with absences is read with "skip". A tracker
begins at the first box, whose centre must therefore lie inside its image; later ones need only touch theirs.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from adadepth.data.problems import Kind, Problems
from adadepth.data.sequence import Sequence, video_of
from adadepth.errors import InputError
from adadepth.io.images import ImageFolder, image_size, numbered_images

Box = Float32[np.ndarray, "4"]

SEPARATOR = re.compile(r"\s*,\s*|\s+")
OTB_GROUND_TRUTH = re.compile(r"groundtruth_rect(\.\d+)?\.txt")
# Official OTB sequences with more frames than boxes: the first and last frame that their boxes belong to.
OTB_ANNOTATED_FRAMES = {
  "David": (300, 770),
  "Diving": (1, 215),
  "Football1": (1, 74),
  "Freeman3": (1, 460),
  "Freeman4": (1, 283),
}


@dataclasses.dataclass(frozen=True)
class SequenceFiles:
  """Where one target of one video lies on disk.

  Attributes:
    name: "vot/ball2", "otb/Girl", "otb/Jogging.1": unique within its data root.
    folder: the sequence's own folder.
    ground_truth: the target's ground-truth file.
  """

  name: str
  folder: pathlib.Path
  ground_truth: pathlib.Path

  @property
  def video(self) -> str:
    """The name of the video, which may hold several targets: "otb/Jogging"."""
    return video_of(self.name)


class ReadResult(NamedTuple):
  """What read_sequences returns: the sequences, and the tally of what was skipped."""

  sequences: list[Sequence]
  problems: Problems


class _BadBoxError(Exception):
  """A line of ground truth without a usable box; args are the kind of problem and the reason."""


def box_from_vot_polygon(corners: Float64[np.ndarray, "8"]) -> Box:
  """The axis-aligned box of a VOT polygon, from the mean of its corners side by side.

  The left edge is the mean of the two smallest x, the right edge of the two largest; likewise in y. For
  corners in the order top left, top right, bottom right, bottom left that is the reference's own
  `left = (x1 + x4) / 2`, `top = (y1 + y2) / 2`, ...; sorting makes it hold for any order of corners, where
  the reference gets widths below zero (VOT does reorder corners between frames).

  An axis-aligned polygon gives exactly its rectangle. A w x h rectangle turned by an angle a keeps its
  centre and gives `max(w |cos a|, h |sin a|)` by `max(h |cos a|, w |sin a|)`: always inside the polygon's
  bounding box, and down to half the polygon's area for a square at 45 degrees.

  VOT's coordinates are taken as continuous and 0-indexed: a corner is a point, not a pixel, so a width is
  a difference of corners, without + 1.

  Args:
    corners: x1, y1, ..., x4, y4, image pixels.
  Returns:
    xywh.
  """
  low, high = np.sort(corners.reshape(4, 2), axis=0).reshape(2, 2, 2).mean(axis=1)
  return np.concatenate([low, high - low]).astype(np.float32)


def box_from_vot_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A VOT rectangle x, y, w, h is 0-indexed and continuous already: only the dtype changes."""
  return rectangle.astype(np.float32)


def box_from_otb_rectangle(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """An OTB rectangle x, y, w, h counts its top left pixel from 1: its corner moves by -1."""
  return (rectangle - np.array([1.0, 1.0, 0.0, 0.0])).astype(np.float32)


BOX_READERS = {
  ("vot", 4): box_from_vot_rectangle,
  ("vot", 8): box_from_vot_polygon,
  ("otb", 4): box_from_otb_rectangle,
}


def find_sequences(root: str | pathlib.Path, problems: Problems | None = None) -> list[SequenceFiles]:
  """Lists every target under a data root, without opening an image.

  Args:
    root: the data root; see the module's docstring for its layouts.
    problems: the policy for a name in list.txt that is no sequence; None: stop.
  Returns:
    One entry per target; VOT before OTB, in the order of list.txt, else by name.
  Raises:
    InputError: there is no such folder, or no sequence in it.
  """
  root = pathlib.Path(root)
  problems = Problems("stop") if problems is None else problems
  if not root.is_dir():
    raise InputError(f"`root` (={str(root)!r}): no such folder; name one that holds vot/ or otb/")
  places = [root / layout for layout in ("vot", "otb") if (root / layout).is_dir()] or [root]
  found = [files for place in places for folder in _folders(place, problems) for files in _targets(folder)]
  if not found:
    raise InputError(_nothing_found(root, places))
  return found


def select_sequences(found: list[SequenceFiles], names: list[str], *, source: str = "`names`") -> list[SequenceFiles]:
  """Picks entries by name, in the order of `names`; a video's name ("otb/Jogging") picks all its targets.

  Raises:
    InputError: a name that is not there; the message lists them after `source`.
  """
  missing = [name for name in names if not any(name in (files.name, files.video) for files in found)]
  if missing:
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise InputError(
      f"{source}: no sequence {', '.join(missing[:5])}{more} under the data root, which has {len(found)}"
      f" (like {found[0].name}); correct the names, or add the sequences"
    )
  return [files for name in names for files in found if name in (files.name, files.video)]


def read_sequence(files: SequenceFiles, problems: Problems) -> Sequence | None:
  """Reads one target's ground truth and looks at every image's header; pixels wait until they are indexed.

  Args:
    files: an entry of find_sequences.
    problems: the policy for bad data; counts what is skipped.
  Returns:
    The sequence, or None where "skip" leaves no usable box.
  Raises:
    InputError: under "stop", at the first problem; the message names file and line number.
  """
  lines = files.ground_truth.read_text("utf-8-sig", errors="replace").rstrip().splitlines()
  frames = _read_frames(files, lines, problems)
  paths, boxes = zip(*frames, strict=True) if frames else ((), ())
  if not any(np.isfinite(box).all() for box in boxes):
    problems.report("unusable sequence", f"{files.ground_truth}: not one frame of {files.name} has a box")
    return None
  return Sequence(files.name, ImageFolder(tuple(paths)), np.stack(boxes))


def read_sequences(root: str | pathlib.Path, names: list[str] | None = None, *, on_error: str = "stop") -> ReadResult:
  """Reads the sequences under a data root.

  Args:
    root: the data root.
    names: which, e.g. a side of load_split; None: all.
    on_error: "stop" or "skip"; see the module's docstring.
  Returns:
    The sequences in order, and the Problems, whose summary() belongs in the log.
  Raises:
    InputError: a bad root or name; bad data under "stop"; under "skip", when nothing is left.
  """
  problems = Problems(on_error)
  found = find_sequences(root, problems)
  chosen = found if names is None else select_sequences(found, names)
  read = [read_sequence(files, problems) for files in chosen]
  sequences = [sequence for sequence in read if sequence is not None]
  if chosen and not sequences:
    raise InputError(f"no usable sequence under {root} ({problems.summary()}); first: {problems.lines[0]}")
  return ReadResult(sequences, problems)


def _folders(place: pathlib.Path, problems: Problems) -> list[pathlib.Path]:
  """The sequence folders of one place: those of its list.txt, or all that are sequences."""
  listing = place / "list.txt"
  if not listing.is_file():
    return [folder for folder in sorted(place.iterdir()) if folder.is_dir() and _targets(folder)]
  folders = []
  for number, line in enumerate(listing.read_text("utf-8-sig", errors="replace").splitlines(), start=1):
    folder = place / line.strip()
    if line.strip() and _targets(folder):
      folders.append(folder)
    elif line.strip():
      problems.report("missing sequence", f"{listing}:{number}: {folder} is no VOT or OTB sequence")
  return folders


def _targets(folder: pathlib.Path) -> list[SequenceFiles]:
  """The targets of one sequence folder, none if it is no such folder."""
  if (folder / "groundtruth.txt").is_file():
    return [SequenceFiles(f"vot/{folder.name}", folder, folder / "groundtruth.txt")]
  files = [path for path in sorted(folder.glob("groundtruth_rect*.txt")) if _otb_number(path) is not None]
  numbered = [path for path in files if _otb_number(path)] or files
  # Official OTB folders may hold an empty file beside the real one.
  filled = [path for path in numbered if path.stat().st_size] or numbered
  return [SequenceFiles(f"otb/{folder.name}{_otb_number(path)}", folder, path) for path in filled]


def _otb_number(path: pathlib.Path) -> str | None:
  """The target in a file name: ".1" of groundtruth_rect.1.txt, "" of groundtruth_rect.txt, None of others."""
  match = OTB_GROUND_TRUTH.fullmatch(path.name)
  return match and (match[1] or "")


def _nothing_found(root: pathlib.Path, places: list[pathlib.Path]) -> str:
  if _targets(root):
    return f"`root` (={str(root)!r}) is a single sequence; name the folder above it"
  looked = " and ".join(f"{place}/<name>" for place in places)
  return (
    f"`root` (={str(root)!r}) holds no sequence: looked for groundtruth.txt (VOT) and"
    f" groundtruth_rect.txt (OTB) in {looked}; name a folder that holds vot/ or otb/, or is one of them"
  )


def _read_frames(files: SequenceFiles, lines: list[str], problems: Problems) -> list[tuple[pathlib.Path, Box]]:
  """Image and box of every frame that has both; a bad box is NaN."""
  frames, first_wh = [], None
  for number, path in _pair(files, lines, problems):
    where = f"{files.ground_truth}:{number}"
    try:
      size_wh = image_size(path)
    except InputError as error:
      problems.report("unreadable image", f"{path} (frame of {where}): {error}")
      continue
    first_wh = first_wh or size_wh
    if size_wh != first_wh:
      sizes = ", the first of its sequence ".join(f"{w} x {h}" for w, h in (size_wh, first_wh))
      problems.report("image of another size", f"{path} (frame of {where}) is {sizes}")
      continue
    begun = any(np.isfinite(box).all() for _, box in frames)
    try:
      box = _box_in_image(files, lines[number - 1], size_wh, first=not begun)
    except _BadBoxError as error:
      kind, reason = error.args
      problems.report(kind, f"{where}: {reason}")
      box = np.full(4, np.nan, np.float32)
    frames.append((path, box))
  return frames


def _pair(files: SequenceFiles, lines: list[str], problems: Problems) -> Iterator[tuple[int, pathlib.Path]]:
  """Pairs lines, counted from 1, with images by number; reports what stays single."""
  truth, images = files.ground_truth, _images(files, len(lines))
  if not images:
    problems.report("missing frame", f"{truth}:1: no images in {files.folder}", count=max(1, len(lines)))
    return
  first, last = _first_number(images, len(lines)), max(images)
  counts = f"{len(lines)} boxes, {len(images)} images"
  for line in range(1, min(len(lines), last - first + 1) + 1):
    number = first + line - 1
    if number in images:
      yield line, images[number]
    else:
      text = f"{truth}:{line}: image {number} is missing from {images[last].parent}"
      problems.report("missing frame", text)
  extra_lines = first + len(lines) - 1 - last
  if extra_lines > 0:
    text = f"{truth}:{len(lines) - extra_lines + 1}: no image for this box: {counts}"
    problems.report("box without a frame", text, count=extra_lines)
  extra_images = sum(number >= first + len(lines) for number in images)
  if extra_images:
    text = f"{truth}:{max(1, len(lines))}: the boxes end here: {counts}"
    problems.report("frame without a box", text, count=extra_images)


def _images(files: SequenceFiles, boxes: int) -> dict[int, pathlib.Path]:
  """The sequence's images by number, less those that the official ground truth leaves out."""
  folder = next((files.folder / name for name in ("img", "color") if (files.folder / name).is_dir()), files.folder)
  images = numbered_images(folder)
  first, last = OTB_ANNOTATED_FRAMES.get(files.folder.name, (0, 0))
  if files.video.startswith("otb/") and boxes == last - first + 1 and {1, last} <= images.keys():
    return {number: path for number, path in images.items() if first <= number <= last}
  return images


def _first_number(images: dict[int, pathlib.Path], boxes: int) -> int:
  """The image number of line 1: the lowest, or 1 where the first images are missing and the last one fits."""
  lowest, highest = min(images), max(images)
  return 1 if lowest > 1 and highest == boxes else lowest


def _box_in_image(files: SequenceFiles, line: str, size_wh: tuple[int, int], *, first: bool) -> Box:
  """The box of one line of ground truth; raises _BadBoxError where it has none that can be used."""
  layout = files.video.split("/")[0]
  numbers = _numbers(line)
  if (layout, len(numbers)) not in BOX_READERS:
    wanted = "4 or 8" if layout == "vot" else "4"
    raise _BadBoxError("wrong count of numbers", f"{len(numbers)} numbers, where {layout} has {wanted}")
  with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
    box = BOX_READERS[layout, len(numbers)](numbers)
  problem = _box_problem(box, size_wh, first=first)
  if problem:
    raise _BadBoxError(*problem)
  return box


def _numbers(line: str) -> Float64[np.ndarray, "n"]:
  try:
    return np.array([float(part) for part in SEPARATOR.split(line.strip())])
  except ValueError:
    reason = f"{line[:60]!r} is not numbers separated by commas, tabs or spaces"
    raise _BadBoxError("unparsable line", reason) from None


def _box_problem(box: Box, size_wh: tuple[int, int], *, first: bool) -> tuple[Kind, str] | None:
  """What is wrong with a box, perhaps a sequence's first, of an image of this size, if anything."""
  (x, y, w, h), (width, height) = box, size_wh
  if not np.isfinite(box).all():
    return "box not finite", f"the box {_text(box)} is not finite (NaN: no target in this frame)"
  if w <= 0 or h <= 0:
    return "box without size", f"the box {_text(box)} must have a width and height above 0"
  if x >= width or y >= height or x + w <= 0 or y + h <= 0:
    return "box outside the image", f"the box {_text(box)} lies outside its image of {width} x {height}"
  if first and not (0 <= x + w / 2 <= width and 0 <= y + h / 2 <= height):
    return "box outside the image", f"the first box {_text(box)} has its centre outside its image of {width} x {height}"
  return None


def _text(box: Box) -> str:
  return f"x={box[0]:g} y={box[1]:g} w={box[2]:g} h={box[3]:g}"
