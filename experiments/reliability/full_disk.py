"""Fills the disk under real runs, and looks at what they say and lose. Needs root and Linux: it mounts a small tmpfs.

python -m experiments.reliability.full_disk runs/kills --kinds track evaluate train

Each kind of `experiments.reliability.kills` is run on a file system with room for a part of what it writes, larger by
STEP_KIB each time, until it finishes: each run that does not must exit with 1 and one line, leave what was there before
it as it was, and be gone on from. What the last one ends with is compared to a run left alone, as after kills.
Writes full_disk.json.
"""

import argparse
import json
import pathlib
import subprocess

from adadepth.io.json_files import write_json
from experiments.reliability.kills import (
  KINDS,
  command,
  differing,
  folder_with_inputs,
  left_over,
  outcome,
  run,
  undisturbed,
)

FIRST_KIB, STEP_KIB, SHARE = 64, 96, 1.35
RESULTS = ("model.safetensors", "results.json", "boxes.csv", "track.mp4", "report.html")


def mount(place: pathlib.Path, kib: int, *options: str) -> None:
  """A tmpfs of that size, or another size for the one that is there."""
  place.mkdir(parents=True, exist_ok=True)
  settings = ",".join((f"size={kib}k", "nr_inodes=10000", *options))
  subprocess.run(["mount", "-t", "tmpfs", "-o", settings, "tmpfs", str(place)], check=True)


def finished_files(workdir: pathlib.Path) -> dict[str, bytes]:
  return {name: (workdir / name).read_bytes() for name in RESULTS if (workdir / name).is_file()}


def trial(name: str, folder: pathlib.Path, vgg19: str) -> dict:
  """One run on a disk that grows; what was wrong, and how often it was full."""
  alone, _ = undisturbed(name, folder, vgg19)
  kind, disk = KINDS[name], folder / f"disk-{name}"
  workdir, kib, full, wrong = disk / "run", FIRST_KIB, 0, []
  line = command(kind, folder, workdir, vgg19)
  mount(disk, kib)
  try:
    while True:
      before = finished_files(workdir)
      ended = run(line, workdir, kind.begun, None, folder=folder)
      if ended.code == 0:
        wrong += [f"{differs} differs" for differs in differing(alone, outcome(workdir))]
        wrong += [f"{left} is left over" for left in left_over(workdir)]
        break
      full += 1
      said = [text for text in ended.errors.splitlines() if text.startswith("error: ")]
      if ended.code != 1 or len(said) != 1 or "Traceback" in ended.errors or "No space left" not in said[0]:
        wrong.append(f"{kib} KiB: code {ended.code}, {ended.errors[-1500:]}")
        break
      after = {path.name: path.read_bytes() for path in workdir.glob("*") if path.is_file()} if workdir.exists() else {}
      wrong += [f"{kib} KiB: {lost} is lost" for lost, content in before.items() if content not in after.values()]
      kib = int(kib * SHARE) + STEP_KIB
      mount(disk, kib, "remount")
  finally:
    subprocess.run(["umount", str(disk)], check=False)
  return {"full": full, "kib_at_the_end": kib, "wrong": wrong}


def main(workdir: str, kinds: list[str], vgg19: str) -> None:
  """Runs each kind and writes full_disk.json."""
  folder, vgg19 = folder_with_inputs(workdir), str(pathlib.Path(vgg19).resolve())
  path = folder / "full_disk.json"
  for name in kinds:
    found = json.loads(path.read_text()) if path.exists() else {}
    write_json(path, found | {name: trial(name, folder, vgg19)})
    print(name, json.loads(path.read_text())[name], flush=True)


if __name__ == "__main__":
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("workdir")
  parser.add_argument("--kinds", nargs="+", default=["track", "evaluate", "train"], choices=list(KINDS))
  parser.add_argument("--vgg19", default="../shared/weights/vgg19_imagenet_fp16.safetensors", help="distill's teacher")
  main(**vars(parser.parse_args()))
