"""Throws odd and broken input at everything that reads it: each must give a result, or one InputError of one line.

python -m experiments.reliability.fuzz runs/fuzz                     every target, 5,000 inputs each
python -m experiments.reliability.fuzz runs/fuzz layout/vot --inputs 200 --seed 1

A target runs in a process of its own, which may take 8 GB and, for one input, 20 s of the CPU. What ends it counts as a
failure; the input lies in runs/fuzz/TARGET/last, and the next process goes on after it. Counts are written as it goes.
"""

import argparse
import collections
import contextlib
import json
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator

import hypothesis

from adadepth.errors import InputError
from experiments.reliability.fuzz_targets import TARGETS, Target

ROUND = 250  # inputs that hypothesis draws at a time
MEMORY_BYTES, CPU_S = 8 << 30, 20


class Tally:
  """What came of the inputs of a target, in a file that is written as it goes."""

  def __init__(self, file: pathlib.Path) -> None:
    self.file, self.counts, self.failures = file, collections.Counter(), {}
    if file.is_file():
      earlier = json.loads(file.read_text())
      self.counts.update(earlier["counts"])
      self.failures = earlier["failures"]

  @property
  def inputs(self) -> int:
    return self.counts["results"] + self.counts["refusals"] + self.counts["failures"]

  def fail(self, what: str, case: object) -> None:
    self.counts["failures"] += 1
    self.failures.setdefault(what, repr(case)[:2000])

  def write(self) -> None:
    self.file.write_text(json.dumps({"counts": self.counts, "failures": self.failures}, indent=2))


def judge(target: Target, folder: pathlib.Path, case: object, tally: Tally) -> None:
  """Reads one input, and counts what came of it."""
  try:
    target.read(folder, case)
    tally.counts["results"] += 1
  except InputError as error:
    tally.counts["refusals"] += 1
    if len(str(error).splitlines()) != 1:
      tally.counts["refusals"] -= 1
      tally.fail(f"of several lines: {error}", case)
  except Exception as error:
    place = traceback.extract_tb(error.__traceback__)[-1]
    tally.fail(f"{type(error).__name__}: {str(error)[:200]} at {place.filename}:{place.lineno}", case)


def run(name: str, folder: pathlib.Path, tally: Tally, *, inputs: int, seed: int, before=lambda case: None) -> None:
  """Draws inputs for a target until it has had so many; the folder holds at the end what it held at first."""
  target = TARGETS[name]
  target.prepare(folder)
  held = sorted(folder.rglob("*"))
  settings = {"database": None, "deadline": None, "phases": [hypothesis.Phase.generate]}
  stop = tally.inputs + inputs
  while (left := stop - tally.inputs) > 0:

    @hypothesis.seed(seed + tally.inputs)
    @hypothesis.settings(max_examples=min(left, ROUND), suppress_health_check=list(hypothesis.HealthCheck), **settings)
    @hypothesis.given(target.inputs)
    def one(case: object) -> None:
      before(case)
      judge(target, folder, case, tally)

    one()
    tally.write()
  new = [path.name for path in sorted(folder.rglob("*")) if path not in held]
  assert len(new) <= 3, f"reading left {new}"  # what the input itself was written to


@contextlib.contextmanager
def watched(folder: pathlib.Path) -> Iterator[Callable[[object], None]]:
  """What a process of one target calls before each input, which it leaves where that takes too much and ends it."""
  resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
  resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
  warnings.filterwarnings("error", module="adadepth")  # of ours, and of what NumPy says of our arithmetic
  warnings.filterwarnings("ignore", category=hypothesis.errors.NonInteractiveExampleWarning)
  with (folder / "last").open("wb") as last:

    def before(case: object) -> None:
      signal.setitimer(signal.ITIMER_PROF, CPU_S)  # ends the process, which by then has hung
      last.seek(0)
      last.write(repr(case).encode("utf-8", "backslashreplace") + b"\n")
      last.truncate()
      last.flush()

    yield before


def run_alone(name: str, folder: pathlib.Path, inputs: int, seed: int) -> None:
  """The process of one target."""
  tally = Tally(folder / "tally.json")
  with tempfile.TemporaryDirectory() as scratch, watched(folder) as before:
    run(name, pathlib.Path(scratch), tally, inputs=inputs, seed=seed, before=before)


def run_apart(name: str, folder: pathlib.Path, inputs: int, seed: int) -> Tally:
  """`run_alone`, again and again until all inputs were read, whatever ends it."""
  folder.mkdir(parents=True, exist_ok=True)
  while (done := Tally(folder / "tally.json")).inputs < inputs:
    rest = ["--inputs", str(inputs - done.inputs), "--seed", str(seed + done.inputs), "--alone"]
    command = [sys.executable, "-m", "experiments.reliability.fuzz", str(folder), name, *rest]
    ended = subprocess.run(command, stderr=(folder / "stderr").open("w"), stdout=subprocess.DEVNULL).returncode
    if ended:
      done = Tally(folder / "tally.json")
      done.fail(f"the process ended with {ended}", (folder / "last").read_text(errors="replace"))
      done.write()
      if ended > 0:
        shutil.copy(folder / "stderr", folder / "stderr.kept")
  return done


def main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="python -m experiments.reliability.fuzz")
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; none: all")
  parser.add_argument("--inputs", type=int, default=5000)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
  options = parser.parse_args(argv)
  if options.alone:
    return run_alone(options.targets[0], options.folder, options.inputs, options.seed)
  total = collections.Counter()
  print("| read | inputs | results | refused in a line | failures |\n| --- | --- | --- | --- | --- |")
  for name in options.targets or TARGETS:
    tally = run_apart(name, options.folder / name.replace("/", "_"), options.inputs, options.seed)
    total.update(tally.counts)
    counts = [tally.counts[kind] for kind in ("results", "refusals", "failures")]
    print(f"| {name} | {sum(counts)} | " + " | ".join(map(str, counts)) + " |", flush=True)
  counts = [total[kind] for kind in ("results", "refusals", "failures")]
  print(f"| **all** | {sum(counts)} | " + " | ".join(map(str, counts)) + " |")


if __name__ == "__main__":
  main(sys.argv[1:])
