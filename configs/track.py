"""Tracks one target through a video file or a folder of frames.

python run.py --config=configs/track.py --config.video=VIDEO --config.box=x,y,w,h --workdir=runs/track
python run.py --config=configs/track.py --config.model=vgg19 --config.backbone.weights=VGG19 --config.video=...
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "track"  # the job of adadepth/jobs/__init__.py
  config.video = ""  # a video file, or a folder of pictures, ordered by the numbers in their names
  config.box = ""  # the target in the first frame: x,y,w,h, pixels from the top left
  config.levels = ""  # of frames of more than 8 bits: low,high, which become black and white; "": the first frames' own
  config.overwrite = False  # whether a workdir with the results of another video may be written
  config.model = "embedded"  # a finished workdir, a model file, "embedded" or "vgg19"
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # for gates that come without: a VGG-19 file (any official format), or "download"
  config.policy = "hard"  # "xcorr1".."xcorr5", "soft" or "hard"
  config.threshold = -1.0  # T of hard gating; negative: the one chosen when the model was trained
  config.budget = 0.0  # mean cost of a frame, relative to xcorr1, that hard gating holds by moving T; 0: T stays
  return config.lock()
