"""Imports point downwards only, and the library asks for no flags, configs or TensorFlow."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Bottom to top.
LAYERS = (
  *("errors", "maths", "io", "models", "data", "tracking", "export"),
  *("evaluation", "training", "reports", "benchmark", "jobs", "config_fields", "command", "trax_server"),
)
FLAGS = ("absl", "ml_collections")
HEAVY = (*FLAGS, "tensorflow", "tensorflow_datasets", "torch", "cv2")
# What `pip install ".[train]"` adds.
TRAIN = ("array_record", "grain", "importlib_resources", "tensorflow_datasets")
# TFDS is for who builds records, or reads them; flags and configs for the command and the jobs that it runs.
USERS_OF_TFDS = {"adadepth.data.builders"}
# OpenCV's trackers and its window are imported when one is asked for.
USERS_OF_CV2 = {"adadepth.evaluation.trackers", "adadepth.io.window"}
COMMAND = {"adadepth.command"}
PROGRAMS = COMMAND | {"adadepth.trax_server"}


def module_name(path: pathlib.Path) -> str:
  return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in sorted((ROOT / "adadepth").rglob("*.py"))}


def imports(name: str) -> set[str]:
  """Every module that a file imports, at its top or inside a function; `from a import b` gives a and a.b."""
  found = set()
  for node in ast.walk(ast.parse(MODULES[name].read_text())):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f"{name} imports relatively"
      found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
  return found


def ours(name: str) -> set[str]:
  """The modules of the library that a file imports."""
  return imports(name) & MODULES.keys()


def layer(name: str) -> int:
  return LAYERS.index(name.split(".")[1])


def with_all_it_imports(name: str) -> set[str]:
  """A module and everything of ours that is imported with it."""
  seen, todo = set(), [name]
  while todo:
    if (now := todo.pop()) not in seen:
      seen.add(now)
      todo += ours(now)
  return seen


def uses(name: str, packages: tuple[str, ...]) -> bool:
  return any(module.split(".")[0] in packages for module in imports(name))


def run_python(code: str) -> subprocess.CompletedProcess:
  return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_every_module_is_in_a_layer():
  assert {name.split(".")[1] for name in MODULES if name != "adadepth"} == set(LAYERS)


@pytest.mark.parametrize("name", sorted(MODULES.keys() - {"adadepth"}))
def test_a_module_imports_from_its_own_layer_or_a_lower_one(name):
  assert {other for other in ours(name) if layer(other) > layer(name)} == set()


def test_the_library_never_imports_what_runs_it():
  outside = ("configs", "experiments", "run", "tests")
  assert [name for name in MODULES if uses(name, outside)] == []


def test_the_process_is_set_up_by_programs_alone():
  settings = {"adadepth.io.allocator", "adadepth.io.compilation"}
  assert [name for name in MODULES if ours(name) & settings and name not in PROGRAMS] == []


def test_flags_and_configs_are_imported_by_the_command_and_the_jobs_alone():
  assert {name for name in MODULES if uses(name, FLAGS) and layer(name) < layer("adadepth.jobs")} == set()
  assert {name for name in MODULES if uses(name, ("absl",))} == COMMAND


def test_tensorflow_is_imported_by_the_builders_alone_and_opencv_by_trackers_and_window():
  users = {name for name in MODULES if uses(name, HEAVY) and not uses(name, FLAGS)}
  assert users == USERS_OF_TFDS | USERS_OF_CV2
  assert {name for name in MODULES if uses(name, ("cv2",))} == USERS_OF_CV2


def test_the_library_works_without_configs_and_tensorflow():
  on_demand = USERS_OF_CV2 | USERS_OF_TFDS
  with_all = {name: with_all_it_imports(name) - (on_demand - {name}) for name in MODULES}
  needs_heavy = {name for name, others in with_all.items() if any(uses(other, HEAVY) for other in others)}
  rest = sorted(MODULES.keys() - needs_heavy)
  assert {"adadepth.tracking.tracker", "adadepth.models.model", "adadepth.tracking.step"} <= set(rest)
  # absl stays: optax and orbax import it themselves.
  blocked = [package for package in HEAVY if package != "absl"]
  code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({blocked}))
for name in {rest}:
  importlib.import_module(name)
import adadepth
adadepth.Tracker, adadepth.Architecture, adadepth.InputError, adadepth.load_model
"""
  done = run_python(code)
  assert done.returncode == 0, done.stderr


def test_all_but_the_builders_imports_where_the_data_tools_are_not_installed():
  assert {name for name in MODULES if uses(name, TRAIN)} == USERS_OF_TFDS
  names = sorted(MODULES.keys() - USERS_OF_TFDS - {"adadepth.trax_server"})  # the latter is for vot-trax
  code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({TRAIN}))
for name in {names}:
  importlib.import_module(name)
"""
  done = run_python(code)
  assert done.returncode == 0, done.stderr


RUN_TEXT = ("eval", "exec", "system", "popen", "getoutput", "getstatusoutput")  # calls of any object
RUN_FILES = ("pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib")  # whose readers do what a file says


@pytest.mark.parametrize("name", MODULES)
def test_no_text_and_no_file_is_run(name):
  """What a config or a file says reaches no shell, no `eval`, and nothing that unpickles."""
  calls = [node for node in ast.walk(ast.parse(MODULES[name].read_text())) if isinstance(node, ast.Call)]
  called = {getattr(call.func, "id", getattr(call.func, "attr", "")) for call in calls}
  keywords = {keyword.arg for call in calls for keyword in call.keywords if getattr(keyword.value, "value", 1)}
  assert called.isdisjoint(RUN_TEXT) and keywords.isdisjoint({"shell", "allow_pickle"})
  assert not uses(name, RUN_FILES) or name == "adadepth.benchmark.peer"  # which a program answers that the person names


def test_importing_adadepth_costs_nothing():
  code = "import sys; before = set(sys.modules); import adadepth; print(*sorted(set(sys.modules) - before))"
  done = run_python(code)
  assert done.returncode == 0, done.stderr
  assert {name.split(".")[0] for name in done.stdout.split()} - sys.stdlib_module_names == {"adadepth"}


def test_an_unknown_public_name_is_an_attribute_error():
  done = run_python("import adadepth; adadepth.Trakcer")
  assert "AttributeError: module 'adadepth' has no attribute 'Trakcer'" in done.stderr
