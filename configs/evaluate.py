"""Evaluates a finished workdir, a model file or the embedded model on any data root.

python run.py --config=configs/evaluate.py --workdir=runs/gating --config.data.root=DATA
python run.py --config=configs/evaluate.py --config.model=runs/gating --workdir=runs/other --config.data.root=DATA

DATA holds vot/ or otb/ or both. Without a split file every sequence is evaluated; with one (DATA/split.json, or
--config.data.split=FILE), or with all of VOT2016, its test side is: see adadepth/data/split.py.
"""

from ml_collections import ConfigDict

from configs import common


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "evaluate"
  config.seed = 0  # of the rendered sequences
  config.threads = 2  # that decode and cut crops ahead of the network
  config.model = ""  # a finished workdir, a model file or "embedded"; "": the one in --workdir, else embedded
  config.data = common.data()
  config.policy = ConfigDict()
  config.policy.thresholds = common.policy().thresholds  # T of hard gating: the sweep
  config.eval = common.evaluation()
  config.eval.tracking = "xcorr1,xcorr2,xcorr3,xcorr4,xcorr5,soft,hard"
  return config.lock()
