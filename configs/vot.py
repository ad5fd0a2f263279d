"""Writes trackers.ini, so that the VOT toolkit evaluates our tracker.

python run.py --config=configs/vot.py --workdir=WORKSPACE
vot evaluate --workspace WORKSPACE adadepth
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "vot"  # the job of adadepth/jobs/__init__.py
  config.name = "adadepth"  # the toolkit's name for this tracker; several, of other models or policies, in one file
  config.model = "embedded"  # a finished workdir, a model file, "embedded" or "vgg19"
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # for gates that come without: a VGG-19 file (any official format)
  config.policy = "hard"  # "xcorr1".."xcorr5", "soft" or "hard"
  config.budget = 0.0  # mean cost of a frame, relative to xcorr1, that hard gating holds by moving T; 0: T stays
  config.platform = "cpu"  # what JAX runs on; "": what there is
  config.timeout_s = 300  # the toolkit waits so long for an answer: the first start compiles
  return config.lock()
