"""The benchmark's rows, clocks and peers; its parts end to end are in test_jobs."""

import json
import resource
import sys
import types

import numpy as np
import pytest
from matplotlib.figure import Figure

from adadepth.benchmark.draw import COLORS, draw_exits, draw_targets
from adadepth.benchmark.many_targets import MIXES, mixed_exits
from adadepth.benchmark.peer import Peer, PeerError, in_blocks
from adadepth.benchmark.rows import TABLE, markdown, results_of, row
from adadepth.benchmark.ships import if_there, saved_shares, square_in_middle, tiled
from adadepth.data.crops import crop_square
from adadepth.errors import InputError
from adadepth.evaluation.timing import alternate
from adadepth.io.workdir import claim
from adadepth.jobs.benchmark import identity_of, keep_part, parts_named, peak_memory_gib
from configs import benchmark
from experiments.speed import host_crop

# The table of experiments/speed.
IDS = [
  "cpu_t5_over_t1",
  "cpu_hard_share_single",
  "cpu_hard_share_batch32",
  "cpu_torch_over_ours_xcorr5",
  "cpu_torch_over_ours_other_min",
  "cpu_sequence_overhead_memory",
  "cpu_sequence_overhead_disk",
  "gpu_fps_xcorr5",
  "gpu_fps1_over_fps5_batch32",
  "gpu_peak_share",
  "gpu_hard_share_batch32",
  "gpu_torch_over_ours_min",
  "ships_time_over_flops",
  "ships_time_over_flops_vgg19",
  "ships_time_over_flops_package",
  "ships_1080p_over_360p",
  "ships_4k_over_360p",
  "ships_4k_large_target_over_360p",
  "ships_before_over_now_360p",
  "ships_before_over_now_1080p",
  "ships_csrt_over_ours",
  "ships_batch32",
  "compiles_after_first_video",
  "start_before_over_now",
  "start_again",
  "phase2",
]


def measured(identity: str) -> dict:
  return row(identity, "what", np.array([1.0, 2.0, 3.0]), "ratio")


def test_the_tables_rows_come_first_and_in_order():
  parts = {"steps": {"rows": [measured("step_xcorr1"), measured("cpu_hard_share_single"), measured("cpu_t5_over_t1")]}}
  rows = results_of(parts, "cpu")
  assert [r["id"] for r in rows] == [*IDS, "step_xcorr1"]
  assert [r["value"] for r in rows[:2]] == [2, 2]


def test_a_row_without_a_value_says_why():
  rows = {r["id"]: r for r in results_of({"steps": {"rows": []}, "pytorch": {"skipped": "no torch"}}, "cpu")}
  assert all(rows[name]["value"] is None and rows[name]["low"] is None for name in IDS)
  assert rows["gpu_peak_share"]["why"] == "this run was on a CPU"
  assert rows["cpu_hard_share_batch32"]["why"] == "the part 'batch' was not run"
  assert rows["cpu_torch_over_ours_xcorr5"]["why"] == "no torch"


def test_the_table_for_people_has_a_line_for_every_row():
  lines = markdown(results_of({"steps": {"rows": [measured("cpu_t5_over_t1")]}}, "cpu")).splitlines()
  assert len(lines) == 2 + len(TABLE)
  assert "| 2 ratio | 1.5 to 2.5 | >= 5 |" in lines[2]


def test_targets_stand_where_their_number_is_and_one_of_hard_gating_is_the_mean_over_exits():
  rows = {f"step_hard_xcorr{k}": {"value": 10.0 * k, "low": 9.0 * k, "high": 12.0 * k} for k in range(1, 6)}
  rows |= {f"targets{n}_hard_even": measured("x") for n in (8, 32)}
  axes = Figure().add_subplot()
  draw_targets(axes, rows)
  line, _, (bar,) = axes.containers[0]
  np.testing.assert_allclose(line.get_xydata(), [[1, 30], [8, 2], [32, 2]])
  np.testing.assert_allclose(bar.get_segments()[0], [[1, 27], [1, 36]])
  assert axes.get_xscale() == "log"


def test_a_colour_of_the_benchmarks_picture_means_one_policy():
  rows = {name: measured(name) for name in ("step_xcorr1", "step_xcorr5")}
  axes = Figure().add_subplot()
  draw_targets(axes, rows)
  assert [container[0].get_color() for container in axes.containers] == [COLORS["xcorr1"], COLORS["xcorr5"]]


def test_exits_are_drawn_relative_to_the_last():
  rows = {
    f"ships_{what}_package_xcorr{k}": {"value": k, "low": k, "high": k}
    for what in ("step", "gflops")
    for k in range(1, 6)
  }
  axes = Figure().add_subplot()
  draw_exits(axes, rows)
  line, _, _ = axes.containers[0]
  np.testing.assert_allclose(line.get_xydata(), [[k / 5, k / 5] for k in range(1, 6)])


def test_a_time_that_follows_the_flops_saves_all_of_them():
  gflops = np.array([1.0, 2, 4, 8, 10])
  seconds = {f"xcorr{k + 1}": np.full(3, value) for k, value in enumerate(gflops)}
  np.testing.assert_allclose(saved_shares(seconds, gflops), 1)
  with_overhead = {name: values + 10 for name, values in seconds.items()}
  np.testing.assert_allclose(saved_shares(with_overhead, gflops), 0.5)


def test_a_larger_frame_holds_the_same_target():
  frames = np.random.default_rng(0).integers(0, 256, (4, 12, 16, 3), np.uint8)
  large = tiled(frames, 3)
  assert large.shape == (2, 36, 48, 3)
  np.testing.assert_array_equal(large[:, :12, :16], frames[:2])
  np.testing.assert_array_equal(square_in_middle(large, 6), [21, 15, 6, 6])


def test_what_another_process_lacks_is_an_empty_row_with_the_reason():
  def measure():
    raise PeerError("no OpenCV")

  (found,) = if_there(("ships_csrt_over_ours",), measure)
  assert found["value"] is None and found["why"] == "no OpenCV"
  rows = {r["id"]: r for r in results_of({"ships": {"rows": [found]}}, "gpu")}
  assert rows["ships_csrt_over_ours"]["why"] == found["why"]
  assert rows["phase2"]["why"] == "the part 'phase2' was not run"


@pytest.mark.parametrize(("center", "side"), [((40, 30), 20.3), ((2, 50), 61.7), ((70, 10), 300.0), ((40, 30), 1000.0)])
def test_pytorchs_side_cuts_the_same_crop(center, side):
  frame = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
  theirs, ours = (cut(frame, np.float32(center), side, 32) for cut in (host_crop.crop_square, crop_square))
  np.testing.assert_array_equal(theirs, ours)


def test_a_turn_of_several_processes_is_the_median_of_a_block(monkeypatch):
  rests = []
  monkeypatch.setattr("time.sleep", rests.append)
  times = iter([100.0, 3.0, 1.0, 2.0])
  (block,) = in_blocks({"a": lambda: next(times)}).values()
  assert block() == 2 and len(rests) == 1


def test_clocks_are_read_in_turns_after_one_uncounted_reading():
  read = []
  clocks = {name: lambda name=name: read.append(name) or float(len(read)) for name in "ab"}
  seconds = alternate(clocks, rounds=2, limit_s=60)
  assert "".join(read) == "ababab"
  assert {name: values.tolist() for name, values in seconds.items()} == {"a": [3, 5], "b": [4, 6]}


def test_a_comparison_stops_at_its_limit_but_not_before_three_rounds():
  assert len(alternate({"a": lambda: 1.0}, rounds=100, limit_s=0.0)["a"]) == 3


@pytest.mark.parametrize("shares", MIXES.values(), ids=MIXES)
def test_a_mix_has_the_shares_asked_for(shares):
  exits = mixed_exits(32, shares)
  assert exits.shape == (32,)
  np.testing.assert_allclose(np.bincount(exits, minlength=5) / 32, shares, atol=1 / 32)


def test_parts_run_in_the_benchmarks_order_and_all_by_default():
  assert parts_named("batch, steps") == ("steps", "batch")
  assert parts_named("")[0] == "steps"
  with pytest.raises(InputError, match="names 'step'; the parts are steps, "):
    parts_named("step")


def test_parts_of_one_folder_are_of_one_film_and_may_come_in_any_number(tmp_path):
  slim = benchmark.get_config("slim")
  claim(tmp_path, identity_of(slim))
  slim.benchmark.update({"parts": "batch", "rounds": 5, "seconds": 3.0, "peers_python": "/usr/bin/python3"})
  claim(tmp_path, identity_of(slim))
  with pytest.raises(InputError, match=r"holds a run with config\.benchmark\.frame_hw = \[360, 640\], not \[180, 240"):
    claim(tmp_path, identity_of(benchmark.get_config("quick")))


@pytest.mark.parametrize(("platform", "unit"), [("linux", 2**10), ("darwin", 1)])
def test_peak_memory_is_in_gib_whatever_the_system_counts_in(monkeypatch, platform, unit):
  monkeypatch.setattr(sys, "platform", platform)
  monkeypatch.setattr(resource, "getrusage", lambda _: types.SimpleNamespace(ru_maxrss=2**30 // unit))
  assert peak_memory_gib() == 1


def test_an_interpreter_that_is_not_there_is_one_line():
  with pytest.raises(PeerError, match=r"/no/python cannot be started \(No such file or directory\)"):
    Peer("/no/python", "torch_side")


def test_a_peer_without_its_package_says_which():
  with Peer(sys.executable, "no_such_side") as peer, pytest.raises(PeerError, match="No module named 'no_such_side'"):
    peer.ask("prepare")


def test_a_peer_answers_and_its_errors_are_one_line(tmp_path, monkeypatch):
  (tmp_path / "planted.py").write_text("class Side:\n  def half(self, *, of):\n    print('noise')\n    return of / 2\n")
  monkeypatch.setenv("PYTHONPATH", str(tmp_path))
  with Peer("", "planted") as peer:
    assert peer.ask("half", of=3) == 1.5
    with pytest.raises(PeerError, match="TypeError: unsupported operand"):
      peer.ask("half", of="x")
    assert peer.ask("half", of=4) == 2


def test_a_part_that_is_skipped_leaves_what_was_measured(tmp_path):
  file = tmp_path / "parts" / "pytorch.json"
  for done in ({"skipped": "no torch"}, {"rows": [1]}, {"skipped": "no torch"}):
    keep_part(file, done)
  assert json.loads(file.read_text()) == {"rows": [1]}
