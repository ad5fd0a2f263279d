"""Small data roots for tests: every layout as its data set has it, with images of 32 x 24 random pixels."""

import pathlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 32, 24
GOOD = "3,4,10,8"


def frame_image(seed: int = 0) -> Image.Image:
  """A small image of random pixels."""
  return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))


def write_frames(folder: pathlib.Path, count: int, *, name: str = "{:04d}.png") -> None:
  """Writes frames 1 .. count."""
  folder.mkdir(parents=True)
  for number in range(1, count + 1):
    frame_image(number).save(folder / name.format(number))


def write_lines(file: pathlib.Path, lines: list[str]) -> None:
  """Writes a file of ground truth."""
  file.parent.mkdir(exist_ok=True)
  file.write_text("\n".join(lines) + "\n")


def write_vot(folder: pathlib.Path, lines: list[str], *, frames: int) -> None:
  """Writes a VOT sequence with these lines of ground truth."""
  write_frames(folder, frames, name="{:08d}.jpg")
  write_lines(folder / "groundtruth.txt", lines)


def write_otb(root: pathlib.Path, lines: list[str], *, frames: int, name: str = "Toy") -> pathlib.Path:
  """Writes an OTB sequence with these lines of ground truth; returns its folder."""
  folder = root / "otb" / name
  write_frames(folder / "img", frames)
  write_lines(folder / "groundtruth_rect.txt", lines)
  return folder


def write_tlp(folder: pathlib.Path, lines: list[str], *, frames: int) -> None:
  """Writes a TLP sequence with these lines of ground truth."""
  write_frames(folder / "img", frames, name="{:05d}.jpg")
  write_lines(folder / "groundtruth_rect.txt", lines)


def write_uav123(folder: pathlib.Path, lines: list[str], *, frames: int) -> None:
  """Writes a UAV123 sequence, whose ground truth lies beside its folder."""
  write_frames(folder, frames, name="{:06d}.jpg")
  write_lines(folder.parent / "anno" / f"{folder.name}.txt", lines)


def write_uavdt(folder: pathlib.Path, lines: list[str], *, frames: int) -> None:
  """Writes a UAVDT sequence, whose ground truth lies beside its folder."""
  write_frames(folder, frames, name="img{:06d}.jpg")
  write_lines(folder.parent / "anno" / f"{folder.name}_gt.txt", lines)


def write_lasot(folder: pathlib.Path, lines: list[str], *, occluded: str = "", out_of_view: str = "") -> None:
  """Writes a LaSOT sequence; labels are one line of numbers and commas."""
  write_frames(folder / "img", len(lines), name="{:08d}.jpg")
  write_lines(folder / "groundtruth.txt", lines)
  write_lines(folder / "full_occlusion.txt", [occluded or ",".join("0" * len(lines))])
  write_lines(folder / "out_of_view.txt", [out_of_view or ",".join("0" * len(lines))])


def write_got10k(folder: pathlib.Path, lines: list[str], *, absence: str, cover: str) -> None:
  """Writes a GOT-10k sequence; labels have a digit a frame."""
  write_frames(folder, len(lines), name="{:08d}.jpg")
  write_lines(folder / "groundtruth.txt", lines)
  write_lines(folder / "absence.label", list(absence))
  write_lines(folder / "cover.label", list(cover))


def write_trackingnet(chunk: pathlib.Path, name: str, lines: list[str]) -> None:
  """Writes a TrackingNet sequence of a chunk, a frame a line."""
  folder = chunk / "frames" / name
  folder.mkdir(parents=True)
  for number in range(len(lines)):
    frame_image(number).save(folder / f"{number}.jpg")
  (chunk / "anno").mkdir(exist_ok=True)
  write_lines(chunk / "anno" / f"{name}.txt", lines)


def write_tc128(folder: pathlib.Path, lines: list[str], *, frames: int, table: str) -> None:
  """Writes a TColor-128 sequence; the table names the first and the last frame."""
  write_frames(folder / "img", frames)
  write_lines(folder / f"{folder.name}_gt.txt", lines)
  write_lines(folder / f"{folder.name}_frames.txt", [table])
