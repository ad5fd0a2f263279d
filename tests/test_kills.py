"""Real runs, killed at random moments and started again, end as one that was left alone."""

import pytest

from experiments.reliability import kills


@pytest.mark.slow
def test_three_kills_of_a_training_run_lose_nothing(tmp_path):
  kills.main(str(tmp_path), ["train"], 3, "")
  entries = kills.read(tmp_path / "kills.jsonl")
  assert kills.count(entries) >= 3 and [entry["wrong"] for entry in entries] == [[]] * len(entries)


# What they are compared by.


def test_one_bit_of_one_tensor_is_a_difference():
  alone = {"tensor a": ("<f4", (2,), b"12345678"), "results.json": {"iou": 0.5}}
  assert kills.differing(alone, dict(alone)) == []
  assert kills.differing(alone, alone | {"tensor a": ("<f4", (2,), b"12345679")}) == ["tensor a"]
  assert kills.differing(alone, {"tensor a": alone["tensor a"]}) == ["results.json"]


def test_times_are_not_compared_and_all_else_is():
  results = {"tracking": {"hard": {"fps": 3.0, "mean_iou": 0.5}}, "rows": [{"seconds": 1.0, "id": "a"}]}
  assert kills.without_times(results) == {"tracking": {"hard": {"mean_iou": 0.5}}, "rows": [{"id": "a"}]}


def test_halves_of_files_and_checkpoints_are_told_from_whole_ones(tmp_path):
  for name in ("results.json", "20", ".unfinished-17-a.npz", "40.orbax-checkpoint-tmp-3", ".lock"):
    (tmp_path / name).touch()
  assert kills.left_over(tmp_path) == [".lock", ".unfinished-17-a.npz", "40.orbax-checkpoint-tmp-3"]
