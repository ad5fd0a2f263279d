"""What a job that ran out of memory says: which field of its config asks for less."""

import traceback

from ml_collections import ConfigDict

PAIRS = ("gates.keys_per_sequence", "eval.keys_per_sequence", "eval.frames_per_key")
# Where memory goes, a module or a room, and the fields that say how much; of all that an error passed, the innermost.
TAKEN_BY = {
  "adadepth.training.phase1": ("finetune.groups", "finetune.frames"),
  "adadepth.training.phase2": PAIRS[:1],
  "adadepth.training.distillation": ("distillation.videos",),
  "adadepth.evaluation.responses": PAIRS,
  "adadepth.evaluation.scores": PAIRS,
  "adadepth.jobs.track": ("box", "boxes"),
  "adadepth.benchmark": ("benchmark.targets", "benchmark.pairs", "benchmark.frame_hw"),
}


def out_of_memory(error: BaseException, config: ConfigDict) -> str:
  """The error in one line, with the fields of this config that ask for less."""
  values = {name: _value(config, name) for name in _fields(error)}
  given = {name: value for name, value in values.items() if value not in (None, "")}
  asked = [f"`config.{name}` (={value}{', the most' if value == 0 else ''})" for name, value in given.items()]
  cure = f"ask for less: {' or '.join(asked)}, or free some" if asked else "free some, or take a machine that has more"
  reason = " ".join(str(error).split())[:200] or type(error).__name__
  return f"out of memory ({reason}): {cure}; what is finished is kept"


def _fields(error: BaseException) -> tuple[str, ...]:
  modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
  passed = (fields for name in reversed(modules) for place, fields in TAKEN_BY.items() if _is_in(name, place))
  return next(passed, ())


def _is_in(module: str, place: str) -> bool:
  return f"{module}.".startswith(f"{place}.")


def _value(config: ConfigDict, name: str) -> object:
  for part in name.split("."):
    config = config.get(part) if isinstance(config, ConfigDict) else None
  return config
