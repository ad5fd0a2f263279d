"""Every layout, prepared as records: the same sequences come back, and no picture is opened to begin with."""

import functools
import pathlib

import numpy as np
import pytest
from PIL import Image
from small_roots import (
  GOOD,
  write_frames,
  write_got10k,
  write_lasot,
  write_lines,
  write_otb,
  write_tc128,
  write_tlp,
  write_trackingnet,
  write_uav123,
  write_uavdt,
  write_vot,
)

from adadepth.data import builders
from adadepth.data.layouts import LAYOUTS, read_sequences
from adadepth.data.sources import Source
from adadepth.errors import InputError
from adadepth.evaluation.cache import key_of
from adadepth.jobs import TASKS
from configs import prepare


def write_vot_with_all(folder: pathlib.Path) -> None:
  """A VOT sequence with a polygon, a tag and anchors, and one without."""
  write_vot(folder / "toy", ["2,3,12,3,12,11,2,11", "nan,nan,nan,nan", GOOD], frames=3)
  write_lines(folder / "toy" / "occlusion.tag", ["1", "0", "0"])
  write_lines(folder / "toy" / "anchor.value", ["1", "0", "-1"])
  write_vot(folder / "zoo", [GOOD] * 2, frames=2)


def write_nfs(folder: pathlib.Path) -> None:
  write_frames(folder / "ball" / "30" / "ball", 2, name="{:05d}.jpg")
  write_lines(folder / "ball" / "30" / "ball.txt", ['0 1 4 11 12 0 0 0 1 "ball"', '0 2 4 12 12 0 0 1 1 "ball"'])


def write_videos(folder: pathlib.Path) -> None:
  write_frames(folder / "clip", 3, name="frame {}.png")
  (folder / "clip.csv").write_text("frame,x,y,w,h\n0,1,2,3,4\n2,1,2,3,4\n")


WRITE = {
  "vot": write_vot_with_all,
  "tlp": lambda folder: write_tlp(folder / "Toy", ["1,3,4,10,8,0", "2,0,0,0,0,1"], frames=2),
  "otb": lambda folder: write_otb(folder.parent, [GOOD] * 2, frames=2),
  "uav123": lambda folder: write_uav123(folder / "toy", [GOOD, "NaN,NaN,NaN,NaN"], frames=2),
  "uavdt": lambda folder: write_uavdt(folder / "toy", [GOOD] * 2, frames=2),
  "lasot": lambda folder: write_lasot(folder / "cat" / "cat-1", [GOOD] * 3, occluded="0,1,0"),
  "got10k": lambda folder: write_got10k(folder / "val" / "a", [GOOD] * 3, absence="010", cover="888"),
  "trackingnet": lambda folder: write_trackingnet(folder / "TRAIN_0", "a_1", ["1,4,10,8"] * 2),
  "nfs": write_nfs,
  "tc128": lambda folder: write_tc128(folder / "Ball_ce", [GOOD] * 2, frames=3, table="2,3"),
  "videos": write_videos,
}


def run_prepare(root: pathlib.Path, workdir: pathlib.Path) -> None:
  config = prepare.get_config()
  config.data.root = str(root)
  TASKS["prepare"](config, workdir)


def source_of(root: object, split: str = "") -> Source:
  return Source(str(root), split, "stop", (0, 0, 0), 1.0, 0)


def assert_same(found, expected) -> None:
  """All that a sequence has, and every pixel."""
  assert [sequence.name for sequence in found] == [sequence.name for sequence in expected]
  for one, other in zip(found, expected, strict=True):
    for name in ("boxes_xywh", "corners", "anchors"):
      given, wanted = getattr(one, name), getattr(other, name)
      assert (given is None) == (wanted is None), name
      if wanted is not None:
        np.testing.assert_array_equal(given, wanted)
    assert one.attributes.keys() == other.attributes.keys()
    for word, flags in other.attributes.items():
      np.testing.assert_array_equal(one.attributes[word], flags)
    for t in range(len(other)):
      np.testing.assert_array_equal(one.frames[t], other.frames[t])


def test_every_layout_is_here():
  assert WRITE.keys() == {layout.name for layout in LAYOUTS}


@pytest.mark.parametrize("name", WRITE)
def test_records_are_what_the_layout_has(name, tmp_path, monkeypatch):
  root, prepared = tmp_path / "data", tmp_path / "prepared"
  (root / name).mkdir(parents=True)
  WRITE[name](root / name)
  run_prepare(root, prepared)
  expected = read_sequences(root).sequences
  with monkeypatch.context() as patch:
    patch.setattr(Image, "open", None)
    found = source_of(prepared).read(("test",))["test"]
  assert_same(found, expected)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
  """Five sequences of two frames as they lie, and prepared, a file for each."""
  folder = tmp_path_factory.mktemp("many")
  for name in "abcde":
    write_trackingnet(folder / "data" / "trackingnet" / "TRAIN_0", name, ["1,4,10,8"] * 2)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(builders, "SHARD_BYTES", 1)
    run_prepare(folder / "data", folder / "prepared")
  return folder


def test_a_file_ends_with_the_sequence_that_makes_it_long_enough(many):
  names = sorted(path.name for path in (many / "prepared").rglob("*array_record*"))
  assert names == [f"real_tracks-test.array_record-0000{i}-of-00005" for i in range(5)]
  found = source_of(many / "prepared").read(("test",))["test"]
  assert [sequence.frames.paths[0].name for sequence in found] == names
  assert_same(found, read_sequences(many / "data").sequences)


def test_a_build_that_is_there_is_not_made_again(many):
  before = {path: path.stat().st_mtime_ns for path in (many / "prepared").rglob("*array_record*")}
  run_prepare(many / "data", many / "prepared")
  assert {path: path.stat().st_mtime_ns for path in (many / "prepared").rglob("*array_record*")} == before


def test_what_is_measured_on_records_depends_on_their_file(many):
  key = functools.partial(key_of, source_of(many / "prepared").read(("test",))["test"][0], {})
  before = key()
  path = min((many / "prepared").rglob("*array_record-*"))
  path.touch()
  assert key() != before


def test_a_side_without_records_and_a_split_besides_are_refused(many):
  with pytest.raises(InputError, match=r"holds no records of train: prepare it with another split"):
    source_of(many / "prepared").read()
  with pytest.raises(InputError, match=r"no `config.data.split`, by which they are sorted when they are prepared"):
    source_of(many / "prepared", split="mine.json").read(("test",))


def test_without_a_root_there_is_nothing_to_prepare(tmp_path):
  with pytest.raises(InputError, match=r"`config.data.root` \(=''\) names no folder"):
    run_prepare("", tmp_path)
