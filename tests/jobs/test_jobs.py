"""Every config, end to end, as small as it goes: what a person runs, and what it leaves behind."""

import csv
import importlib
import itertools
import json
import pathlib
import re

import jax
import numpy as np
import pytest
from PIL import Image

from adadepth.benchmark import gate_training, whole_videos
from adadepth.data.render import Difficulty, render_sequence
from adadepth.errors import InputError
from adadepth.io.metric_writer import read_metrics
from adadepth.jobs import TASKS, assess
from adadepth.jobs.from_config import architecture_of, source_of, starting_params
from adadepth.models.model import load_model
from adadepth.reports import evaluation_page, figure7
from adadepth.tracking.tracker import Tracker

POLICIES = {"xcorr1", "xcorr2", "xcorr3", "xcorr4", "xcorr5", "soft", "hard"}


@pytest.fixture(autouse=True, scope="module")
def _standard_promotion():
  # Adam's bias correction (optax) raises a float to an integer power.
  with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
    yield


@pytest.fixture(autouse=True, scope="module")
def _short_films():
  """Figure 7 and the report of a few frames; test_figure7 and test_looks have their rules."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(figure7, "FRAMES", 5)
    patch.setattr(evaluation_page, "LOOKED_AT", 6)
    yield


def small(name: str, arg: str | None = None):
  """A config with everything that takes time turned down."""
  get_config = importlib.import_module(f"configs.{name}").get_config
  config = get_config() if arg is None else get_config(arg)
  changes = {
    "network": {"width": 1 / 16, "template_px": 32, "search_px": 64, "pools": 3},
    "data": {"rendered": (2, 2, 2)},
    # The same everywhere, so that one program serves all.
    "finetune": {"steps": 4, "warmup_steps": 0, "groups": 2, "log_every": 1, "checkpoint_every": 2},
    "gates": {"steps": 20, "batch": 16, "keys_per_sequence": 1, "price_weights": (0.0, 0.1), "folds": 2},
    "eval": {
      "keys_per_sequence": 1,
      "frames_per_key": 4,
      "frames_per_sequence": 4,
      "tracking": "xcorr1,hard",
      "timing_rounds": 0,
    },
    "benchmark": {"rounds": 2, "frame_hw": (96, 128), "frames": 4, "pairs": 500},
  }
  for part, values in changes.items():
    if part in config:
      config[part].update({name: value for name, value in values.items() if name in config[part]})
  return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  """A finished run of the main job, from random weights."""
  workdir = tmp_path_factory.mktemp("gating")
  TASKS["gating"](small("gating", "scratch"), workdir)
  return workdir


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
  """A finished run of phase 1 alone."""
  workdir = tmp_path_factory.mktemp("finetune")
  config = small("finetune", "all,quick")
  config.eval.every_steps = 2
  TASKS["finetune"](config, workdir)
  return workdir


def results_of(workdir) -> dict:
  return json.loads((workdir / "results.json").read_text())


def check_results(results: dict, tracked: set[str]) -> None:
  scored = {"iou@1", "iou@5", "iou@25", "gflops", "relative_cost"}
  assert set(results["pairs"]) == POLICIES
  for name in POLICIES - {"hard"}:
    assert set(results["pairs"][name]) == scored
  for entry in results["pairs"]["hard"]:
    assert set(entry) == scored | {"threshold", "exits", "random_mix_iou@25"}
    assert sum(entry["exits"]) == pytest.approx(1)
  assert results["pairs"]["xcorr1"]["relative_cost"] == 1
  assert results["reference"] in POLICIES - {"soft", "hard"}
  assert set(results["comparison"]) == {f"minus_{results['reference']}", "minus_random_mix"}
  for difference in results["comparison"].values():
    assert difference["low"] <= difference["mean"] <= difference["high"]
  assert results["threshold"] in [entry["threshold"] for entry in results["pairs"]["hard"]]
  assert set(results["tracking"]) == tracked
  for entry in results["tracking"].values():
    assert {"mean_iou", "success_auc", "precision_20", "fps"} <= set(entry)
  assert len(results["sequences"]) == 2


def check_choice(results: dict) -> None:
  """What the main job says of what it chose, and among what."""
  choice = results["choice"]
  assert choice["chosen"]["policy"] in POLICIES - {"soft"} and choice["gated"]["policy"] == "hard"
  assert choice["gated"]["threshold"] == results["threshold"]
  assert set(choice["static"]) == POLICIES - {"soft", "hard"}
  best = max(entry["iou@25"] for entry in choice["static"].values())
  assert choice["static"][results["reference"]]["iou@25"] == best


def test_the_main_job_writes_results_models_and_figures(finished):
  check_results(results_of(finished), {"xcorr1", "hard"})
  check_choice(results_of(finished))
  for name in ("figure1.png", "figure6.png", "figure7.png"):
    assert np.asarray(Image.open(finished / name)).std() > 0
  assert (finished / "figure7.mp4").stat().st_size > 0
  table = (finished / "table1.md").read_text()
  assert "erratum" in table.lower()
  soft = next(line for line in table.splitlines() if line.startswith("| soft |")).split("|")
  assert float(soft[5]) == pytest.approx(results_of(finished)["pairs"]["soft"]["relative_cost"], abs=0.005)
  assert json.loads((finished / "run.json").read_text())["seed"] == 0
  assert load_model(finished).threshold == results_of(finished)["threshold"]


def viewed_in(workdir) -> dict:
  """What the viewer of a run's page is given."""
  text = (workdir / "report.html").read_text()
  return json.loads(re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_report_shows_every_policy_on_one_sequence(finished):
  data, text = viewed_in(finished), (finished / "report.html").read_text()
  assert [trail["name"] for trail in data["trails"]] == ["hard", "xcorr1"] and len(data["frames"]) == 4
  assert data["name"] in results_of(finished)["sequences"] and data["maps"]["side"] == 8
  tracked = results_of(finished)["tracking"]["hard"]["mean_iou"]
  for words in (
    f"mean IoU of {tracked:.3f}",
    "Sequences, those that took most depth",
    "Phase 1",
    "finetune.steps",
    "versions.jax",
  ):
    assert words in text
  assert text.count("data:image/webp") == 7  # Figures 1, 6, 7, the curves of one pass, and of phase 1


@pytest.fixture(scope="module")
def headline(tmp_path_factory):
  """A finished run of VGG-19's plan with ridge templates and box heads, from a backbone of random weights."""
  workdir = tmp_path_factory.mktemp("headline")
  config = small("gating", "vgg19")
  config.eval.tracking = "hard"
  TASKS["gating"](config, workdir)
  return workdir


def test_the_headline_configuration_runs_from_pairs_to_tracks(headline):
  results, arch = results_of(headline), load_model(headline).arch
  assert (arch.template, arch.reader, arch.scaling) == ("ridge", "box", "min_max")
  check_results(results, {"hard"})
  check_choice(results)


def test_a_finished_model_tracks_many_targets_at_once(headline):
  film = render_sequence(seed=3, name="film", frames=3, height=96, width=128, difficulty=Difficulty())
  tracker, boxes = (
    Tracker(str(headline), budget=2.0),
    np.stack([film.boxes_xywh[0], film.boxes_xywh[0] + np.float32(3)]),
  )
  both = tracker.track(film.frames, boxes)
  assert both.box_xywh.shape == (3, 2, 4) and both.depth.shape == (3, 2)
  for i in range(2):
    alone = tracker.track(film.frames, boxes[i])
    # Two targets are another program than one: sums in another order, read to a fraction of a pixel.
    np.testing.assert_allclose(both.box_xywh[:, i], alone.box_xywh, atol=0.05)
    np.testing.assert_array_equal(both.depth[:, i], alone.depth)


def test_a_finished_main_job_runs_again_and_says_the_same(finished):
  first = results_of(finished)
  TASKS["gating"](small("gating", "scratch"), finished)
  again = results_of(finished)
  assert again["pairs"] == first["pairs"]
  kept = [path for path in finished.glob("results.*.json")]
  assert json.loads(kept[0].read_text()) == first


def test_a_workdir_of_other_settings_is_refused(finished):
  config = small("gating", "scratch")
  config.gates.learning_rate = 0.5
  with pytest.raises(InputError, match=r"holds a run with config\.gates\.learning_rate = 0\.01, not 0\.5"):
    TASKS["gating"](config, finished)


def test_a_budget_in_milliseconds_is_held_against_the_clock_before_the_work(tmp_path, monkeypatch):
  times = {name: np.array([0.01, 0.02]) * k for k, name in enumerate(sorted(POLICIES), 1)}
  monkeypatch.setattr(assess, "step_seconds", lambda trackers, rounds: times)
  config = small("gating", "scratch")
  config.policy.budget, config.policy.budget_unit, config.eval.timing_rounds = 500.0, "ms", 1
  with pytest.raises(InputError, match=r"`config\.policy\.budget` \(=500, ms\) must be above 45 and below 105"):
    TASKS["gating"](config, tmp_path)
  assert not list(tmp_path.iterdir())


def test_phase_one_resumes_as_if_never_interrupted(tmp_path):
  def run(workdir, steps_by_session):
    looks = []
    for steps in steps_by_session:
      config = small("finetune", "all,quick")
      config.eval.every_steps = 2
      params = stopped_after(config, workdir, steps, lambda step, _: looks.append(step))
    return params, looks

  (whole, looks), (parts, looks_again) = run(tmp_path / "whole", [4]), run(tmp_path / "parts", [2, 4])
  jax.tree.map(np.testing.assert_array_equal, whole, parts)
  shares = [line["input_share"] for line in read_metrics(tmp_path / "whole" / "finetune")]
  assert all(0 < share < 1 for share in shares) and len(shares) == 4
  losses = [[line["loss"] for line in read_metrics(tmp_path / name / "finetune")] for name in ("whole", "parts")]
  assert losses[0] == losses[1] and len(losses[0]) == 4
  # The step that is resumed from is looked at again: the run may have stopped during that.
  assert looks == [2, 4] and looks_again == [2, 2, 4]


def stopped_after(config, workdir, steps: int, look) -> dict:
  """Phase 1 of a run that is killed after so many steps: its parameters there."""
  from adadepth.jobs import finetune
  from adadepth.training import phase1

  class Killed(Exception):
    pass

  def batches(*args, start, **kwargs):
    for step, batch in enumerate(training_batches(*args, start=start, **kwargs), start=start):
      if step == steps:
        raise Killed
      yield batch

  training_batches = phase1.training_batches
  params = starting_params(config, architecture_of(config), workdir)
  try:
    phase1.training_batches = batches
    return finetune.run_phase1(config, params, source_of(config).read(("train",))["train"], workdir, look)
  except Killed:
    return params
  finally:
    phase1.training_batches = training_batches


def test_finetune_reports_before_along_and_after(finetuned):
  results = results_of(finetuned)
  assert [point["step"] for point in results["curve"]] == [0, 2, 4]
  assert results["curve"][0] == results["before"] and results["curve"][-1] == results["after"]
  assert results["curve"][2]["epoch"] == 2 * results["curve"][1]["epoch"] > 0
  assert results["before"]["test"]["xcorr5"] != results["after"]["test"]["xcorr5"]
  assert results["before"]["train"]["xcorr5"]["loss"] != results["after"]["train"]["xcorr5"]["loss"]
  for name in ("losses.png", "figure3.png", "figure4.png"):
    assert np.asarray(Image.open(finetuned / name)).std() > 0


def test_phase_one_leaves_a_backbone_and_no_gates(finetuned):
  assert set(load_model(finetuned).params) == {"backbone", "head", "box"}
  config = small("finetune", "all,quick")
  config.backbone.weights = str(finetuned)
  params = starting_params(config, architecture_of(config), finetuned)
  assert set(params) == {"backbone", "head", "box", "gates"}
  jax.tree.map(np.testing.assert_array_equal, {**params, **load_model(finetuned).params}, params)


@pytest.mark.parametrize("job", ["evaluate", "track"])
def test_jobs_that_need_gates_refuse_what_phase_one_left(finetuned, frames_folder, tmp_path, job):
  config = small(job)
  config.model = str(finetuned)
  if job == "track":
    config.video, config.box = str(frames_folder[0]), frames_folder[1]
  with pytest.raises(InputError, match=rf"`config\.model` \(={finetuned}\) has no gates, since phase 1 alone wrote it"):
    TASKS[job](config, tmp_path)
  assert not list(tmp_path.iterdir())


def test_evaluate_reads_a_finished_workdir_and_keeps_its_results(finished, capsys):
  before = results_of(finished)
  config = small("evaluate")
  config.eval.tracking = ""
  TASKS["evaluate"](config, finished)
  check_results(results_of(finished), set())
  printed = capsys.readouterr().out
  assert printed.count("| policy |") == 1 and "\n\n\n" not in printed
  assert before in [json.loads(path.read_text()) for path in finished.glob("results.*.json")]


def test_evaluate_writes_elsewhere_when_told_to(finished, tmp_path):
  config = small("evaluate")
  config.model = str(finished)
  TASKS["evaluate"](config, tmp_path)
  check_results(results_of(tmp_path), {"xcorr1", "hard"})


@pytest.mark.parametrize("layout", ["vot", "otb"])
def test_evaluate_takes_a_folder_never_seen_before(finished, tmp_path, layout):
  film = render_sequence(seed=3, name="film", frames=6, height=96, width=128, difficulty=Difficulty())
  folder = tmp_path / "data" / layout / "film"
  images, truth = (folder / "img", "groundtruth_rect.txt") if layout == "otb" else (folder, "groundtruth.txt")
  images.mkdir(parents=True)
  for t in range(6):
    Image.fromarray(film.frames[t]).save(images / f"{t + 1:08d}.png")
  np.savetxt(folder / truth, film.boxes_xywh + (layout == "otb") * np.array([1, 1, 0, 0]), "%.2f", ",")
  config = small("evaluate")
  config.model, config.data.root = str(finished), str(tmp_path / "data")
  TASKS["evaluate"](config, tmp_path / "run")
  results = results_of(tmp_path / "run")
  assert set(results["sequences"]) == {f"{layout}/film"}
  assert {"pairs", "bounds", "tracking"} <= set(results)
  for name in ("figure1.png", "figure6.png", "figure7.png", "figure7.mp4", "table1.md"):
    assert (tmp_path / "run" / name).stat().st_size > 0


@pytest.fixture(scope="module")
def frames_folder(tmp_path_factory):
  """A folder of five rendered frames, and the first box."""
  folder = tmp_path_factory.mktemp("frames")
  sequence = render_sequence(seed=3, name="film", frames=5, height=96, width=128, difficulty=Difficulty())
  for t in range(5):
    Image.fromarray(sequence.frames[t]).save(folder / f"{t + 1}.png")
  return folder, ",".join(f"{v:.1f}" for v in sequence.boxes_xywh[0])


def test_track_writes_boxes_and_a_video(finished, frames_folder, tmp_path):
  config = small("track")
  config.video, config.box, config.model = str(frames_folder[0]), frames_folder[1], str(finished)
  TASKS["track"](config, tmp_path)
  rows = list(csv.DictReader((tmp_path / "boxes.csv").open()))
  assert [row["frame"] for row in rows] == list("01234")
  assert list(rows[0]) == ["frame", "time", "target", "x", "y", "w", "h", "score", "confidence", "depth", "lost"]
  assert all(1 <= int(row["depth"]) <= 5 and 0 <= float(row["confidence"]) <= 1 for row in rows)
  assert (tmp_path / "track.mp4").stat().st_size > 0
  data = viewed_in(tmp_path)
  assert data["numbers"] == [0, 1, 2, 3, 4] and [trail["name"] for trail in data["trails"]] == ["target"]
  boxes = [[float(row[name]) for name in "xywh"] for row in rows]
  np.testing.assert_allclose(data["trails"][0]["boxes"], boxes, atol=0.051)  # shown to a tenth of a pixel
  assert (tmp_path / "track.json").is_file() and not (tmp_path / "run.json").exists()  # which is the model's, if there


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"box": "1,2,3"}, r"config\.box` \(='1,2,3'\) must be four numbers"),
    ({"box": "1,2,0,4"}, r"config\.box` \(=1,2,0,4\) must be x,y,w,h"),
    ({"box": "900,2,4,4"}, "has its centre outside the 128x96 frame"),
    ({"video": ""}, r"config\.video` \(=''\) must name"),
    ({"video": "/no/such"}, r"config\.video` \(=/no/such\) does not exist"),
    ({"model": "/no/such"}, r"config\.model` \(=/no/such\) is neither"),
    ({"policy": "best"}, r"config\.policy` \(='best'\) must be one of xcorr1"),
    ({"policy": "soft", "budget": 2.0}, r'config\.budget` \(=2\.0\) is for the policy "hard" alone'),
    ({"budget": 99.0}, r"config\.budget` \(=99, relative to xcorr1\) must be above"),
    ({"model": "vgg19"}, r"config\.backbone\.weights` \(=''\) names no backbone"),
    ({"threshold": 1.5}, r"config\.threshold` \(=1\.5\) must lie below 1"),
    ({"threshold": float("nan")}, r"config\.threshold` \(=nan\) must lie below 1"),
    (
      {"threshold": 0.5, "policy": "soft"},
      r'config\.threshold` \(=0\.5\) is for the policy "hard" without .* has no T',
    ),
    ({"threshold": 0.5, "budget": 2.0}, r"config\.threshold` \(=0\.5\) is for .*: config\.budget = 2 moves T"),
  ],
)
def test_track_refuses_bad_input_before_it_writes(finished, frames_folder, tmp_path, changes, message):
  config = small("track")
  config.video, config.box, config.model = str(frames_folder[0]), frames_folder[1], str(finished)
  config.update(changes)
  with pytest.raises(InputError, match=message):
    TASKS["track"](config, tmp_path)
  assert not list(tmp_path.iterdir())


def test_table1_has_the_papers_ratios(tmp_path):
  config = small("table1")
  config.network = importlib.import_module("configs.table1").get_config().network
  TASKS["table1"](config, tmp_path)
  rows = results_of(tmp_path)["rows"]
  assert [row["policy"] for row in rows] == ["xcorr1", "xcorr2", "xcorr3", "xcorr4", "xcorr5", "soft"]
  assert [round(row["ratio_theory"], 2) for row in rows] == [1.00, 2.43, 5.78, 9.12, 10.07, 10.08]
  # XLA's own count at these crops, in GFLOPs.
  assert [row["gflops_xla"] for row in rows[:5]] == pytest.approx([6.31, 15.3, 35.9, 56.0, 61.5], rel=5e-3)


def test_the_benchmark_writes_what_it_can_measure(tmp_path, monkeypatch):
  monkeypatch.setattr(whole_videos, "POLICIES", ("xcorr1", "xcorr2"))  # shallow ones compile fast
  config = small("benchmark")
  with config.unlocked():
    config.benchmark.parts = "sequence,pytorch"
    config.benchmark.peers_python = "/no/python"
  TASKS["benchmark"](config, tmp_path)
  rows = {row["id"]: row for row in results_of(tmp_path)["rows"]}
  found = ("cpu_sequence_overhead_memory", "cpu_sequence_overhead_disk")
  assert all(rows[name]["low"] <= rows[name]["value"] <= rows[name]["high"] for name in found)
  assert "/no/python cannot be started" in rows["cpu_torch_over_ours_xcorr5"]["why"]
  assert np.asarray(Image.open(tmp_path / "speed.png")).std() > 0


def test_the_benchmark_times_phase_two(tmp_path, monkeypatch):
  monkeypatch.setattr(
    gate_training, "alternate", lambda clocks, **_: {name: np.array([c()]) for name, c in clocks.items()}
  )
  monkeypatch.setattr(jax, "clear_caches", lambda: None)  # the other tests' programs stay
  config = small("benchmark")
  config.benchmark.parts = "phase2"
  TASKS["benchmark"](config, tmp_path)
  rows = {row["id"]: row for row in results_of(tmp_path)["rows"]}
  assert rows["phase2"]["value"] > 0 and "500 pairs" in rows["phase2"]["what"]


@pytest.mark.parametrize(
  "config", ["gating.py:vgg19,paper,quick", "gating.py:small", "gating.py", "finetune.py:deepest"]
)
def test_configs_load_and_are_locked(config):
  name, _, arg = config.partition(".py")
  loaded = importlib.import_module(f"configs.{name}").get_config(*([arg[1:]] if arg else []))
  with pytest.raises((AttributeError, KeyError)):
    loaded.no_such_field = 1


def fields_without_a_comment(path: pathlib.Path, known: set[str]) -> set[str]:
  """Names such as "finetune.steps" that a config file is the first to set, with no comment beside or above them."""
  named = set()
  for above, line in itertools.pairwise(path.read_text().splitlines()):
    if field := re.match(r"  (\w+\.[\w.]+) = (?!ConfigDict\(\)|common\.)", line):
      name = field[1].removeprefix("config.").replace("evaluation.", "eval.")
      if name not in known and "#" not in line and not above.lstrip().startswith("#"):
        named.add(name)
      known.add(name)
  return named


def test_every_field_of_a_config_is_commented():
  folder, shared = pathlib.Path(__file__).parents[2] / "configs", set()
  assert not fields_without_a_comment(folder / "common.py", shared)
  for path in sorted(folder.glob("*.py")):
    assert not fields_without_a_comment(path, set(shared)), path
