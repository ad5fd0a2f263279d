"""What is measured: one network on one film, the same for every part."""

import dataclasses
import pathlib

import jax
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict

from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.forced_exits import FORCED_THRESHOLD
from adadepth.jobs.from_config import architecture_of, readout_of, starting_params
from adadepth.models.model import Model
from adadepth.models.network import prepare_params


@dataclasses.dataclass(frozen=True)
class Subject:
  """A network, the film it is timed on, and how long.

  Attributes:
    model: prepared for this machine; its gates decide nothing here, see `exits`.
    backbone: the plain one, for PyTorch.
    frames: rendered, [t, h, w, 3].
    box_xywh: the target in the first frame.
    boxes_xywh: as many targets as the largest batch, all over the frame, [n, 4].
    config: all of it.
    folder: for what the parts write beside results.json.
    backend: "cpu", "gpu" or "tpu".
  """

  model: Model
  backbone: dict
  frames: UInt8[np.ndarray, "t h w 3"]
  box_xywh: Float[np.ndarray, "4"]
  boxes_xywh: Float[np.ndarray, "n 4"]
  config: ConfigDict
  folder: pathlib.Path
  backend: str

  @property
  def settings(self) -> ConfigDict:
    return self.config.benchmark

  def plain_params(self) -> dict:
    """The model's parameters with the plain backbone, as they are kept in files."""
    return {**self.model.params, "backbone": self.backbone}

  def limits(self) -> dict:
    """How long each comparison takes, as `timing.alternate` takes it."""
    return {"rounds": self.settings.rounds, "limit_s": self.settings.seconds}


def subject_of(config: ConfigDict, workdir: pathlib.Path) -> Subject:
  """The config's network, and a film rendered from its seed."""
  arch, settings = architecture_of(config), config.benchmark
  params = starting_params(config, arch, workdir)
  model = Model(prepare_params(params), arch, FORCED_THRESHOLD, readout_of(config))
  height, width = settings.frame_hw
  film = render_sequence(
    seed=config.seed,
    name="benchmark",
    frames=settings.frames,
    height=height,
    width=width,
    difficulty=Difficulty.graded(0.3),
  )
  box = film.boxes_xywh[0]
  centers = np.random.default_rng(config.seed).uniform(0.1, 0.9, (max(settings.targets), 2)) * (width, height)
  boxes = np.concatenate([centers - box[2:] / 2, np.broadcast_to(box[2:], centers.shape)], axis=1)
  return Subject(
    model=model,
    backbone=jax.tree.map(np.asarray, params["backbone"]),
    frames=film.frames,
    box_xywh=box,
    boxes_xywh=boxes.astype(np.float32),
    config=config,
    folder=workdir,
    backend=jax.default_backend(),
  )
