"""Speed of a tracking step by policy, alternating in one process.

python run.py --config=configs/benchmark.py          the slim network
python run.py --config=configs/benchmark.py:vgg19    the paper's (random weights: the clock does not mind)
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "" (slim) or "vgg19"."""
  if arg not in ("", "vgg19"):
    raise InputError(f'`--config=configs/benchmark.py:{arg}`: the only variant is "vgg19"')
  config = ConfigDict()
  config.task = "benchmark"
  config.seed = 0  # of the random weights and the rendered frame
  config.network = common.vgg19_network() if arg else common.slim_network()
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # see configs/gating.py
  config.policy = common.policy()
  config.benchmark = ConfigDict()
  config.benchmark.rounds = 20 if arg else 200  # of one step each; medians are reported
  return config.lock()
