"""What was measured of a video is taken up again only where nothing that it depends on has changed."""

import dataclasses
import fcntl
import functools
import os

import numpy as np
import pytest
from PIL import Image

from adadepth.data.sequence import Sequence
from adadepth.evaluation import cache
from adadepth.evaluation.cache import Task, each_once, keep
from adadepth.io import code_digest
from adadepth.io.images import ImageFolder
from adadepth.tracking.policies import hard_policy, stop_share

PARAMS = {"backbone": np.arange(4, dtype=np.float32)}
ARRAYS = {"responses": np.arange(6, dtype=np.float16).reshape(2, 3), "start": 3}


@pytest.fixture
def sequence() -> Sequence:
  return Sequence("vot/ball2", np.zeros((3, 4, 5, 3), np.uint8), np.ones((3, 4), np.float32))


@pytest.fixture
def files(tmp_path) -> Sequence:
  """A sequence of two frames on disk."""
  paths = tuple(tmp_path / f"{t}.png" for t in range(2))
  for path in paths:
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(path)
  return Sequence("vot/ball2", ImageFolder(paths), np.ones((2, 4), np.float32))


# Keys.


def test_the_same_measurement_has_the_same_key(sequence):
  again = Sequence(sequence.name, sequence.frames.copy(), sequence.boxes_xywh.copy())
  copied = {"backbone": PARAMS["backbone"].copy()}
  assert cache.key_of(sequence, PARAMS, "hard", 4) == cache.key_of(again, copied, "hard", 4)


@pytest.mark.parametrize(
  "change",
  [
    {"name": "vot/ball3"},
    {"boxes_xywh": np.full((3, 4), 2, np.float32)},
    {"frames": np.ones((3, 4, 5, 3), np.uint8)},
  ],
)
def test_another_sequence_has_another_key(sequence, change):
  assert cache.key_of(dataclasses.replace(sequence, **change), PARAMS) != cache.key_of(sequence, PARAMS)


def test_other_parameters_have_another_key(sequence):
  other = {"backbone": PARAMS["backbone"] + np.float32(1e-6)}
  assert cache.key_of(sequence, other) != cache.key_of(sequence, PARAMS)


def test_other_settings_have_another_key(sequence):
  assert cache.key_of(sequence, PARAMS, "hard") != cache.key_of(sequence, PARAMS, "soft")


def test_other_code_has_another_key(sequence, monkeypatch):
  before = cache.key_of(sequence, PARAMS)
  monkeypatch.setattr(cache, "code_version", lambda: "another")
  assert cache.key_of(sequence, PARAMS) != before


def test_a_file_of_another_size_has_another_key(files):
  before = cache.key_of(files, PARAMS)
  path = files.frames.paths[1]
  date = path.stat().st_mtime_ns
  path.write_bytes(path.read_bytes() + b"0")
  os.utime(path, ns=(date, date))
  assert cache.key_of(files, PARAMS) != before


def test_a_file_of_another_date_has_another_key(files):
  before = cache.key_of(files, PARAMS)
  os.utime(files.frames.paths[1], ns=(1, 1))
  assert cache.key_of(files, PARAMS) != before


@pytest.fixture
def package(tmp_path, monkeypatch):
  """A package of one file in a room that decides what is measured, and one in a room that does not."""
  for room in ("maths", "reports"):
    (tmp_path / "adadepth" / room).mkdir(parents=True)
    (tmp_path / "adadepth" / room / "a.py").write_text("a = 1\n")
  monkeypatch.setattr(code_digest, "__file__", str(tmp_path / "adadepth" / "io" / "code_digest.py"))
  return tmp_path / "adadepth"


def version() -> str:
  """`code_version`, read anew."""
  code_digest.digest_of_code.cache_clear()
  return cache.code_version()


def test_code_that_measures_changes_the_version_and_other_code_does_not(package):
  first = version()
  (package / "reports" / "a.py").write_text("a = 2\n")
  assert version() == first
  (package / "maths" / "a.py").write_text("a = 2\n")
  assert version() != first


def test_a_file_that_is_moved_changes_the_version(package):
  first = version()
  (package / "maths" / "a.py").rename(package / "maths" / "b.py")
  assert version() != first


# Files.


def test_what_is_kept_comes_back_as_it_was(tmp_path):
  cache.keep(tmp_path / "new" / "a.npz", "key", ARRAYS)
  found = cache.kept(tmp_path / "new" / "a.npz", "key")
  assert set(found) == set(ARRAYS)
  np.testing.assert_array_equal(found["responses"], ARRAYS["responses"])
  assert found["responses"].dtype == np.float16 and int(found["start"]) == 3


def test_another_key_finds_nothing(tmp_path):
  cache.keep(tmp_path / "a.npz", "key", ARRAYS)
  assert cache.kept(tmp_path / "a.npz", "another") is None


def test_an_absent_file_finds_nothing(tmp_path):
  assert cache.kept(tmp_path / "a.npz", "key") is None


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_half_a_file_finds_nothing(tmp_path, share):
  path = tmp_path / "a.npz"
  cache.keep(path, "key", ARRAYS)
  whole = path.read_bytes()
  path.write_bytes(whole[: int(share * len(whole))])
  assert cache.kept(path, "key") is None


def test_a_file_of_something_else_finds_nothing(tmp_path):
  np.savez(tmp_path / "a.npz", responses=np.zeros(3))
  assert cache.kept(tmp_path / "a.npz", "key") is None


def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch):
  path = tmp_path / "a.npz"
  cache.keep(path, "key", ARRAYS)

  def cut_off(partial, **_):
    partial.write_bytes(b"half")
    raise KeyboardInterrupt

  monkeypatch.setattr(np, "savez", cut_off)
  with pytest.raises(KeyboardInterrupt):
    cache.keep(path, "another", ARRAYS)
  assert cache.kept(path, "key") is not None


def test_a_name_of_a_folder_is_one_file(tmp_path, sequence):
  assert cache.file_of(tmp_path, sequence) == tmp_path / "vot_ball2.npz"


# Sharing the work.


def task(folder, name: str, made: list) -> Task:
  """A task that notes that it was made."""

  def measure():
    made.append(name)
    return {"value": np.array([len(made)])}

  return Task(folder / f"{name}.npz", "key", measure)


def test_what_is_kept_is_not_made_again(tmp_path):
  made = []
  for _ in range(2):
    found = each_once([task(tmp_path, name, made) for name in "ab"], "testing")
  assert made == ["a", "b"]
  assert [arrays["value"][0] for arrays in found] == [1, 2]


def test_without_a_folder_each_is_made(tmp_path):
  made = []
  tasks = [task(tmp_path, "a", made)._replace(path=None)] * 2
  assert len(each_once(tasks, "testing")) == len(made) == 2


def test_what_another_process_is_at_is_left_to_it_and_waited_for(tmp_path, monkeypatch):
  made, waits = [], []
  (tmp_path / "a.claim").touch()
  held = os.open(tmp_path / "a.claim", os.O_RDWR)
  fcntl.flock(held, fcntl.LOCK_EX)

  def other_process_finishes(seconds):
    waits.append(made.copy())
    keep(tmp_path / "a.npz", "key", {"value": np.array([7])})
    os.close(held)

  monkeypatch.setattr(cache.time, "sleep", other_process_finishes)
  first, second = each_once([task(tmp_path, name, made) for name in "ab"], "testing")
  assert (made, waits) == (["b"], [["b"]])
  assert (first["value"][0], second["value"][0]) == (7, 1)


def test_the_claim_of_a_process_that_died_is_free(tmp_path):
  (tmp_path / "a.claim").touch()
  made = []
  each_once([task(tmp_path, "a", made)], "testing")
  assert made == ["a"]
  assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_task_that_fails_leaves_no_claim(tmp_path):
  def fails():
    raise ValueError("no")

  with pytest.raises(ValueError, match="no"):
    each_once([Task(tmp_path / "a.npz", "key", fails)], "testing")
  assert list(tmp_path.iterdir()) == []


def test_a_policy_of_ones_own_has_its_file_in_the_key(tmp_path):
  found = []
  for share in (0.0, 0.99):
    file = tmp_path / "score.py"
    file.write_text(f"def share(*_, **__): return {share}")
    names = {}
    exec(compile(file.read_text(), file, "exec"), names)
    found.append(code_digest.digest_of_function(functools.partial(hard_policy, share=names["share"])))
  assert len({*found, ""}) == 3
  assert code_digest.digest_of_function(functools.partial(hard_policy, share=stop_share)) == ""
