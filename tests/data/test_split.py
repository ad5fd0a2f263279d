"""Splits: where they come from, and that no video is on two sides."""

import json
import pathlib

import pytest
from PIL import Image

from adadepth.data.sequence import video_of
from adadepth.data.split import VOT2016_DEV, VOT2016_TEST, load_split
from adadepth.errors import InputError

OTHER_TITLES = ("vot/bag", "vot/fish1", "vot/wiper")


def write_sequence(root: pathlib.Path, name: str, *, targets: int = 1) -> None:
  """Writes a sequence of one frame, by its name within the root."""
  folder = root / name
  frames = folder if name.startswith("vot/") else folder / "img"
  frames.mkdir(parents=True)
  Image.new("L", (16, 16)).save(frames / "00000001.png")
  truth = "groundtruth.txt" if name.startswith("vot/") else "groundtruth_rect{}.txt"
  for target in range(1, targets + 1):
    (folder / truth.format(f".{target}" if targets > 1 else "")).write_text("2,2,5,5\n")


def write_split(file: pathlib.Path, **sides: list[str]) -> pathlib.Path:
  """Writes a split file."""
  file.write_text(json.dumps(sides))
  return file


@pytest.fixture
def root(tmp_path):
  """A root with two VOT titles and the two targets of Jogging."""
  for name in ("vot/bag", "vot/ball2"):
    write_sequence(tmp_path, name)
  write_sequence(tmp_path, "otb/Jogging", targets=2)
  return tmp_path


def test_without_a_split_file_every_sequence_is_test(root):
  everything = ["vot/bag", "vot/ball2", "otb/Jogging.1", "otb/Jogging.2"]
  assert load_split(root) == {"train": [], "dev": [], "test": everything}


def test_the_roots_own_split_file_is_used(root):
  write_split(root / "split.json", train=["vot/bag"], dev=["otb/Jogging.1"], test=["vot/ball2"])
  assert load_split(root) == {"train": ["vot/bag"], "dev": ["otb/Jogging.1"], "test": ["vot/ball2"]}


def test_an_explicit_path_wins_over_the_roots_own_file(root):
  write_split(root / "split.json", train=["vot/bag"])
  assert load_split(root, write_split(root / "mine.json", test=["vot/ball2"])) == {
    "train": [],
    "dev": [],
    "test": ["vot/ball2"],
  }


def test_a_videos_name_stands_for_all_its_targets(root):
  write_split(root / "split.json", train=["otb/Jogging"])
  assert load_split(root)["train"] == ["otb/Jogging.1", "otb/Jogging.2"]


def test_a_target_named_twice_on_one_side_counts_once(root):
  write_split(root / "split.json", train=["otb/Jogging.1", "otb/Jogging"])
  assert load_split(root)["train"] == ["otb/Jogging.1", "otb/Jogging.2"]


def test_targets_of_one_video_on_two_sides_are_an_error(root):
  write_split(root / "split.json", train=["otb/Jogging.1"], test=["otb/Jogging.2"])
  with pytest.raises(InputError, match=r"split\.json: otb/Jogging is in train and in test"):
    load_split(root)


def test_names_missing_from_the_root_are_listed(root):
  write_split(root / "split.json", train=["vot/bag", "vot/book"], test=["vot/ball2"])
  with pytest.raises(InputError, match=r"split\.json, train: no sequence vot/book under the data root"):
    load_split(root)


@pytest.mark.parametrize(
  ("text", "reason"),
  [
    ("{", "not JSON"),
    ('["vot/bag"]', 'must be {"train"'),
    ('{"training": []}', 'must be {"train"'),
    ('{"train": "vot/bag"}', 'must be {"train"'),
  ],
)
def test_a_file_that_is_no_split_is_an_error_that_shows_the_form(root, text, reason):
  (root / "split.json").write_text(text)
  with pytest.raises(InputError, match=f"split\\.json: {reason}"):
    load_split(root)


def test_a_missing_split_file_is_an_error(root):
  with pytest.raises(InputError, match=r"nowhere\.json: No such file"):
    load_split(root, root / "nowhere.json")


@pytest.fixture
def two(tmp_path):
  """Two roots as one argument: "a" with vot/bag and one target of Jogging, "b" with vot/ball2 and two others."""
  for root, title in (("a", "vot/bag"), ("b", "vot/ball2")):
    write_sequence(tmp_path / root, title)
    write_sequence(tmp_path / root, "otb/Jogging", targets=2)
  (tmp_path / "a" / "otb" / "Jogging" / "groundtruth_rect.2.txt").unlink()
  (tmp_path / "b" / "otb" / "Jogging" / "groundtruth_rect.1.txt").unlink()
  return f"{tmp_path / 'a'},{tmp_path / 'b'}"


def test_the_sides_of_several_roots_are_joined(two, tmp_path):
  write_split(tmp_path / "a" / "split.json", train=["vot/bag"], test=["otb/Jogging"])
  assert load_split(two) == {
    "train": ["vot/bag"],
    "dev": [],
    "test": ["otb/Jogging.1", "vot/ball2", "otb/Jogging.2"],
  }


def test_one_file_sorts_the_sequences_of_several_roots(two, tmp_path):
  mine = write_split(tmp_path / "mine.json", dev=["otb/Jogging"], test=["vot/ball2"])
  assert load_split(two, mine) == {"train": [], "dev": ["otb/Jogging.1", "otb/Jogging.2"], "test": ["vot/ball2"]}


def test_a_video_on_two_sides_of_two_roots_is_an_error(two, tmp_path):
  write_split(tmp_path / "a" / "split.json", train=["otb/Jogging.1"])
  with pytest.raises(InputError, match=r"data roots .*/a,.*/b: otb/Jogging is in train and in test"):
    load_split(two)


@pytest.fixture
def vot2016(tmp_path):
  """A root with the paper's test titles, our dev titles and some others."""
  for name in VOT2016_TEST + VOT2016_DEV + OTHER_TITLES:
    write_sequence(tmp_path, name)
  return tmp_path


def test_the_papers_test_titles_are_test_on_a_vot2016_folder(vot2016):
  assert sorted(load_split(vot2016)["test"]) == sorted(VOT2016_TEST)


def test_the_other_vot2016_titles_are_dev_or_train(vot2016):
  split = load_split(vot2016)
  assert (split["train"], split["dev"]) == (sorted(OTHER_TITLES), sorted(VOT2016_DEV))


def test_otb_beside_vot2016_is_left_out_of_the_papers_split(vot2016):
  write_sequence(vot2016, "otb/Basketball")
  assert not any(name.startswith("otb/") for names in load_split(vot2016).values() for name in names)


def test_without_one_of_the_papers_titles_everything_is_test(vot2016):
  (vot2016 / "vot" / "soccer2" / "groundtruth.txt").unlink()
  split = load_split(vot2016)
  assert (split["train"], split["dev"]) == ([], [])


def test_the_paper_has_14_test_titles():
  assert len(set(VOT2016_TEST)) == 14


def test_the_real_split_covers_every_target_once(shared):
  split = load_split(shared / "data")
  assert {side: len(names) for side, names in split.items()} == {"train": 15, "dev": 6, "test": 8}


def test_the_release_split_has_49_videos_to_train_26_to_choose_and_20_to_report(shared, wide):
  path = pathlib.Path(__file__).resolve().parents[2] / "configs/splits/wide.json"
  split = load_split(f"{shared / 'data'},{wide}", path)
  videos = {side: len({video_of(name) for name in names}) for side, names in split.items()}
  assert videos == {"train": 49, "dev": 26, "test": 20}
  first, second = load_split(shared / "data"), load_split(wide)
  assert split == {
    "train": first["train"] + second["train"],
    "dev": first["dev"] + first["test"] + second["dev"],
    "test": second["test"],
  }
