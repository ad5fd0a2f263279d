"""What is measured: one network on one film, the same for every part."""

import dataclasses
import pathlib

import jax
import numpy as np
from jaxtyping import Float, UInt8

from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.forced_exits import FORCED_THRESHOLD
from adadepth.models.architecture import Architecture
from adadepth.models.model import Model
from adadepth.models.network import prepare_params
from adadepth.training.phase2 import Recipe


@dataclasses.dataclass(frozen=True)
class Settings:
  """How much is measured, of what and for how long: configs/benchmark.py says what each number is."""

  seed: int
  rounds: int
  seconds: float
  frame_hw: tuple[int, int]
  frames: int
  targets: tuple[int, ...]
  pairs: int
  peers_python: str
  before: str
  large: Architecture
  recipe: Recipe
  folds: int
  thresholds: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Subject:
  """A network, the film it is timed on, and how long.

  Attributes:
    model: prepared for this machine; its gates decide nothing here, see `forced_exits`.
    backbone: the plain one, for PyTorch.
    frames: rendered, [t, h, w, 3].
    box_xywh: the target in the first frame.
    boxes_xywh: as many targets as the largest batch, all over the frame, [n, 4].
    folder: for what the parts write beside results.json.
    backend: "cpu", "gpu" or "tpu".
  """

  model: Model
  backbone: dict
  frames: UInt8[np.ndarray, "t h w 3"]
  box_xywh: Float[np.ndarray, "4"]
  boxes_xywh: Float[np.ndarray, "n 4"]
  settings: Settings
  folder: pathlib.Path
  backend: str

  def limits(self) -> dict:
    """How long each comparison takes, as `timing.alternate` takes it."""
    return {"rounds": self.settings.rounds, "limit_s": self.settings.seconds}


def make_subject(params: dict, arch: Architecture, settings: Settings, folder: pathlib.Path) -> Subject:
  """A network, and a film rendered from the seed."""
  height, width = settings.frame_hw
  film = render_sequence(
    seed=settings.seed,
    name="benchmark",
    frames=settings.frames,
    height=height,
    width=width,
    difficulty=Difficulty.graded(0.3),
  )
  box = film.boxes_xywh[0]
  centers = np.random.default_rng(settings.seed).uniform(0.1, 0.9, (max(settings.targets), 2)) * (width, height)
  boxes = np.concatenate([centers - box[2:] / 2, np.broadcast_to(box[2:], centers.shape)], axis=1)
  return Subject(
    model=Model(prepare_params(params, arch), arch, FORCED_THRESHOLD),
    backbone=jax.tree.map(np.asarray, params["backbone"]),
    frames=film.frames,
    box_xywh=box,
    boxes_xywh=boxes.astype(np.float32),
    settings=settings,
    folder=folder,
    backend=jax.default_backend(),
  )
