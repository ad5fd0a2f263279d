"""Config values are checked here, before any work: one clear line each."""

import math

from ml_collections import ConfigDict

from adadepth.data.pairs import FRAMES_PER_KEY
from adadepth.data.problems import ON_ERROR
from adadepth.errors import InputError
from adadepth.evaluation.budgets import UNITS
from adadepth.evaluation.costs import pair_costs
from adadepth.evaluation.trackers import OPENCV
from adadepth.maths.losses import FINETUNE_LOSSES, MAP_LOSSES
from adadepth.models.architecture import Architecture
from adadepth.tracking.budget import check_target
from adadepth.tracking.policies import POLICIES

OURS = "ours"  # of the trackers to compare: hard gating
PROTOCOLS = ("one_pass", "supervised", "multi_start")
CHOICES = {
  "finetune.objective": tuple(FINETUNE_LOSSES),
  "finetune.map_loss": tuple(MAP_LOSSES),
  "finetune.dtype": ("float32", "bfloat16"),
  "gates.loss": ("iou", "cross_entropy"),
  "policy.budget_unit": UNITS,
  "data.on_error": ON_ERROR,
  "protocol": PROTOCOLS,
}
# The lowest value and the highest (None: no limit), and whether these ends are allowed themselves.
RANGES = {
  "seed": (0, None, True),
  "distributed.heartbeat_s": (1, None, True),
  "threads": (1, 64, True),
  "network.logit_scale": (0, None, False),
  "data.hardest": (0, 1, True),
  "finetune.steps": (0, None, True),
  "finetune.groups": (1, None, True),
  "finetune.rollouts": (0, None, True),
  "finetune.frames": (1, FRAMES_PER_KEY, True),
  "finetune.jitter_px": (0, None, True),
  "finetune.key_every": (1, None, True),
  "finetune.learning_rate": (0, None, False),
  "finetune.warmup_steps": (0, None, True),
  "finetune.clip_norm": (0, None, False),
  "finetune.log_every": (1, None, True),
  "finetune.checkpoint_every": (1, None, True),
  "gates.p": (0, None, False),
  "gates.price_weights": (0, None, True),
  "gates.learning_rate": (0, None, False),
  "gates.steps": (1, None, True),
  "gates.batch": (1, None, True),
  "gates.keys_per_sequence": (0, None, True),
  "gates.folds": (2, None, True),
  "gates.cost_share": (0, 1, False),
  "policy.thresholds": (0, 1, False),
  "policy.budget": (0, None, True),
  "benchmark.rounds": (1, None, True),
  "benchmark.seconds": (0, None, True),
  "benchmark.frame_hw": (32, None, True),
  "benchmark.frames": (2, None, True),
  "benchmark.targets": (1, None, True),
  "benchmark.pairs": (251, None, True),  # of two videos, which cross-fitting needs
  "eval.keys_per_sequence": (0, None, True),
  "eval.frames_per_key": (0, FRAMES_PER_KEY, True),
  "eval.frames_per_sequence": (0, None, True),
  "eval.timing_rounds": (0, None, True),
  "eval.every_steps": (0, None, True),
  "eval.sequences": (0, None, True),
  "distillation.steps": (1, None, True),
  "distillation.videos": (0, None, True),
}


def _get(config: ConfigDict, name: str):
  """The value at a dotted name, None where this config has no such field."""
  value = config
  for part in name.split("."):
    if part not in value:
      return None
    value = value[part]
  return value


def _check_range(name: str, value: float, low: float, high: float | None, closed: bool) -> None:
  top = math.inf if high is None else high
  if not (low <= value <= top if closed else low < value < top):
    least = f"at least {low}" if closed else f"above {low}"
    most = "" if high is None else f" and at most {high}" if closed else f" and below {high}"
    raise InputError(f"`config.{name}` (={value}) must be {least}{most}")


def _check_benchmark(config: ConfigDict) -> None:
  frame_hw = config.benchmark.frame_hw
  if len(frame_hw) != 2:
    raise InputError(f"`config.benchmark.frame_hw` (={frame_hw}) must be two numbers: height, width")


def _check_comparison(config: ConfigDict) -> None:
  budget, frames = config.policy.budget, config.eval.frames_per_sequence
  if config.trackers and budget:
    raise InputError(
      f"`config.policy.budget` (={budget:g}) is not for a comparison, whose trackers have a T that stays; leave out "
      "config.trackers"
    )
  if frames and config.protocol != "one_pass":
    raise InputError(
      f"`config.eval.frames_per_sequence` (={frames}) is of the protocol one_pass alone; leave it at 0 with "
      f"{config.protocol}"
    )


def tracked_policies(text: str) -> tuple[str, ...]:
  """The policies of "xcorr1,hard", in that order; () for "".

  Raises:
    InputError: a name that is no policy.
  """
  names = tuple(name.strip() for name in text.split(",") if name.strip())
  for name in names:
    if name not in POLICIES:
      raise InputError(f"`config.eval.tracking` (={text!r}) names {name!r}; the policies are {', '.join(POLICIES)}")
  return names


def compared_trackers(text: str) -> tuple[str, ...]:
  """The trackers of "ours,csrt", in that order; () for "".

  Raises:
    InputError: a name that is none, or twice there.
  """
  names = tuple(name.strip() for name in text.split(",") if name.strip())
  known = (OURS, *OPENCV, *POLICIES)
  for name in names:
    if name not in known or names.count(name) > 1:
      what = "twice" if name in known else "which is none"
      raise InputError(f"`config.trackers` (={text!r}) names {name!r}, {what}; the trackers are {', '.join(known)}")
  return names


def check_config(config: ConfigDict) -> None:
  """Checks every field that the config has.

  Raises:
    InputError: the first value that makes no sense, with the values that do.
  """
  for name, choices in CHOICES.items():
    value = _get(config, name)
    if value is not None and value not in choices:
      raise InputError(f"`config.{name}` (={value!r}) must be one of {', '.join(choices)}")
  for name, bounds in RANGES.items():
    value = _get(config, name)
    for item in value if isinstance(value, tuple | list) else () if value is None else (value,):
      _check_range(name, item, *bounds)
  for name in ("gates.price_weights", "policy.thresholds", "benchmark.targets"):
    if _get(config, name) is not None and not len(_get(config, name)):
      raise InputError(f"`config.{name}` (=()) must hold at least one value")
  if "trackers" in config:
    _check_comparison(config)
  if _get(config, "eval.frames_per_sequence") == 1:
    raise InputError("`config.eval.frames_per_sequence` (=1) leaves nothing to track: 0 (all), or 2 and more")
  if _get(config, "policy.budget") and config.policy.budget_unit == "ms" and not config.eval.timing_rounds:
    raise InputError(
      f"`config.eval.timing_rounds` (=0) measures no times, and `config.policy.budget` (={config.policy.budget:g}) is "
      "in ms: time some rounds, such as 25"
    )
  if "benchmark" in config:
    _check_benchmark(config)
  rendered = _get(config, "data.rendered")
  if rendered is not None and (len(rendered) != 3 or min(rendered) < 0):
    raise InputError(f"`config.data.rendered` (={rendered}) must be three counts: train, dev, test")
  if _get(config, "data.photos") and not any(rendered) and "distillation" not in config:
    raise InputError(
      f"`config.data.photos` (={config.data.photos!r}) are for rendered sequences, and `config.data.rendered` "
      f"(={rendered}) asks for none: give counts for train, dev, test"
    )
  if _get(config, "backbone.weights") == "" and _get(config, "finetune.steps") == 0:
    raise InputError(
      "`config.backbone.weights` (='') names no backbone and `config.finetune.steps` (=0) trains none: give VGG-19's "
      'weights as a file or "download", or steps of phase 1'
    )
  tracked_policies(_get(config, "eval.tracking") or "")
  compared_trackers(_get(config, "trackers") or "")


def check_budget(config: ConfigDict, arch: Architecture) -> None:
  """Raises InputError for a relative budget that this network cannot hold; `assess.time_steps` does in ms."""
  policy = config.policy
  if policy.budget and policy.budget_unit == "relative":
    check_target(policy.budget, pair_costs(arch).relative, "relative to xcorr1", argument="config.policy.budget")
