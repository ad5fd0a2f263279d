"""run.py where a GPU would wait for pictures: rendered sequences and the crops of phase 1 are made by processes.

python -m experiments.small.with_processes 14 /tmp/rendered --config=configs/gating.py:small ... --workdir=runs/small

The first argument is how many, the second a folder for the rendered sequences of the train side, 5 MB each, from which
all of them read. Crops follow from the seed and their number, so that they are those of run.py.
"""

import collections
import dataclasses
import hashlib
import multiprocessing
import os
import pathlib
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from ml_collections import ConfigDict

from adadepth.command import run
from adadepth.data.render import render_split
from adadepth.data.sequence import Sequence
from adadepth.data.sources import Source
from adadepth.jobs import finetune, gating
from adadepth.jobs.finetune import pair_sampler
from adadepth.jobs.from_config import source_of
from adadepth.training import phase1

SPAWN = multiprocessing.get_context("spawn")
PROCESSES, FOLDER = "ADADEPTH_PROCESSES", "ADADEPTH_RENDERED"  # processes that are spawned inherit the environment
render_in_memory, run_phase1 = Source._render, finetune.run_phase1


def file_of(source: Source, index: int) -> pathlib.Path:
  """Where a sequence of the train side is, in a folder of its own for all that it is rendered by."""
  made_by = (source.rendered[0], source.seed, source.hardest, source.photos)
  return pathlib.Path(os.environ[FOLDER]) / hashlib.sha256(repr(made_by).encode()).hexdigest()[:16] / f"{index}.npz"


def render_to_file(source: Source, index: int) -> None:
  """One sequence of the train side, where it is not there yet."""
  path = file_of(source, index)
  if not path.exists():
    split = render_split(
      split="train", sequences=source.rendered[0], seed=source.seed, hardest=source.hardest, photos=source.photos
    )
    sequence = split[index]
    np.save(path.with_suffix(".npy"), sequence.frames)
    np.savez(path, boxes=sequence.boxes_xywh)


def render(source: Source, side: str) -> list[Sequence]:
  """In the place of `Source._render`: the train side's frames are files that are mapped into memory."""
  if side != "train":
    return render_in_memory(source, side)
  files = [file_of(source, index) for index in range(source.rendered[0])]
  if multiprocessing.parent_process() is None:
    files[0].parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(int(os.environ[PROCESSES]), mp_context=SPAWN) as pool:
      list(pool.map(render_to_file, [source] * len(files), range(len(files)), chunksize=8))
  return [
    Sequence(f"rendered/train-{file.stem}", np.load(file.with_suffix(".npy"), mmap_mode="r"), np.load(file)["boxes"])
    for file in files
  ]


@dataclasses.dataclass(frozen=True)
class Cutter:
  """In the place of `phase1.training_batches`: the same batches, cut by processes that read the config's videos."""

  config: ConfigDict

  def __call__(self, sampler, *, groups: int, start: int, stop: int, threads: int, own=None) -> Iterator:
    processes, ahead = int(os.environ[PROCESSES]), collections.deque()
    os.environ["JAX_PLATFORMS"] = "cpu"  # of those who cut
    with ProcessPoolExecutor(processes, SPAWN, initializer=open_sampler, initargs=(self.config,)) as pool:
      for step in range(start, stop):
        ahead.append(pool.submit(cut, [step * groups + group for group in own or range(groups)]))
        if len(ahead) > 3 * processes:
          yield ahead.popleft().result()
      while ahead:
        yield ahead.popleft().result()


def open_sampler(config: ConfigDict) -> None:
  """Of a process that cuts: what it cuts from."""
  global SAMPLER
  Source._render = render
  source = source_of(config)
  SAMPLER = pair_sampler(config, source.training(source.read(("train",))["train"]))


def cut(indices: list[int]) -> phase1.PairBatch:
  return phase1.stack_groups([SAMPLER[index] for index in indices])


def with_cutter(config: ConfigDict, *rest) -> dict:
  """In the place of `run_phase1`, which has the config."""
  phase1.training_batches = Cutter(config)
  return run_phase1(config, *rest)


def main() -> None:
  os.environ[PROCESSES], os.environ[FOLDER] = sys.argv[1:3]
  del sys.argv[1:3]
  Source._render, gating.run_phase1 = render, with_cutter
  run()


if __name__ == "__main__":
  main()
