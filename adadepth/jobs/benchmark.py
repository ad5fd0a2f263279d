"""The benchmark: part by part, each written as soon as it is done."""

import datetime
import json
import pathlib
import resource
import sys

import jax
from ml_collections import ConfigDict

from adadepth.benchmark.draw import draw_benchmark
from adadepth.benchmark.gate_training import measure_phase2
from adadepth.benchmark.many_targets import measure_batch
from adadepth.benchmark.one_target import measure_steps
from adadepth.benchmark.peak import measure_peak
from adadepth.benchmark.peer import PeerError
from adadepth.benchmark.pytorch import measure_pytorch
from adadepth.benchmark.rows import markdown, results_of
from adadepth.benchmark.ships import measure_ships
from adadepth.benchmark.start import measure_start
from adadepth.benchmark.subject import Settings, Subject, make_subject
from adadepth.benchmark.whole_videos import measure_sequences
from adadepth.errors import InputError
from adadepth.io.json_files import write_json
from adadepth.io.run_record import run_record
from adadepth.io.whole_files import write_text
from adadepth.io.workdir import claim
from adadepth.jobs.checks import check_config
from adadepth.jobs.from_config import architecture_of, recipe_of, starting_params

PARTS = {
  "steps": measure_steps,
  "sequence": measure_sequences,
  "pytorch": measure_pytorch,
  "batch": measure_batch,
  "peak": measure_peak,
  "start": measure_start,
  "phase2": measure_phase2,
  "ships": measure_ships,
}
# Of config.benchmark: which parts run, and how long. The parts of one workdir agree on all else.
FREE = ("parts", "peers_python", "before", "rounds", "seconds")
REQUIREMENTS = (
  "pip install -r experiments/speed/requirements.txt, or name an interpreter: --config.benchmark.peers_python"
)


def parts_named(text: str) -> tuple[str, ...]:
  """The parts of "steps,batch", in the benchmark's order; all of them for "".

  Raises:
    InputError: a name that is no part.
  """
  names = {name.strip() for name in text.split(",") if name.strip()}
  if unknown := sorted(names - PARTS.keys()):
    raise InputError(f"`config.benchmark.parts` (={text!r}) names {unknown[0]!r}; the parts are {', '.join(PARTS)}")
  return tuple(name for name in PARTS if not names or name in names)


def measure(subject: Subject, part: str) -> dict:
  """One part's rows and the peak memory so far, or why it was skipped."""
  try:
    rows = PARTS[part](subject)
  except PeerError as error:
    return {"skipped": f"{error} ({REQUIREMENTS})"}
  what = f"peak memory of this process after the part {part!r}"
  memory = {"id": f"memory_{part}", "what": what, **dict.fromkeys(("value", "low", "high"), peak_memory_gib())}
  return {"rows": [*rows, {**memory, "unit": "GiB"}]}


def settings_of(config: ConfigDict) -> Settings:
  """`config.benchmark`, and what else of the config is measured."""
  same = ("rounds", "seconds", "frames", "pairs", "peers_python", "before")
  return Settings(
    **{name: config.benchmark[name] for name in same},
    **{name: tuple(config.benchmark[name]) for name in ("frame_hw", "targets")},
    seed=config.seed,
    large=architecture_of(ConfigDict({"network": config.large})),
    recipe=recipe_of(config),
    folds=config.gates.folds,
    thresholds=tuple(config.policy.thresholds),
  )


def peak_memory_gib() -> float:
  """Of the accelerator where there is one, else of this process."""
  stats = jax.devices()[0].memory_stats()
  if stats:
    return stats["peak_bytes_in_use"] / 2**30
  unit = 1 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB on Linux
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def identity_of(config: ConfigDict) -> dict:
  """What the parts that are merged into one results.json must agree on."""
  settings = config.to_dict()
  measured = {name: value for name, value in settings["benchmark"].items() if name not in FREE}
  machine = {"device": jax.devices()[0].device_kind, "backend": jax.default_backend()}
  return {**settings, "benchmark": measured, **machine}


def run_benchmark(config: ConfigDict, workdir: pathlib.Path) -> None:
  """Runs the parts that config names and writes results.json, results.md and speed.png after each.

  Parts that an earlier run left in the workdir are kept, also where this run has not the peers that they need.
  """
  check_config(config)
  parts = parts_named(config.benchmark.parts)
  claim(workdir, identity_of(config))
  run_record(workdir, config.to_dict(), config.seed)
  arch = architecture_of(config)
  subject = make_subject(starting_params(config, arch, workdir), arch, settings_of(config), workdir)
  for part in parts:
    done = measure(subject, part) | {"date": datetime.date.today().isoformat()}
    keep_part(workdir / "parts" / f"{part}.json", done)
    if "skipped" in done:
      print(f"{part}: skipped, {done['skipped']}")
    rows = write_all(workdir, jax.default_backend())
  print(markdown(rows))
  print(f"wrote {workdir / 'results.json'}, results.md and speed.png")


def keep_part(file: pathlib.Path, done: dict) -> None:
  """Writes what a part has measured; or why it was skipped, where nothing was measured before."""
  if "rows" in done or not file.is_file():
    write_json(file, done)


def write_all(workdir: pathlib.Path, backend: str) -> list[dict]:
  """Writes what all parts in the workdir have measured; returns the rows."""
  files = {name: workdir / "parts" / f"{name}.json" for name in PARTS}
  done = {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}
  rows = results_of(done, backend)
  write_json(workdir / "results.json", {"rows": rows})
  write_text(workdir / "results.md", markdown(rows))
  draw_benchmark(workdir / "speed.png", rows)
  return rows
