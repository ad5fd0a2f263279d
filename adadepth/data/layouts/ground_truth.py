"""The ground truth of a sequence: its lines, the images that they belong to, and what a usable box is.

A layout (one file of this folder each) says where a data set keeps these and converts its numbers once.

Bad data meets the policy of `problems.Problems`: "stop" at the first, or "skip" and count. Skipped, a bad
box becomes a row of NaN (its frame stays), a frame that is missing, unreadable or of another size than the
first leaves the sequence with its box, and a sequence without a single usable box is left out. A frame whose
target is absent is no problem: a row of NaN too. It is where all numbers of its line are NaN, or all 0, or where its
layout's own marks say so. A tracker begins at the first box, whose centre must therefore lie inside its image; later
ones need only touch theirs.
"""

import dataclasses
import itertools
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from adadepth.data.problems import Kind, Problems
from adadepth.data.sequence import Sequence, video_of
from adadepth.errors import InputError
from adadepth.io.images import ImageFolder, image_size, numbered_images

Box = Float32[np.ndarray, "4"]
Numbers = Float64[np.ndarray, "n"]
Corners = Float64[np.ndarray, "4 2"]
Flags = Bool[np.ndarray, "n"]  # one a line
Lines = list[tuple[int, str]]  # the lines of boxes with their numbers in the file
Images = dict[int, pathlib.Path]  # by number

SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
# Where semicolons or tabs separate all numbers, as in a spreadsheet's export, a comma within is a decimal one.
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
HEADER_CELL = re.compile(r"[A-Za-z_][\w .()\[\]/-]*")  # the name of a column
ABSENCE = ("nan", "inf", "none", "null", "na", "n/a")  # words for numbers


def one_target(ground_truth: pathlib.Path) -> dict[str, pathlib.Path]:
  """The targets of a sequence that has one ground-truth file: that one, or none where there is no such file."""
  return {"": ground_truth} if ground_truth.is_file() else {}


def images_in(folder: pathlib.Path) -> Images:
  """The images of a sequence by number, in its img/ or color/, else in the folder itself."""
  return numbered_images(next((folder / name for name in ("img", "color") if (folder / name).is_dir()), folder))


def flags_in(file: pathlib.Path) -> Flags | None:
  """The numbers of a file, separated by commas, spaces or lines, as flags: above 0 is yes; None where there is no file.

  Raises:
    InputError: what is no number.
  """
  if not file.is_file():
    return None
  try:
    return np.array([float(cell) > 0 for line in lines_of(file) for cell in cells_of(line)], bool)
  except ValueError:
    raise InputError(f"{file} must hold numbers alone, 0 or 1 a frame; restore or remove it") from None


def attributes_in(file: pathlib.Path, names: tuple[str, ...], frames: int) -> dict[str, Flags]:
  """The attributes of a whole video from a file with a 0 or 1 for each of `names`; {} where there is no file."""
  flags = flags_in(file)
  if flags is None:
    return {}
  if len(flags) != len(names):
    raise InputError(
      f"{file} must hold {len(names)} numbers, 0 or 1 for each of {', '.join(names)}; it has {len(flags)}"
    )
  return {name: np.full(frames, flag) for name, flag in zip(names, flags, strict=True)}


def box_counted_from_one(rectangle: Float64[np.ndarray, "4"]) -> Box:
  """A rectangle x, y, w, h whose top left pixel counts from 1: its corner moves by -1."""
  return (rectangle - np.array([1.0, 1.0, 0.0, 0.0])).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Layout:
  """How one data set lies on disk.

  Attributes:
    name: of its folder under a data root, and of its sequences before the slash.
    sign: the file that tells a sequence of it, for people.
    targets: ground-truth file of each target in a sequence's folder, by what follows its name (".1", or "" for the
      only one); none where the folder is no sequence of this layout.
    boxes: from the numbers of a line to its box in the one convention, by how many they are.
    columns: how many of a line's cells are numbers, the first ones; None: all.
    first_pixel: where the top left pixel of x, y, w, h lies in the data set's result files, 0 or 1.
    absent: whether a line's numbers say that the target is not in its frame.
    mask: from a line that is a mask, "m" and numbers, to its box, or None for an empty one; None: there are none.
    corners: from a line's numbers to the corners of a polygon; None: they are none.
    frame: the number of the image that a line says it is of; None: it does not say.
    images: the images of a sequence by number, given how many boxes there are.
    first_image: the number of the image of the first line, where images are missing; else the lowest number is.
    matched: lines and images less those that the data set itself leaves out.
    hidden: which lines are of frames without the target, by files beside; None where these say nothing.
    attributes: which lines are of frames with an attribute, given how many there are.
    anchors: where multi-start runs begin, one number a line; None: nowhere.
    below: where sequences lie under the data set's folder, if not in it: patterns of `glob`.
  """

  name: str
  sign: str
  targets: Callable[[pathlib.Path], dict[str, pathlib.Path]]
  boxes: Mapping[int, Callable[[np.ndarray], Box]]
  columns: int | None = None
  first_pixel: int = 0
  absent: Callable[[np.ndarray], bool] = lambda numbers: False
  mask: Callable[[str], Box | None] | None = None
  corners: Callable[[np.ndarray], Corners | None] = lambda numbers: None
  frame: Callable[[np.ndarray], int] | None = None
  images: Callable[["SequenceFiles", int], Images] = lambda files, boxes: images_in(files.folder)
  first_image: int = 1
  matched: Callable[[Lines, Images], tuple[Lines, Images]] = lambda lines, images: (lines, images)
  hidden: Callable[["SequenceFiles"], Flags | None] = lambda files: None
  attributes: Callable[["SequenceFiles", int], dict[str, Flags]] = lambda files, lines: {}
  anchors: Callable[["SequenceFiles"], Int[np.ndarray, "n"] | None] = lambda files: None
  below: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SequenceFiles:
  """Where one target of one video lies on disk.

  Attributes:
    name: "vot/ball2", "otb/Girl", "otb/Jogging.1": unique within its data roots.
    folder: the sequence's own folder.
    ground_truth: the target's ground-truth file.
    layout: how to read them.
  """

  name: str
  folder: pathlib.Path
  ground_truth: pathlib.Path
  layout: Layout

  @property
  def video(self) -> str:
    """The name of the video, which may hold several targets: "otb/Jogging"."""
    return video_of(self.name)


class _Frame(NamedTuple):
  """One frame of a sequence: its line (counted from 0 without headers), image, box and corners."""

  line: int
  path: pathlib.Path
  box: Box
  corners: Corners


class _BadBoxError(Exception):
  """A line of ground truth without a usable box; args are the kind of problem and the reason."""


def lines_of(ground_truth: pathlib.Path) -> list[str]:
  """The lines of a text file, without empty ones at its end."""
  return ground_truth.read_text("utf-8-sig", errors="replace").rstrip().splitlines()


def cells_of(line: str) -> list[str]:
  """What commas, semicolons, tabs or spaces separate, without quotes; one more at the end of a line is no cell."""
  line = line.strip().replace('"', "")
  if max(line.count(";"), line.count("\t")) >= 3:
    line = DECIMAL_COMMA.sub(".", line)
  return SEPARATOR.split(line.rstrip(";"))


def is_header(line: str) -> bool:
  """Whether a line holds the names of columns, or a remark, in place of numbers."""
  if line.lstrip().startswith(("#", "%", "//")):
    return True
  cells = cells_of(line)
  return len(set(cells)) == len(cells) > 1 and all(
    HEADER_CELL.fullmatch(cell) and cell.lower() not in ABSENCE for cell in cells
  )


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
  lines = lines_of(files.ground_truth)
  headers = sum(1 for _ in itertools.takewhile(is_header, lines))
  for number, line in enumerate(lines[:headers], start=1):
    problems.report("header line", f"{files.ground_truth}:{number}: {line[:60]!r} is a header and no box")
  boxes = list(enumerate(lines, start=1))[headers:]
  frames = _read_frames(files, boxes, problems)
  if not any(np.isfinite(frame.box).all() for frame in frames):
    problems.report("unusable sequence", f"{files.ground_truth}: not one frame of {files.name} has a box")
    return None
  return _sequence(files, frames, len(boxes))


def _sequence(files: SequenceFiles, frames: list[_Frame], lines: int) -> Sequence:
  """The sequence of these frames, with what the data set says beside their boxes."""
  where, paths, boxes, corners = (list(column) for column in zip(*frames, strict=True))
  anchors = files.layout.anchors(files)
  if anchors is not None and len(anchors) != lines:
    raise InputError(f"{files.folder}: {len(anchors)} anchors for {lines} boxes; restore or remove them")
  attributes = files.layout.attributes(files, lines)
  return Sequence(
    files.name,
    ImageFolder(tuple(paths)),
    np.stack(boxes),
    None if np.isnan(corners).all() else np.stack(corners),
    {name: flags[where] for name, flags in attributes.items() if flags[where].any()},
    None if anchors is None else anchors[where],
  )


def _read_frames(files: SequenceFiles, lines: Lines, problems: Problems) -> list[_Frame]:
  """Every frame that has both an image and a line; a bad box is NaN."""
  frames, first_wh = [], None
  hidden = _hidden(files, len(lines))
  first_line = lines[0][0] if lines else 1
  for line, text, number, path in _pair(files, lines, problems):
    where = f"{files.ground_truth}:{line}"
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
    begun = any(np.isfinite(frame.box).all() for frame in frames)
    box, corners = _no_box(), _no_corners()
    if not hidden[line - first_line]:
      try:
        box, corners = _truth_of(files.layout, text, number, size_wh, first=not begun)
      except _BadBoxError as error:
        kind, reason = error.args
        problems.report(kind, f"{where}: {reason}")
    frames.append(_Frame(line - first_line, path, box, corners))
  return frames


def _hidden(files: SequenceFiles, lines: int) -> Flags:
  """Which lines are of frames without the target, by the files beside."""
  hidden = files.layout.hidden(files)
  if hidden is None:
    return np.zeros(lines, bool)
  if len(hidden) != lines:
    raise InputError(
      f"{files.folder}: {len(hidden)} labels of absence or occlusion for {lines} boxes; restore the files, or remove "
      "the labels"
    )
  return hidden


def _pair(files: SequenceFiles, lines: Lines, problems: Problems) -> Iterator[tuple[int, str, int, pathlib.Path]]:
  """Pairs lines with images by number: line number, text, image number and image; reports what stays single."""
  truth = files.ground_truth
  lines, images = files.layout.matched(lines, files.layout.images(files, len(lines)))
  boxes, last_line = len(lines), lines[-1][0] if lines else 1
  if not images:
    problems.report("missing frame", f"{truth}:1: no images in {files.folder}", count=max(1, boxes))
    return
  first, last = _first_number(files.layout, images, boxes), max(images)
  counts = f"{boxes} boxes, {len(images)} images"
  for box in range(min(boxes, last - first + 1)):
    (line, text), number = lines[box], first + box
    if number in images:
      yield line, text, number, images[number]
    else:
      missing = f"{truth}:{line}: image {number} is missing from {images[last].parent}"
      problems.report("missing frame", missing)
  extra_boxes = first + boxes - 1 - last
  if extra_boxes > 0:
    text = f"{truth}:{lines[-extra_boxes][0]}: no image for this box: {counts}"
    problems.report("box without a frame", text, count=extra_boxes)
  extra_images = sum(number >= first + boxes for number in images)
  if extra_images:
    text = f"{truth}:{last_line}: the boxes end here: {counts}"
    problems.report("frame without a box", text, count=extra_images)


def _first_number(layout: Layout, images: Images, boxes: int) -> int:
  """The image number of line 1: the lowest, or the layout's own where images are missing and all there are fit."""
  lowest, highest, own = min(images), max(images), layout.first_image
  return own if len(images) < boxes and own < lowest and highest < own + boxes else lowest


def _truth_of(layout: Layout, line: str, number: int, size_wh: tuple[int, int], *, first: bool) -> tuple[Box, Corners]:
  """Box and corners of one line of ground truth; raises _BadBoxError where it has none that can be used."""
  if re.match(r"\s*m\d", line):
    return _box_of_mask(layout, line.strip(), size_wh, first=first), _no_corners()
  numbers = _numbers(line, layout.columns)
  if len(numbers) not in layout.boxes:
    wanted = " or ".join(map(str, layout.boxes))
    raise _BadBoxError("wrong count of numbers", f"{len(numbers)} numbers, where {layout.name} has {wanted}")
  if layout.frame is not None and layout.frame(numbers) != number:
    raise _BadBoxError(
      "box of another frame", f"the line says that it is of frame {layout.frame(numbers)}, and lies at image {number}"
    )
  if np.isnan(numbers).all() or not numbers.any() or layout.absent(numbers):
    return _no_box(), _no_corners()
  with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found below
    box = layout.boxes[len(numbers)](numbers)
  corners = layout.corners(numbers)
  return _checked(box, size_wh, first=first), _no_corners() if corners is None else corners


def _box_of_mask(layout: Layout, line: str, size_wh: tuple[int, int], *, first: bool) -> Box:
  """The box of a line that is a mask."""
  if layout.mask is None:
    raise _BadBoxError("unparsable line", f"{line[:60]!r} is a mask, where {layout.name} has boxes")
  try:
    box = layout.mask(line)
  except ValueError as error:
    raise _BadBoxError("unparsable line", f"{line[:60]!r} is no mask m<x>,<y>,<w>,<h>,<runs> ({error})") from None
  return _no_box() if box is None else _checked(box, size_wh, first=first)


def _checked(box: Box, size_wh: tuple[int, int], *, first: bool) -> Box:
  problem = box_problem(box, size_wh, first=first)
  if problem:
    raise _BadBoxError(*problem)
  return box


def _no_box() -> Box:
  return np.full(4, np.nan, np.float32)


def _no_corners() -> Corners:
  return np.full((4, 2), np.nan)


def _numbers(line: str, columns: int | None) -> Numbers:
  try:
    return np.array([float(cell) for cell in cells_of(line)[:columns]])
  except ValueError:
    reason = f"{line[:60]!r} is not numbers separated by commas, semicolons, tabs or spaces"
    raise _BadBoxError("unparsable line", reason) from None


def box_problem(box: Box, size_wh: tuple[int, int], *, first: bool) -> tuple[Kind, str] | None:
  """What is wrong with a box, perhaps a sequence's first, of an image of this size, if anything."""
  (x, y, w, h), (width, height) = box, size_wh
  if not np.isfinite(box).all():
    return "box not finite", f"the box {_text(box)} is not finite (NaN: no target in this frame)"
  if w <= 0 or h <= 0:
    return "box without size", f"the box {_text(box)} must have a width and height above 0"
  if first and (w < 1 or h < 1):
    return "box without size", f"the first box {_text(box)} is below a pixel; boxes are in pixels, not in fractions"
  if x >= width or y >= height or x + w <= 0 or y + h <= 0:
    return "box outside the image", f"the box {_text(box)} lies outside its image of {width} x {height}"
  if first and not (0 <= x + w / 2 <= width and 0 <= y + h / 2 <= height):
    return "box outside the image", f"the first box {_text(box)} has its centre outside its image of {width} x {height}"
  return None


def _text(box: Box) -> str:
  return f"x={box[0]:g} y={box[1]:g} w={box[2]:g} h={box[3]:g}"
