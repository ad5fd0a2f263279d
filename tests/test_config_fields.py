"""Each field has its comment, from its own source or from where a part of it is made."""

import importlib
import pathlib

import pytest
from ml_collections import ConfigDict

from adadepth import command
from adadepth.config_fields import as_flags, comments_of, fields_of

FOLDER = command.config_folder()
VARIANTS = {
  "benchmark": ("", "quick"),
  "evaluate": ("", "vgg19"),
  "finetune": ("all", "deepest,quick"),
  "gating": ("", "scratch", "small", "vgg19,paper"),
  "table1": ("", "small"),
}


@pytest.mark.parametrize("name", command.configs())
def test_every_field_of_every_config_has_a_comment(name):
  get_config = importlib.import_module(f"configs.{name}").get_config
  for variant in VARIANTS.get(name, ("",)):
    config = get_config(variant) if variant else get_config()
    fields = fields_of(config, FOLDER / f"{name}.py", FOLDER)
    assert fields and [field.path for field in fields if not field.comment] == []


def written(tmp_path: pathlib.Path, **files: str) -> pathlib.Path:
  for name, text in files.items():
    (tmp_path / f"{name}.py").write_text(text)
  return tmp_path / "mine.py"


def test_comments_are_those_behind_a_field_or_right_above_it(tmp_path):
  mine = written(
    tmp_path,
    mine="""def get_config():
  config.b = 1  # behind
  # Above,
  # in two lines.
  config.a.c = 2

  # Of nothing.

  config.d = 3
  config.b = 4  # too late
""",
  )
  assert comments_of(mine, "get_config", tmp_path) == {"b": "behind", "a.c": "Above, in two lines."}


def test_parts_that_functions_make_are_followed_through_files(tmp_path):
  common = "def part():\n  p.x = 1  # its x\n  return p\ndef more():\n  q = part()\n  q.y = 2  # its y\n"
  own = "def get_config():\n  config = base.get_config()\n  config.one = common.part() if a else common.more()\n"
  mine = written(tmp_path, common=common, base="def get_config():\n  config.seed = 0  # of all\n", mine=own)
  assert comments_of(mine, "get_config", tmp_path) == {"seed": "of all", "one.x": "its x", "one.y": "its y"}


def test_fields_are_in_the_order_of_the_source_and_shown_as_flags(tmp_path):
  mine = written(tmp_path, mine="def get_config():\n  config.b = 1  # the first\n  config.a.c = 2  # the second\n")
  config = ConfigDict({"task": "none", "a": {"c": tuple(range(40)), "e": 5}, "b": "x y"})
  fields = fields_of(config, mine, tmp_path)
  assert [field.path for field in fields] == ["b", "a.c", "a.e"]
  assert as_flags(fields).splitlines() == [
    "  --config.b='x y'",
    "      the first",
    "  --config.a.c='(0, 1, 2, 3, ... 39)'",
    "      the second",
    "  --config.a.e=5",
  ]
