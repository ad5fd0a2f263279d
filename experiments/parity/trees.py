"""Lays real sequences out as VOT, OTB, LaSOT and GOT-10k have them: our evaluator and theirs read the same files.

python -m experiments.parity.trees DATA,WIDE OUT

OUT/vot has polygons, rectangles and anchors; OUT/lasot and OUT/got10k hold OTB's sequences with labels of absence that
are made up, every thirty frames four. Frames are links.
"""

import pathlib
import sys

import numpy as np

from adadepth.data.layouts import SequenceFiles, find_sequences
from adadepth.data.layouts.ground_truth import cells_of, lines_of
from adadepth.evaluation.restarts import ANCHOR_EVERY
from adadepth.io.images import image_size, numbered_images

OTB = ("Deer", "Football1", "Skiing", "KiteSurf", "Bird2", "Crossing", "Man", "Car4", "Jumping", "Walking2", "Jogging")
LONG = "Girl"  # for EAO, which takes 371 frames
WIDE_VOT = 3  # sequences of rectangles


def link_frames(folder: pathlib.Path, images: list[pathlib.Path], name: str) -> None:
  """Links frames 1, 2, ... into a new folder."""
  folder.mkdir(parents=True)
  for number, path in enumerate(images, start=1):
    (folder / name.format(number)).symlink_to(path.resolve())


def absent(frames: int) -> np.ndarray:
  """Where a target is said to be absent, of the first frame never."""
  return np.arange(frames) % 30 > 25


def write_vot(root: pathlib.Path, name: str, images: list[pathlib.Path], lines: list[str]) -> None:
  link_frames(root / name, images, "{:08d}.jpg")
  (root / name / "groundtruth.txt").write_text("\n".join(lines) + "\n")
  count = len(lines)
  directions = np.where(np.arange(count) < count / 2, 1, -1)
  anchors = np.where((np.arange(count) % ANCHOR_EVERY == 0) | (np.arange(count) == count - 1), directions, 0)
  (root / name / "anchor.value").write_text("\n".join(map(str, anchors)) + "\n")
  with (root / "list.txt").open("a") as file:
    file.write(f"{name}\n")


def main(data: str, out: str) -> None:
  root = pathlib.Path(out)
  found = {files.name: files for files in find_sequences(data)}
  vot = [files for files in found.values() if files.name.startswith("vot/")]
  first_root = vot[0].folder.parent
  chosen = [files for files in vot if files.folder.parent == first_root]
  for files in chosen + [files for files in vot if files not in chosen][:WIDE_VOT]:
    write_vot(root / "vot", files.folder.name, images_of(files), lines_of(files.ground_truth))
  girl = found[f"otb/{LONG}"]
  zero_based = [from_zero(line) for line in lines_of(girl.ground_truth)]
  write_vot(root / "vot", LONG, images_of(girl), zero_based)
  for files in found.values():
    if files.folder.name in OTB and files.name.startswith("otb/"):
      write_otb_like(root, files)


def images_of(files: SequenceFiles) -> list[pathlib.Path]:
  folder = files.folder / "img" if (files.folder / "img").is_dir() else files.folder
  return list(numbered_images(folder).values())


def from_zero(line: str) -> str:
  x, y, w, h = map(float, cells_of(line))
  return f"{x - 1:g},{y - 1:g},{w:g},{h:g}"


def write_otb_like(root: pathlib.Path, files: SequenceFiles) -> None:
  """One target as OTB, LaSOT and GOT-10k have it."""
  name = files.name.removeprefix("otb/").replace(".", "-")
  lines = [",".join(cells_of(line)) for line in lines_of(files.ground_truth)]
  images, hidden = images_of(files)[: len(lines)], absent(len(lines))
  text = "\n".join(lines) + "\n"
  otb, lasot, got10k = root / "otb" / name, root / "lasot" / "video" / f"video-{name}", root / "got10k" / "val" / name
  link_frames(otb / "img", images, "{:04d}.jpg")
  (otb / "groundtruth_rect.txt").write_text(text)
  link_frames(lasot / "img", images, "{:08d}.jpg")
  (lasot / "groundtruth.txt").write_text(text)
  (lasot / "full_occlusion.txt").write_text(",".join(str(int(flag)) for flag in hidden) + "\n")
  (lasot / "out_of_view.txt").write_text(",".join("0" * len(lines)) + "\n")
  link_frames(got10k, images, "{:08d}.jpg")
  (got10k / "groundtruth.txt").write_text(text)
  (got10k / "absence.label").write_text("\n".join(str(int(flag)) for flag in hidden) + "\n")
  (got10k / "cover.label").write_text("\n".join(str(0 if flag else 8) for flag in hidden) + "\n")
  (got10k / "cut_by_image.label").write_text("0\n" * len(lines))
  width, height = image_size(images[0])
  ini = f"[METAINFO]\nresolution: ({width}, {height})\n"
  (got10k / "meta_info.ini").write_text(ini)
  with (root / "got10k" / "val" / "list.txt").open("a") as file:
    file.write(f"{name}\n")


if __name__ == "__main__":
  main(*sys.argv[1:])
