"""The command `adadepth`, in a checkout also `python run.py`: runs the job that a config describes.

adadepth gating --workdir=runs/gating                     a config of the package
adadepth gating:vgg19,paper --config.data.root=DATA       a variant of it, with fields set
adadepth --config=mine.py:vgg19 --workdir=runs/mine       a config of one's own
"""

import ast
import contextlib
import errno
import importlib.util
import os
import pathlib
import re
import signal
import sys
import warnings
from logging import LogRecord
from typing import NoReturn

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from adadepth.config_fields import as_flags, fields_of
from adadepth.errors import InputError
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.interruption import Stopped, send_again, stop_now
from adadepth.io.memory import is_out_of_memory
from adadepth.io.processes import alone, is_first, is_of_others, join, wait_for_all
from adadepth.io.workdir import alone_in, cannot_be_written, check_shared
from adadepth.jobs import task_named
from adadepth.jobs.out_of_memory import out_of_memory

CONFIG = config_flags.DEFINE_config_file("config", None, "What to run, e.g. configs/gating.py.", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", "", "Folder for results; by default runs/<task>.")
BOX_FLAGS = ("--config.box", "-config.box")
HELP = ("--help", "-help", "-h")


def run() -> None:
  """Runs the command line of this process."""
  try:
    app.run(main, flags_parser=parse_flags)
  except KeyboardInterrupt as error:
    sys.exit(code_of(error))


def main(_) -> None:
  signal.signal(signal.SIGTERM, stop_now)
  sys.unraisablehook = send_again
  logging.set_verbosity(logging.WARNING)
  logging.get_absl_logger().addFilter(is_not_of_orbax)
  # git is started as a program of its own; no forked child runs JAX.
  warnings.filterwarnings("ignore", message="os.fork", category=RuntimeWarning)
  keep_freed_memory()
  config = CONFIG.value
  workdir = pathlib.Path(WORKDIR.value or f"runs/{config.task}")
  try:
    if config.get("runtime", "xla") == "xla":
      set_up_jax(config)
    if "distributed" in config:
      join(**config.distributed)
      signal.signal(signal.SIGTERM, stop_now)  # again: JAX has taken it to tell Orbax alone
    # Comparisons share a workdir: each process takes the videos that no other is at.
    with alone_in(workdir) if is_first() and not config.get("trackers") else contextlib.nullcontext():
      if not alone():
        check_shared(workdir)
      if not is_first():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open until the process ends)
      task_named(config.task)(config, workdir)
      wait_for_all("end of the run")
  except InputError as error:
    leave(f"error: {error}")
  except (RuntimeError, MemoryError, OSError) as error:
    if not (told := line_of(error, config, workdir)):
      raise
    leave(f"error: {told}")


def line_of(error: Exception, config: ConfigDict, workdir: pathlib.Path) -> str:
  """What there is to say of an error that no code of ours has raised; "" where its traceback says more."""
  if is_out_of_memory(error):
    return out_of_memory(error, config)
  if isinstance(error, OSError):
    return str(cannot_be_written(workdir, error)) if is_of_workdir(error, workdir) else ""
  return lost_process(error) if is_of_others(error) else ""


def is_not_of_orbax(record: LogRecord) -> bool:
  """Whether a log is to be shown: Orbax's is not, of what it then raises, with the tracebacks of all its threads."""
  return f"{os.sep}orbax{os.sep}" not in record.pathname


def set_up_jax(config: ConfigDict) -> None:
  """Imports it, for which help, errors and another runtime need not wait, and keeps what it compiles.

  Raises:
    InputError: it is not installed.
  """
  if importlib.util.find_spec("jax") is None:
    instead = ", or give --config.runtime=onnx" if "runtime" in config else ""
    raise InputError(f"`config.task` (={config.task}) needs jax, which is not installed: pip install adadepth{instead}")
  from adadepth.io.compilation import enable_compilation_cache

  enable_compilation_cache()


def leave(message: str) -> NoReturn:
  """Ends this process with a line. JAX would first wait for the others, who wait for this one: they find out."""
  if alone():
    sys.exit(message)
  print(message, file=sys.stderr, flush=True)
  os._exit(1)


def lost_process(error: Exception) -> str:
  """What went wrong between processes, in one line."""
  return (
    f"another process of this run has ended, or cannot be reached ({one_line(error)[:200]}): see its log, and start all"
    " of them again with the same --workdir"
  )


def code_of(error: KeyboardInterrupt) -> int:
  """The exit code of a run that a signal has ended; what there is to say of it is said."""
  number = getattr(error, "number", signal.SIGINT)
  if number == signal.SIGTERM or not isinstance(error, Stopped):
    print(getattr(error, "kept", "stopped"), file=sys.stderr)
  return 128 + number


def is_of_workdir(error: OSError, workdir: pathlib.Path) -> bool:
  """Whether an error says that the workdir cannot be made or written."""
  path = pathlib.Path(error.filename) if isinstance(error.filename, str) else pathlib.Path()
  return error.errno == errno.ENOSPC or workdir in (path, *path.parents) or path in workdir.parents[:-1]


def parse_flags(argv: list[str]) -> list[str]:
  """The flags, or what help there is, or one line about the first that is wrong."""
  rest = [argument for argument in argv if argument not in HELP]
  asked_for_help = len(rest) < len(argv)
  if asked_for_help and len(rest) == 1:
    print(overview(program_of(argv)))
    sys.exit()
  make_configs_importable()
  rest = boxes_as_one([with_home(argument) for argument in rest])
  try:
    rest = flags.FLAGS(with_config_flag(rest))
    check_flags(rest)
  except AttributeError as error:
    sys.exit(f"error: the config has no field {error}; see the file that --config names")
  except (flags.Error, OSError, InputError) as error:
    sys.exit(f"error: {one_line(error)}")
  if asked_for_help:
    print(description(program_of(argv)))
    sys.exit()
  return rest


def with_home(argument: str) -> str:
  """`~` as the home folder, which a shell leaves as it is behind "=" or ","."""
  return re.sub(r"(?<=[=,])~[\w.-]*(?=[/,]|$)", lambda home: os.path.expanduser(home[0]), argument)


def boxes_as_one(argv: list[str]) -> list[str]:
  """Several --config.box, a target each, as one with ";" between them."""
  split = [
    part
    for argument in argv
    for part in (argument.split("=", 1) if argument.split("=")[0] in BOX_FLAGS else [argument])
  ]
  places = [i for i, part in enumerate(split[:-1]) if part in BOX_FLAGS]
  if len(places) < 2:
    return argv
  boxes = [split[i + 1] for i in places]
  rest = [part for i, part in enumerate(split) if i not in places and i - 1 not in places]
  return [*rest, f"{BOX_FLAGS[0]}={';'.join(boxes)}"]


def check_flags(rest: list[str]) -> None:
  """Raises what is wrong with flags that could be parsed, and left the rest over."""
  if len(rest) > 1:
    raise InputError(f"what is {rest[1]!r}? What to run comes first, all else is --workdir or --config.FIELD=VALUE")
  if CONFIG.value is None:
    raise InputError(f"say what to run; `{program_of(rest)} --help` lists what there is")
  CONFIG.value.lock()  # a config that could not be loaded says so here


def with_config_flag(argv: list[str]) -> list[str]:
  """Spells a subcommand, NAME or NAME:VARIANT, as the flag --config of the package's file.

  Raises:
    InputError: no such config, or both a subcommand and --config.
  """
  if len(argv) == 1 or argv[1].startswith("-"):
    return argv
  name, colon, variant = argv[1].partition(":")
  if name not in (known := configs()):
    raise InputError(f"{name!r} is none of {', '.join(known)}; a file of your own is --config=FILE")
  if given := [argument for argument in argv[2:] if re.match("--?config(=|$)", argument)]:
    raise InputError(f"{argv[1]!r} and {given[0]!r} both say what to run; give one of them")
  return [argv[0], f"--config={known[name]}{colon}{variant}", *argv[2:]]


def configs() -> dict[str, pathlib.Path]:
  """The configs of the package: name -> file."""
  return {path.stem: path for path in sorted(config_folder().glob("*.py")) if "\ndef get_config(" in path.read_text()}


def config_folder() -> pathlib.Path:
  """Where the configs are: inside the package that is installed, beside that of a checkout."""
  package = pathlib.Path(__file__).parent
  return next(folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir())


def make_configs_importable() -> None:
  """Makes `from configs import common`, as a config has it, mean our configs wherever they are."""
  folder = config_folder()
  spec = importlib.util.spec_from_file_location(
    "configs", folder / "__init__.py", submodule_search_locations=[str(folder)]
  )
  sys.modules["configs"] = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(sys.modules["configs"])


def overview(program: str) -> str:
  """What can be run, a line each."""
  files = configs()
  width = max(map(len, files))
  lines = [f"  {name:{width}}  {docstring(path).splitlines()[0]}" for name, path in files.items()]
  return "\n".join(
    (
      f"usage: {program} NAME[:VARIANT] [--config.FIELD=VALUE ...] [--workdir=FOLDER]",
      f"       {program} --config=FILE[:VARIANT] ...",
      "",
      *lines,
      "",
      f"{program} NAME --help shows its variants and fields. A first one:",
      f"{program} track --config.video=clip.mp4 --config.box=120,80,64,48 --workdir=runs/clip",
    )
  )


def description(program: str) -> str:
  """What the config that was given says of itself, and its fields."""
  path = pathlib.Path(config_flags.get_config_filename(flags.FLAGS["config"]).split(":")[0])
  text = re.sub(r"python run\.py --config=configs/(\w+)\.py", rf"{program} \1", docstring(path))
  fields = as_flags(fields_of(CONFIG.value, path, config_folder()))
  return f"{text}\n\n--workdir=FOLDER takes the results. Fields, as they are now:\n{fields}"


def docstring(path: pathlib.Path) -> str:
  return ast.get_docstring(ast.parse(path.read_text())) or "(says nothing of itself)"


def program_of(argv: list[str]) -> str:
  return "python run.py" if pathlib.Path(argv[0]).name == "run.py" else "adadepth"


def one_line(error: BaseException) -> str:
  """An InputError that the config raised (ml_collections quotes it with its traceback), else the error itself."""
  raised = re.findall(r"InputError: (.+)", str(error))
  return raised[-1] if raised else " ".join(str(error).split())


if __name__ == "__main__":
  run()
