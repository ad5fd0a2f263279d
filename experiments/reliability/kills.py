"""Kills real runs at random moments, starts them again, and compares what they end with to a run left alone.

python -m experiments.reliability.kills runs/kills --kinds train finetune distill evaluate track --kills 25

A run is killed, started again and killed again, CHAIN times, and then left to its end: its model must then be the
undisturbed run's, tensor by tensor and bit by bit, and its results the same but for times. Every second signal waits
for a file that is being written. The fifth is a SIGTERM, at which the run must exit with 143 and a line that says so.
Each run is a line of kills.jsonl, written when it is done; the same command goes on after them.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAIN = 5  # kills of one run
SIGTERM_EVERY = 5
LONGEST_S = 3600  # of a run; longer: it hangs
TIMES = ("fps", "seconds", "times_ms", "input_share", "wall_time", "time")  # what no two runs share
NETWORK = {"width": 0.0625, "template_px": 32, "search_px": 64}
DATA = {"data.rendered": (2, 2, 2)}
EVAL = {"eval.keys_per_sequence": 1, "eval.frames_per_key": 4}
TRACKING = {"eval.frames_per_sequence": 12, "eval.tracking": "xcorr1,hard", "eval.timing_rounds": 0}
PHASE1 = {"finetune.groups": 2, "finetune.log_every": 1}
GATES = {"gates.steps": 50, "gates.batch": 16, "gates.keys_per_sequence": 1, "gates.folds": 2}
SMALL = {f"network.{name}": value for name, value in NETWORK.items()}


class Kind(NamedTuple):
  """A job.

  Attributes:
    job: of the command.
    fields: of its config.
    begun: a file of the workdir, from which on it is killed.
  """

  job: str
  fields: dict[str, object]
  begun: str


KINDS = {
  # Phase 1, rollouts, phase 2, responses, tracks, figures, the page.
  "train": Kind(
    "gating:scratch",
    SMALL
    | DATA
    | EVAL
    | TRACKING
    | PHASE1
    | GATES
    | {"finetune.steps": 200, "finetune.checkpoint_every": 20, "finetune.rollouts": 4},
    "run.json",
  ),
  "finetune": Kind(
    "finetune:all,quick",
    SMALL
    | DATA
    | EVAL
    | PHASE1
    | {"finetune.steps": 100, "finetune.checkpoint_every": 20, "eval.every_steps": 30, "eval.sequences": 2},
    "run.json",
  ),
  "distill": Kind(
    "distill",
    {"network.template_px": 32, "network.search_px": 64, "distillation.steps": 120, "distillation.videos": 8}
    | {"data.rendered": (2, 0, 0)},
    "run.json",
  ),
  "evaluate": Kind("evaluate", {"data.rendered": (0, 0, 4)} | EVAL | TRACKING, "evaluate.json"),
  "track": Kind("track", {}, ".lock"),
}


def write_inputs(folder: pathlib.Path) -> None:
  """A video with its box, and a few photos."""
  from PIL import Image

  from adadepth.data.render import Difficulty, render_sequence
  from adadepth.io.json_files import write_json
  from adadepth.io.video_writer import VideoWriter

  clip = render_sequence(seed=3, name="kills", frames=200, difficulty=Difficulty.graded(0.2))
  with VideoWriter(folder / "clip.mp4", fps=25) as video:
    for frame in clip.frames:
      video.write(frame)
  (folder / "photos").mkdir(exist_ok=True)
  for i in range(4):
    Image.fromarray(clip.frames[40 * i]).save(folder / "photos" / f"{i}.png")
  write_json(folder / "inputs.json", {"box": ",".join(f"{value:.2f}" for value in clip.boxes_xywh[0])})


def command(kind: Kind, folder: pathlib.Path, workdir: pathlib.Path, vgg19: str) -> list[str]:
  """The command line of a job, in this checkout."""
  fields = dict(kind.fields)
  if kind.job == "track":
    box = json.loads((folder / "inputs.json").read_text())["box"]
    fields |= {"video": str(folder / "clip.mp4"), "box": box}
  if kind.job == "distill":
    fields |= {"data.photos": str(folder / "photos"), "backbone.weights": vgg19}
  flags = [f"--config.{name}={value}".replace(" ", "") for name, value in fields.items()]
  return [sys.executable, str(ROOT / "run.py"), kind.job, *flags, f"--workdir={workdir}"]


class Ended(NamedTuple):
  """How a process ended: its code, what it said, and its seconds since the file that `begun` names."""

  code: int
  errors: str
  seconds_begun: float


def run(
  line: list[str],
  workdir: pathlib.Path,
  begun: str,
  kill: tuple[signal.Signals, float, bool] | None,
  folder: pathlib.Path | None = None,
) -> Ended:
  """Runs a command; kills it by a signal so many seconds after its file is there, or at the next write after that."""
  folder = folder or workdir.parent  # with room for what is compiled
  environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(folder / "xla")}
  with (folder / f"{workdir.name}.stderr").open("w+") as errors:
    started = time.time()
    process = subprocess.Popen(line, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=errors)
    wait_for(process, lambda: (workdir / begun).exists() and (workdir / begun).stat().st_mtime > started)
    ready = time.monotonic()
    if kill:
      number, after_s, at_a_write = kill
      wait_for(process, lambda: time.monotonic() > ready + after_s)
      if at_a_write:
        wait_for(process, lambda: any(is_unfinished(path) for path in workdir.rglob("*")), within_s=after_s + 1)
      process.send_signal(number)
    code = process.wait(timeout=LONGEST_S)
    errors.seek(0)
    return Ended(code, errors.read(), time.monotonic() - ready)


def is_unfinished(path: pathlib.Path) -> bool:
  return path.name.startswith(".unfinished-") or "orbax-checkpoint-tmp" in path.name


def wait_for(process: subprocess.Popen, happened, within_s: float = LONGEST_S) -> None:
  """Until it has happened, or the process has ended."""
  last = time.monotonic() + within_s
  while process.poll() is None and time.monotonic() < last:
    try:
      if happened():
        return
    except OSError:  # a folder went while it was looked through
      continue
    time.sleep(0.002)


# What a run has ended with.


def outcome(workdir: pathlib.Path) -> dict[str, object]:
  """Its parameters as bytes, its results and boxes, less times."""
  from safetensors.numpy import load_file

  found: dict[str, object] = {}
  if (workdir / "model.safetensors").exists():
    found["model's bytes"] = (workdir / "model.safetensors").read_bytes()
    for name, tensor in load_file(workdir / "model.safetensors").items():
      found[f"tensor {name}"] = (tensor.dtype.str, tensor.shape, tensor.tobytes())
  if (workdir / "results.json").exists():
    found["results.json"] = without_times(json.loads((workdir / "results.json").read_text()))
  if (workdir / "boxes.csv").exists():
    with (workdir / "boxes.csv").open() as file:
      found["boxes.csv"] = list(csv.reader(file))
  if (workdir / "track.npz").exists():
    with np.load(workdir / "track.npz") as file:
      found["track.npz"] = {n: file[n].tobytes() for n in file.files if n.startswith("track.")}
  if (workdir / "finetune" / "metrics.jsonl").exists():
    lines = (workdir / "finetune" / "metrics.jsonl").read_text().splitlines()
    found["metrics.jsonl"] = [without_times(json.loads(line)) for line in lines]
  return found


def without_times(value):
  if isinstance(value, dict):
    return {name: without_times(item) for name, item in value.items() if name not in TIMES}
  return [without_times(item) for item in value] if isinstance(value, list) else value


def differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
  """The names of what is not exactly the same in both."""
  return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def left_over(workdir: pathlib.Path) -> list[str]:
  """What a finished run should not have left."""
  return sorted(path.name for path in workdir.rglob("*") if is_unfinished(path) or path.name in (".lock",))


# Trials.


def trial(line: list[str], kind: Kind, workdir: pathlib.Path, seed: int, alone: dict, seconds: float) -> dict:
  """One run, killed up to CHAIN times and then left to its end: when it was killed, and what was wrong with it."""
  rng, wrong, kills = random.Random(seed), [], []
  shutil.rmtree(workdir, ignore_errors=True)
  while True:
    number = signal.SIGTERM if len(kills) % SIGTERM_EVERY == SIGTERM_EVERY - 1 else signal.SIGKILL
    kill = number, rng.uniform(0, seconds / 2), rng.random() < 0.5
    ended = run(line, workdir, kind.begun, kill if len(kills) < CHAIN else None)
    if "Traceback" in ended.errors:
      wrong.append(f"a traceback: {ended.errors[-1500:]}")
    if ended.code == 0:
      break
    kills.append({"signal": number.name, "after_s": round(kill[1], 2), "at_a_write": kill[2], "code": ended.code})
    if ended.code != (128 + signal.SIGTERM if number == signal.SIGTERM else -signal.SIGKILL):
      wrong.append(f"code {ended.code} after {number.name}: {ended.errors[-500:]}")
      break
    if number == signal.SIGTERM and "stopped by SIGTERM" not in ended.errors:
      wrong.append(f"nothing said at SIGTERM: {ended.errors[-500:]}")
  wrong += [f"{name} differs" for name in differing(alone, outcome(workdir))]
  wrong += [f"{name} is left over" for name in left_over(workdir)]
  if not wrong:
    shutil.rmtree(workdir)
  return {"seed": seed, "kills": kills, "wrong": wrong}


def undisturbed(name: str, folder: pathlib.Path, vgg19: str) -> tuple[dict, float]:
  """What a run left alone ends with, and how long it takes from its first file on; the first compiles for all."""
  kind, workdir, spent = KINDS[name], folder / f"alone-{name}", folder / f"alone-{name}.json"
  if not spent.exists():
    for place in (folder / f"warm-{name}", workdir):
      shutil.rmtree(place, ignore_errors=True)
      line = command(kind, folder, place, vgg19)
      ended = run(line, place, kind.begun, None)
      if ended.code:
        raise SystemExit(f"{name}, left alone: {ended.errors[-2000:]}")
    if found := differing(outcome(workdir), outcome(folder / f"warm-{name}")):
      raise SystemExit(f"{name}: two runs left alone differ in {found}")
    spent.write_text(json.dumps({"seconds": ended.seconds_begun, "command": line}))
  return outcome(workdir), json.loads(spent.read_text())["seconds"]


def folder_with_inputs(workdir: str) -> pathlib.Path:
  """The folder that runs are made in, with what they read; what is there stays."""
  folder = pathlib.Path(workdir).resolve()
  folder.mkdir(parents=True, exist_ok=True)
  if not (folder / "inputs.json").exists():
    write_inputs(folder)
  return folder


def main(workdir: str, kinds: list[str], kills: int, vgg19: str) -> None:
  """Runs trials of each kind until so many kills are in kills.jsonl."""
  folder, vgg19 = folder_with_inputs(workdir), str(pathlib.Path(vgg19).resolve())
  log = folder / "kills.jsonl"
  for name in kinds:
    kind, (alone, seconds) = KINDS[name], undisturbed(name, folder, vgg19)
    while count(done := of(name, log)) < kills:
      seed, place = len(done), folder / f"trial-{name}-{len(done)}"
      found = trial(command(kind, folder, place, vgg19), kind, place, seed, alone, seconds)
      with log.open("a") as file:
        file.write(json.dumps({"kind": name, **found, "date": datetime.date.today().isoformat()}) + "\n")
      print(name, seed, len(found["kills"]), found["wrong"] or "nothing lost", flush=True)
  tell(read(log))


def of(name: str, log: pathlib.Path) -> list[dict]:
  return [entry for entry in read(log) if entry["kind"] == name]


def count(entries: list[dict]) -> int:
  return sum(len(entry["kills"]) for entry in entries)


def read(log: pathlib.Path) -> list[dict]:
  return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def tell(entries: list[dict]) -> None:
  """How many kills there were of each kind, and in how many runs something was lost."""
  for name in sorted({entry["kind"] for entry in entries}):
    of_kind = [entry for entry in entries if entry["kind"] == name]
    signals = [kill["signal"] for entry in of_kind for kill in entry["kills"]]
    lost = sum(bool(entry["wrong"]) for entry in of_kind)
    counts = f"{signals.count('SIGKILL')} SIGKILL and {signals.count('SIGTERM')} SIGTERM"
    print(f"{name}: {counts} in {len(of_kind)} runs; {lost} runs lost anything")


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir")
  parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
  parser.add_argument("--kills", type=int, default=25, help="of each kind")
  parser.add_argument("--vgg19", default="../shared/weights/vgg19_imagenet_fp16.safetensors", help="distill's teacher")
  main(**vars(parser.parse_args()))
