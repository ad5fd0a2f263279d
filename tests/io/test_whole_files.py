"""A file is whole or not there, whatever happens while it is written."""

import errno
import pathlib

import numpy as np
import pytest
from matplotlib.figure import Figure

from adadepth.evaluation.cache import keep
from adadepth.io.boxes_csv import BoxRow, write_boxes_csv
from adadepth.io.json_files import write_json
from adadepth.io.video_writer import VideoWriter
from adadepth.io.whole_files import remove_unfinished, replacing, write_text
from adadepth.models.weights import save_safetensors
from adadepth.reports.page import Page, write_page
from adadepth.reports.plots import save

FULL = OSError(errno.ENOSPC, "No space left on device")


def write_film(path: pathlib.Path) -> None:
  with VideoWriter(path, fps=25) as video:
    video.write(np.zeros((32, 32, 3), np.uint8))


WRITERS = {
  "text": lambda path: write_text(path, "new"),
  "json": lambda path: write_json(path, {"new": 1}),
  "csv": lambda path: write_boxes_csv(path, [BoxRow(0, 0.0, 0, 1, 2, 3, 4, 1.0, 1.0, 1, False)]),
  "npz": lambda path: keep(path, "key", {"a": np.zeros(3)}),
  "safetensors": lambda path: save_safetensors(path, {"a": np.zeros(3, np.float32)}),
  "png": lambda path: save(Figure(), path),
  "html": lambda path: write_page(path, Page("title", "lead", [], [], [], None, {"config": {}, "date": ""})),
  "mp4": write_film,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_cannot_take_its_name_leaves_the_older_one_and_nothing_else(tmp_path, monkeypatch, kind):
  path = tmp_path / f"results.{kind}"
  path.write_text("older")

  def full(self, target):
    assert self.suffix == pathlib.Path(target).suffix and self.stat().st_size > 0
    raise FULL

  monkeypatch.setattr(pathlib.Path, "replace", full)
  with pytest.raises(OSError, match="No space left"):
    WRITERS[kind](path)
  assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [(path.name, "older")]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_takes_its_name_when_it_is_whole(tmp_path, kind):
  path = tmp_path / "new" / f"results.{kind}"
  WRITERS[kind](path)
  assert [found.name for found in path.parent.iterdir()] == [path.name] and path.stat().st_size > 0


def test_a_block_that_fails_leaves_no_half(tmp_path):
  with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.txt") as partial:
    partial.write_text("half")
    raise KeyboardInterrupt
  assert list(tmp_path.iterdir()) == []


def test_what_killed_runs_have_left_goes_and_all_else_stays(tmp_path):
  (tmp_path / "tracks" / "hard").mkdir(parents=True)
  (tmp_path / ".unfinished-x1").mkdir()
  for name in (".unfinished-x1/track.mp4", ".unfinished-17-results.json", "tracks/hard/.unfinished-17-a.npz"):
    (tmp_path / name).write_text("half")
  for name in ("results.json", "tracks/hard/a.npz", ".hidden"):
    (tmp_path / name).write_text("whole")
  remove_unfinished(tmp_path)
  files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
  assert files == [".hidden", "results.json", "tracks/hard/a.npz"]
