"""Config values are refused early, in one line that names them."""

import subprocess
import sys

import pytest

from adadepth.errors import InputError
from adadepth.jobs.checks import CHOICES, RANGES, check_budget, check_config, tracked_policies
from adadepth.jobs.from_config import architecture_of
from configs import benchmark, distill, evaluate, finetune, gating, table1


@pytest.mark.parametrize(
  ("part", "field", "value", "message"),
  [
    ("finetune", "objective", "shallowest", r"`config\.finetune\.objective` \(='shallowest'\) must be one of"),
    ("finetune", "learning_rate", 0.0, r"`config\.finetune\.learning_rate` \(=0\.0\) must be above 0"),
    ("gates", "loss", "l2", r"`config\.gates\.loss` \(='l2'\) must be one of iou, cross_entropy"),
    ("gates", "price_weights", (), r"`config\.gates\.price_weights` \(=\(\)\) must hold at least one"),
    ("gates", "price_weights", (-1.0,), r"`config\.gates\.price_weights` \(=-1\.0\) must be at least 0"),
    ("policy", "thresholds", (0.5, 1.4), r"`config\.policy\.thresholds` \(=1\.4\) must be above 0 and below 1"),
    ("policy", "budget_unit", "s", r"`config\.policy\.budget_unit` \(='s'\) must be one of relative, ms"),
    ("data", "hardest", 1.5, r"`config\.data\.hardest` \(=1\.5\) must be at least 0 and at most 1"),
    ("data", "rendered", (1, 2), r"`config\.data\.rendered` \(=\(1, 2\)\) must be three counts"),
    ("data", "on_error", "ignore", r"`config\.data\.on_error` \(='ignore'\) must be one of stop, skip"),
    ("eval", "frames_per_key", 26, r"`config\.eval\.frames_per_key` \(=26\) must be at least 0 and at most 25"),
    ("eval", "tracking", "xcorr9", r"`config\.eval\.tracking` \(='xcorr9'\) names 'xcorr9'"),
  ],
)
def test_values_that_make_no_sense_are_named(part, field, value, message):
  config = gating.get_config()
  with config.unlocked():
    config[part][field] = value
  with pytest.raises(InputError, match=message):
    check_config(config)


def fields(config, prefix: str = "") -> set[str]:
  """The dotted names of everything that a config holds."""
  if not hasattr(config, "items"):
    return {prefix}
  return set().union(*(fields(value, f"{prefix}.{name}".lstrip(".")) for name, value in config.items()))


def test_every_field_that_is_checked_is_in_some_config():
  configs = (benchmark, distill, evaluate, finetune, gating, table1)
  known = set().union(*(fields(config.get_config()) for config in configs))
  assert not (RANGES.keys() | CHOICES.keys()) - known


def test_a_budget_out_of_reach_is_refused_before_any_work():
  config = gating.get_config()
  arch = architecture_of(config)
  with config.unlocked():
    config.policy.budget = 60.0
    with pytest.raises(InputError, match=r"`config\.policy\.budget` \(=60, relative to xcorr1\) must be above 1"):
      check_budget(config, arch)
    config.policy.budget_unit = "ms"
    check_budget(config, arch)


@pytest.mark.parametrize(
  ("field", "value", "message"),
  [
    ("frames", 1, r"`config\.benchmark\.frames` \(=1\) must be at least 2"),
    ("targets", (), r"`config\.benchmark\.targets` \(=\(\)\) must hold at least one value"),
    ("targets", (0, 8), r"`config\.benchmark\.targets` \(=0\) must be at least 1"),
    ("seconds", -1.0, r"`config\.benchmark\.seconds` \(=-1\.0\) must be at least 0"),
    ("frame_hw", (360,), r"`config\.benchmark\.frame_hw` \(=\(360,\)\) must be two numbers: height, width"),
    ("frame_hw", (360, 16), r"`config\.benchmark\.frame_hw` \(=16\) must be at least 32"),
    ("pairs", 250, r"`config\.benchmark\.pairs` \(=250\) must be at least 251"),
  ],
)
def test_a_benchmark_that_could_not_run_is_named(field, value, message):
  config = benchmark.get_config()
  with config.unlocked():
    config.benchmark[field] = value
  with pytest.raises(InputError, match=message):
    check_config(config)


def test_every_config_of_the_main_job_and_the_benchmark_passes():
  for arg in ("", "scratch", "small"):
    check_config(gating.get_config(arg))
  for arg in ("", "slim", "quick"):
    check_config(benchmark.get_config(arg))
  assert "budget" not in benchmark.get_config().policy  # which asks for eval.timing_rounds


def test_vgg19_needs_a_backbone_or_phase_one():
  config = gating.get_config("vgg19")
  with pytest.raises(InputError, match=r"`config\.backbone\.weights` \(=''\) names no backbone"):
    check_config(config)
  config.finetune.steps = 10
  check_config(config)


def test_a_comparison_holds_no_budget():
  config = evaluate.get_config()
  with config.unlocked():
    config.trackers, config.policy.budget = "ours", 2.5
  with pytest.raises(InputError, match=r"`config\.policy\.budget` \(=2\.5\) is not for a comparison"):
    check_config(config)


@pytest.mark.parametrize("protocol", ["supervised", "multi_start"])
def test_vots_protocols_go_through_every_frame(protocol):
  config = evaluate.get_config()
  with config.unlocked():
    config.protocol, config.trackers, config.eval.frames_per_sequence = protocol, "ours", 9
  message = rf"`config\.eval\.frames_per_sequence` \(=9\) is of .* one_pass alone; leave it at 0 with {protocol}"
  with pytest.raises(InputError, match=message):
    check_config(config)


def test_photos_need_rendered_sequences():
  config = gating.get_config()
  config.data.photos, config.data.rendered = "photos", (0, 0, 0)
  with pytest.raises(InputError, match=r"`config\.data\.photos` \(='photos'\) are for rendered sequences"):
    check_config(config)
  config.data.rendered = (1, 0, 0)
  check_config(config)


def test_a_budget_in_milliseconds_needs_times():
  config = gating.get_config()
  config.policy.budget, config.policy.budget_unit, config.eval.timing_rounds = 40.0, "ms", 0
  with pytest.raises(InputError, match=r"`config\.eval\.timing_rounds` \(=0\) measures no times"):
    check_config(config)


def test_policies_may_be_spaced_and_empty():
  assert tracked_policies(" xcorr1, hard ") == ("xcorr1", "hard")
  assert tracked_policies("") == ()


@pytest.mark.parametrize(
  ("arguments", "line"),
  [
    (["--config=configs/gating.py", "--config.seed=abc"], "error: flag --config.seed=abc: invalid literal"),
    (["--config=configs/gating.py", "--config.nosuch=1"], "error: the config has no field \"'nosuch'\""),
    (["--config=configs/gating.py", "--config.task=foo"], "error: `config.task` (='foo') must be one of gating, "),
    (["--config=configs/gating.py:small,quick"], "error: `--config=configs/gating.py:small,quick`: the variants are"),
    (["--config=configs/gating.py:scratch", "--config.data.root=/no/such"], "error: `config.data.root` (='/no/such')"),
  ],
)
def test_the_command_line_answers_bad_input_in_one_line(arguments, line, tmp_path):
  command = [sys.executable, "run.py", *arguments, f"--workdir={tmp_path / 'run'}"]
  answer = subprocess.run(command, capture_output=True, text=True, check=False)
  assert answer.returncode != 0
  assert answer.stderr.splitlines()[-1].startswith(line)
  assert "Traceback" not in answer.stderr
  assert not (tmp_path / "run").exists()
