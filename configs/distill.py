r"""A start for the small network, from VGG-19's maps of photos and videos; phase 1 then takes it as its backbone.

python run.py --config=configs/distill.py --config.data.root=DATA --config.data.photos=PHOTOS \
  --config.backbone.weights=VGG19 --workdir=runs/distill
python run.py --config=configs/gating.py:small --config.backbone.weights=runs/distill --config.data.root=DATA \
  --config.data.photos=PHOTOS --workdir=runs/small
"""

from ml_collections import ConfigDict

from configs import common


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "distill"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of what is drawn at random: crops, weights, batches
  config.threads = 2  # that cut crops
  config.network = common.small_network()
  config.backbone = ConfigDict()
  config.backbone.weights = "download"  # the teacher: a VGG-19 file (any official format), or "download"
  config.data = common.data()
  config.data.rendered = (0, 0, 0)
  config.distillation = ConfigDict()
  config.distillation.steps = 2200  # of 16 crops
  config.distillation.videos = 1960  # crops of training videos; photos give four each
  return config.lock()
