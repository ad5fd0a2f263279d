"""The targets of fuzz.py whose input is bytes or text, changed by what lines it reaches: atheris, which is libFuzzer.

pip install atheris
python -m experiments.reliability.fuzz_by_coverage runs/coverage                     every such target, 120 s each
python -m experiments.reliability.fuzz_by_coverage runs/coverage onnx --seconds 600

It begins with inputs that fuzz.py draws. Limits, and what counts as failed, are fuzz.py's. What reaches a new line or
branch of ours, of Pillow or of h5py is kept in runs/coverage/TARGET/corpus, from which the same command goes on.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import hypothesis

from experiments.reliability import fuzz
from experiments.reliability.fuzz_targets import TARGETS

SEEN = ["adadepth", "PIL", "h5py", "safetensors"]  # whose lines and branches count
DRAWN = 300  # inputs that it begins with
NO_BYTES = ("boxes", "arguments", "trax")
WRITE_EVERY = 100


def drawn(name: str) -> list:
  """Inputs of a target as fuzz.py draws them."""
  found: list = []
  settings = {"database": None, "deadline": None, "phases": [hypothesis.Phase.generate]}

  @hypothesis.seed(0)
  @hypothesis.settings(max_examples=DRAWN, suppress_health_check=list(hypothesis.HealthCheck), **settings)
  @hypothesis.given(TARGETS[name].inputs)
  def one(case: object) -> None:
    found.append(case)

  one()
  return found


def split(case: object) -> tuple[object, bytes]:
  """An input without its bytes, and its bytes."""
  if isinstance(case, tuple):
    return tuple(None if isinstance(part, bytes) else part for part in case), next(p for p in case if type(p) is bytes)
  return type(case), case if isinstance(case, bytes) else case.encode("utf-8", "surrogatepass")


def joined(rest: object, content: bytes) -> object:
  """`split` undone, of any bytes."""
  if isinstance(rest, tuple):
    return tuple(content if part is None else part for part in rest)
  return content if rest is bytes else content.decode("utf-8", "replace")


def run_alone(name: str, folder: pathlib.Path, seconds: int) -> None:
  """The process of one target, which libFuzzer ends."""
  import atheris

  tally, target = fuzz.Tally(folder / "tally.json"), TARGETS[name]
  with (
    tempfile.TemporaryDirectory() as scratch,
    fuzz.watched(folder) as before,
    atheris.instrument_imports(include=SEEN),
  ):
    parts = [split(case) for case in drawn(name)]
    rests = list(dict.fromkeys(rest for rest, _ in parts))
    (folder / "corpus").mkdir(exist_ok=True)
    for i, (rest, content) in enumerate(parts):
      (folder / "corpus" / f"drawn-{i}").write_bytes(bytes([rests.index(rest)]) + content)
    target.prepare(pathlib.Path(scratch))

    def one(data: bytes) -> None:
      case = joined(rests[(data[0] if data else 0) % len(rests)], data[1:])
      before(case)
      fuzz.judge(target, pathlib.Path(scratch), case, tally)
      if tally.inputs % WRITE_EVERY == 0:
        tally.write()

    atheris.Setup([name, f"-max_total_time={seconds}", "-rss_limit_mb=0", str(folder / "corpus")], one)
    atheris.Fuzz()


def run_apart(name: str, folder: pathlib.Path, seconds: int) -> tuple[fuzz.Tally, list[str]]:
  """`run_alone`, again and again until the time is over: what came of it, and the branches it had reached by and by."""
  folder.mkdir(parents=True, exist_ok=True)
  end, reached = time.monotonic() + seconds, []
  while (left := int(end - time.monotonic())) > 0:
    command = [sys.executable, "-m", "experiments.reliability.fuzz_by_coverage", str(folder), name]
    with (folder / "stderr").open("w") as said:
      ended = subprocess.run([*command, "--seconds", str(left), "--alone"], stderr=said, stdout=said).returncode
    reached += re.findall(r"(?:INITED|DONE) +cov: (\d+) ", (folder / "stderr").read_text(errors="replace"))
    tally = fuzz.Tally(folder / "tally.json")
    if ended:
      tally.fail(f"the process ended with {ended}", (folder / "last").read_text(errors="replace"))
      tally.write()
      (folder / "stderr").replace(folder / "stderr.kept")
  return tally, reached


def main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(prog="python -m experiments.reliability.fuzz_by_coverage")
  parser.add_argument("folder", type=pathlib.Path)
  parser.add_argument("targets", nargs="*", help="of those of fuzz.py; none: all that are bytes or text")
  parser.add_argument("--seconds", type=int, default=120, help="of each")
  parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
  options = parser.parse_args(argv)
  if options.alone:
    return run_alone(options.targets[0], options.folder, options.seconds)
  print("| read | inputs | results | refused in a line | failures | branches at first | at the end |")
  print("| --- | --- | --- | --- | --- | --- | --- |")
  for name in options.targets or [name for name in TARGETS if name not in NO_BYTES]:
    tally, reached = run_apart(name, options.folder / name.replace("/", "_"), options.seconds)
    counts = [tally.counts[kind] for kind in ("results", "refusals", "failures")]
    cells = [sum(counts), *counts, *reached[:: max(1, len(reached) - 1)]]
    print(f"| {name} | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
  main(sys.argv[1:])
