"""A run's folder belongs to one run, and loses nothing."""

import json
import os
import pathlib

import pytest

from adadepth.errors import InputError
from adadepth.io.workdir import all_or_none, alone_in, check_claim, claim, put_aside, write_results


def test_the_same_settings_may_come_again(tmp_path):
  settings = {"seed": 0, "network": {"pools": 3, "sizes": (1, 2)}}
  assert claim(tmp_path / "run", settings) == claim(tmp_path / "run", settings) == tmp_path / "run"


def test_other_settings_are_refused_by_name(tmp_path):
  claim(tmp_path, {"seed": 0, "network": {"pools": 3}})
  with pytest.raises(InputError, match=r"holds a run with config\.network\.pools = 3, not 4"):
    claim(tmp_path, {"seed": 0, "network": {"pools": 4}})


def test_a_check_claims_nothing(tmp_path):
  check_claim(tmp_path / "new", {"seed": 1})
  assert not (tmp_path / "new").exists()
  claim(tmp_path / "new", {"seed": 0})
  with pytest.raises(InputError, match=r"config.seed = 0, not 1"):
    check_claim(tmp_path / "new", {"seed": 1})


def test_older_results_stay_beside_the_new(tmp_path):
  for value in range(3):
    write_results(tmp_path, {"value": value})
    (tmp_path / "figure7.mp4").write_text(str(value))
  values = sorted(json.loads(path.read_text())["value"] for path in tmp_path.glob("results*.json"))
  assert values == [0, 1, 2]
  assert json.loads((tmp_path / "results.json").read_text())["value"] == 2
  for path in tmp_path.glob("results*.json"):
    film = path.with_name(path.name.replace("results", "figure7")).with_suffix(".mp4")
    assert film.read_text() == str(json.loads(path.read_text())["value"])


def test_copies_of_older_tables_and_the_toolkits_own_file_stay_where_they_are(tmp_path):
  (tmp_path / "trackers.ini").write_text("the toolkit's")
  for value in range(20):  # as many times in a row would make a name too long
    write_results(tmp_path, {"value": value})
    (tmp_path / "trackers.md").write_text(str(value))
  tables = [path for path in tmp_path.glob("trackers*.md") if path.name.count(".") <= 2]
  assert sorted(int(path.read_text()) for path in tables) == list(range(20))
  assert (tmp_path / "trackers.ini").read_text() == "the toolkit's"


def write_two(workdir, text: str) -> None:
  with all_or_none(workdir) as folder:
    (folder / "a").write_text(text)
    (folder / "b").write_text(text)


def test_files_of_a_run_appear_together_and_replace_older_ones(tmp_path):
  write_two(tmp_path / "new" / "run", "1")
  write_two(tmp_path / "new" / "run", "2")
  assert {path.name: path.read_text() for path in (tmp_path / "new" / "run").iterdir()} == {"a": "2", "b": "2"}


def test_a_run_that_fails_leaves_the_older_files_as_they_were(tmp_path):
  write_two(tmp_path, "1")
  with pytest.raises(KeyError), all_or_none(tmp_path) as folder:
    (folder / "a").write_text("2")
    raise KeyError
  with pytest.raises(InputError, match="No space left on device"), all_or_none(tmp_path) as folder:
    (folder / "a").write_text("2")
    raise OSError(28, "No space left on device")
  assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "1", "b": "1"}


def test_a_folder_in_the_way_is_found_before_the_first_file_is_moved(tmp_path):
  (tmp_path / "b").mkdir()
  with pytest.raises(InputError, match=r"`--workdir` \(=.*\) cannot be written \(.*b is a folder\)"):
    write_two(tmp_path, "1")
  assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("place", ["a-file", "a-file/below", "/proc/x"])
def test_a_workdir_that_cannot_be_made_is_told_in_a_line(tmp_path, place):
  (tmp_path / "a-file").touch()
  with pytest.raises(InputError, match=r"^`--workdir` \(=[^ ]*\) cannot be written \([^\n]*$"):
    write_two(tmp_path / place, "1")


def test_files_in_folders_are_moved_and_older_ones_that_did_not_come_again_go(tmp_path):
  run, mine = tmp_path / "run", tmp_path / "mine"
  mine.write_text("mine")
  for formats, older in (("ab", ()), ("bc", ("a/x", "b/x", "../mine"))):
    with all_or_none(run, older=older) as folder:
      for name in formats:
        (folder / name).mkdir()
        (folder / name / "x").write_text(formats)
  files = {path.relative_to(run).as_posix(): path.read_text() for path in run.rglob("*") if path.is_file()}
  assert files == {"b/x": "bc", "c/x": "bc"} and mine.exists()


def test_a_file_that_is_put_aside_keeps_its_content_under_a_name_with_its_time(tmp_path):
  put_aside(tmp_path / "report.html")  # nothing there is nothing to do
  (tmp_path / "report.html").write_text("the model's own")
  written = (tmp_path / "report.html").stat().st_mtime_ns
  put_aside(tmp_path / "report.html")
  assert [path.name for path in tmp_path.iterdir()] == [f"report.{written}.html"]
  assert (tmp_path / f"report.{written}.html").read_text() == "the model's own"


# One run at a time.


def test_a_second_run_in_a_workdir_is_refused_in_a_line(tmp_path):
  with alone_in(tmp_path / "run"):
    with pytest.raises(InputError) as caught, alone_in(tmp_path / "run"):
      pass
    with alone_in(tmp_path / "another"):
      (tmp_path / "another" / "results.json").touch()
  told = f"`--workdir` (={tmp_path / 'run'}) is in use by another run (process {os.getpid()} on "
  assert str(caught.value).startswith(told) and "\n" not in str(caught.value)
  assert [path.name for path in tmp_path.rglob("*")] == ["another", "results.json"]  # nothing was written to the other


def test_a_run_that_writes_nothing_leaves_no_folder(tmp_path):
  (tmp_path / "there").mkdir()
  for name in ("a/b/c", "there"):
    with pytest.raises(KeyError), alone_in(tmp_path / name):
      raise KeyError
  assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_run_clears_what_killed_ones_have_left(tmp_path):
  (tmp_path / ".unfinished-17-results.json").touch()
  (tmp_path / ".lock").write_text("process 17 on another")
  with alone_in(tmp_path):
    (tmp_path / "results.json").touch()
  assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_workdir_that_cannot_be_locked_is_told_by_its_path(tmp_path):
  (tmp_path / "file").touch()
  with pytest.raises(OSError) as caught, alone_in(tmp_path / "file"):
    pass
  assert caught.value.filename == str(tmp_path / "file")


def test_results_that_cannot_be_written_leave_the_older_ones_where_they_are(tmp_path, monkeypatch):
  write_results(tmp_path, {"value": 1})
  (tmp_path / "figure7.mp4").write_text("1")

  def full(*_, **__):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(pathlib.Path, "write_text", full)
  with pytest.raises(OSError, match="No space left"):
    write_results(tmp_path, {"value": 2})
  assert sorted(path.name for path in tmp_path.iterdir()) == ["figure7.mp4", "results.json"]
  assert json.loads((tmp_path / "results.json").read_text()) == {"value": 1}


def test_a_run_leaves_what_another_one_is_at_in_a_folder_below(tmp_path):
  half = tmp_path / "clip" / "deep" / ".unfinished-a"
  with alone_in(tmp_path / "clip"):
    half.parent.mkdir()
    half.touch()
    with alone_in(tmp_path):
      assert half.exists()
  with alone_in(tmp_path):
    assert not half.exists()
