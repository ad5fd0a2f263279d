"""A little of `experiments/reliability/fuzz.py`, the same at every run: odd input gives a result or one line."""

import pytest
from hypothesis import strategies

from experiments.reliability import fuzz

QUICK = 60  # inputs for each target; those below cost more
FEW = {"weights/model": 30, "arguments": 25, "videos": 40}


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_odd_input_gives_a_result_or_one_line(name, tmp_path):
  if name == "trax":
    pytest.importorskip("trax", reason="vot-trax is not installed")
  (tmp_path / "folder").mkdir()
  tally = fuzz.Tally(tmp_path / "tally.json")
  fuzz.run(name, tmp_path / "folder", tally, inputs=FEW.get(name, QUICK), seed=0)
  assert tally.failures == {} and tally.inputs >= FEW.get(name, QUICK) - 10
  assert tally.counts["results"]  # else nothing is read past what refuses all


def test_what_fails_is_counted_and_named(tmp_path):
  def read(_, case):
    return 1 / case

  tally = fuzz.Tally(tmp_path / "tally.json")
  target = fuzz.Target(strategies.just(0), read)
  fuzz.judge(target, tmp_path, 0, tally)
  fuzz.judge(target, tmp_path, 2, tally)
  tally.write()
  again = fuzz.Tally(tmp_path / "tally.json")
  assert again.counts == {"failures": 1, "results": 1} and "ZeroDivisionError" in next(iter(again.failures))
