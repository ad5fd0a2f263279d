"""Who runs out of memory is told what to ask less of."""

import importlib.util

import pytest
from ml_collections import ConfigDict

from adadepth.jobs.out_of_memory import TAKEN_BY, out_of_memory
from configs import benchmark, distill, evaluate, finetune, gating, track

PHASE1, RESPONSES, TRACK = "adadepth.training.phase1", "adadepth.evaluation.responses", "adadepth.jobs.track"
CONFIG = ConfigDict({"finetune": {"groups": 512}, "eval": {"keys_per_sequence": 0}, "box": "1,2,3,4", "boxes": ""})


def raised_in(*modules: str) -> MemoryError:
  """An error that came up through these, the outermost first."""

  def call():
    raise MemoryError("no\nroom")

  for module in reversed(modules):
    scope = {"__name__": module, "inner": call}
    exec("def outer(): inner()", scope)
    call = scope["outer"]
  with pytest.raises(MemoryError) as caught:
    call()
  return caught.value


@pytest.mark.parametrize(
  ("modules", "cure"),
  [
    ((PHASE1,), "ask for less: `config.finetune.groups` (=512), or free some"),
    ((PHASE1, RESPONSES, "numpy"), "ask for less: `config.eval.keys_per_sequence` (=0, the most), or free some"),
    ((TRACK,), "ask for less: `config.box` (=1,2,3,4), or free some"),
    (("adadepth.benchmarks",), "free some, or take a machine that has more"),
  ],
)
def test_the_innermost_that_takes_memory_names_the_fields_of_this_config(modules, cure):
  assert out_of_memory(raised_in(*modules), CONFIG) == f"out of memory (no room): {cure}; what is finished is kept"


def test_an_error_without_words_is_named_by_its_kind():
  assert out_of_memory(MemoryError(), CONFIG).startswith("out of memory (MemoryError): ")


@pytest.mark.parametrize("place", TAKEN_BY)
def test_what_is_named_is_there(place):
  assert importlib.util.find_spec(place)
  configs = [module.get_config() for module in (benchmark, distill, evaluate, finetune, gating, track)]
  configs.append(gating.get_config("vgg19,paper"))
  for name in TAKEN_BY[place]:
    part, _, field = name.rpartition(".")
    assert any(field in (config.get(part, {}) if part else config) for config in configs), name
