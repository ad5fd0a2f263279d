"""A run's folder belongs to one run, and loses nothing."""

import json

import pytest

from adadepth.errors import InputError
from adadepth.io.workdir import check_claim, claim, write_results


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
