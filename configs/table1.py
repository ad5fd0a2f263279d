"""Table 1: FLOPs of every policy, by theory and by XLA's cost analysis, and its time on this machine.

python run.py --config=configs/table1.py        the paper's network, a minute on two cores
python run.py --config=configs/table1.py:small  the small one
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "" (VGG-19) or "small"."""
  if arg not in ("", "small"):
    raise InputError(f'`--config=configs/table1.py:{arg}`: the only variant is "small"')
  config = ConfigDict()
  config.task = "table1"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of the random weights that are timed
  config.network = common.small_network() if arg == "small" else common.paper_network()
  config.eval = ConfigDict()
  config.eval.timing_rounds = 25  # steps of each policy and exit, timed in turns, for a minute at most; 0: no times
  return config.lock()
