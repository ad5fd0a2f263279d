"""The fields of a config with the comments that they have in its source, for `--help` and the pages in docs/."""

import ast
import functools
import io
import pathlib
import shlex
import textwrap
import tokenize
from typing import NamedTuple

from ml_collections import ConfigDict

SHOWN = 6  # values of a longer tuple


class Field(NamedTuple):
  """A field: its path ("gates.loss"), its value as a flag takes it, and its comment, "" if it has none."""

  path: str
  value: str
  comment: str


def fields_of(config: ConfigDict, file: pathlib.Path, folder: pathlib.Path) -> list[Field]:
  """Every field of a config but `task`, in the order of its source; what has no line of its own there comes last.

  Args:
    config: as it is set now.
    file: whose get_config made it.
    folder: of the configs that it may import: `from configs import common`.
  """
  comments = comments_of(file, "get_config", folder)
  places = {path: place for place, path in enumerate(comments)}
  values = {path: value for path, value in _flat(config).items() if path != "task"}
  order = sorted(values, key=lambda path: (places.get(path, len(places)), path))
  return [Field(path, values[path], comments.get(path) or _of_section(path, comments)) for path in order]


def as_flags(fields: list[Field], *, width: int = 100) -> str:
  """Each field as the flag that sets it to what it is, and below it the comment."""
  lines = []
  for path, value, comment in fields:
    lines.append(f"  --config.{path}={value}")
    lines += textwrap.wrap(comment, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
  return "\n".join(lines)


@functools.cache
def comments_of(file: pathlib.Path, function: str, folder: pathlib.Path) -> dict[str, str]:
  """The comments of what a function of a file sets, by path; functions that it calls for a part of it are followed.

  `config.a.b = 1  # why` has the comment behind it, or else the whole lines above it. The first one of a path counts.
  """
  source = file.read_text()
  tree, behind, whole = ast.parse(source), *_comments(source)
  body = next((f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == function), None)
  found: dict[str, str] = {}
  assigned = [] if body is None else [node for node in ast.walk(body) if isinstance(node, ast.Assign)]
  for node in sorted(assigned, key=lambda node: node.lineno):
    prefix = _attributes(node.targets[0])
    if comment := behind.get(node.end_lineno) or _above(node.lineno, whole):
      found.setdefault(prefix, comment)
    for module, name in _called(node.value):
      there = file if module is None else folder / f"{module}.py"
      if there.is_file() and (module is None or there != file):
        for path, comment in comments_of(there, name, folder).items():
          found.setdefault(".".join(part for part in (prefix, path) if part), comment)
  return found


def _comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
  """Comments by line: those behind code, and those that are whole lines."""
  behind, whole = {}, {}
  for token in tokenize.generate_tokens(io.StringIO(source).readline):
    if token.type == tokenize.COMMENT:
      (behind if token.line[: token.start[1]].strip() else whole)[token.start[0]] = token.string.lstrip("# ")
  return behind, whole


def _above(line: int, whole: dict[int, str]) -> str:
  """The comment whose whole lines end right above a line."""
  first = line
  while first - 1 in whole:
    first -= 1
  return " ".join(whole[number] for number in range(first, line))


def _attributes(target: ast.expr) -> str:
  """ "a.b" of `config.a.b`, "" of a name alone."""
  parts = []
  while isinstance(target, ast.Attribute):
    parts.append(target.attr)
    target = target.value
  return ".".join(reversed(parts))


def _called(value: ast.expr) -> list[tuple[str | None, str]]:
  """Functions that an expression calls: `f()` as (None, "f"), `common.f()` as ("common", "f")."""
  calls = [node.func for node in ast.walk(value) if isinstance(node, ast.Call)]
  plain = [(None, f.id) for f in calls if isinstance(f, ast.Name)]
  return plain + [(f.value.id, f.attr) for f in calls if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name)]


def _of_section(path: str, comments: dict[str, str]) -> str:
  """The comment of the part that a field is in."""
  return comments.get(path.rpartition(".")[0], "")


def _flat(config: ConfigDict, prefix: str = "") -> dict[str, str]:
  values = {}
  for name, value in config.items():
    values |= _flat(value, f"{prefix}{name}.") if isinstance(value, ConfigDict) else {prefix + name: _shown(value)}
  return values


def _shown(value: object) -> str:
  """A value as a flag takes it; of a long tuple the first ones."""
  if isinstance(value, tuple | list) and len(value) > SHOWN:
    first = ", ".join(map(str, value[: SHOWN - 2]))
    return shlex.quote(f"({first}, ... {value[-1]})")
  return shlex.quote(str(value))
