"""Phase 1 on its own: fine-tunes VGG-19 on real pairs, and measures what that does.

python run.py --config=configs/finetune.py:all --config.data.root=DATA --config.backbone.weights=VGG19
python run.py --config=configs/finetune.py:deepest --config.data.root=DATA --config.backbone.weights=VGG19
python run.py --config=configs/finetune.py:all,slim       from random weights on rendered sequences
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "all") -> ConfigDict:
  """`arg` is "all" or "deepest" (Eq. 3), and ",slim" for the slim network."""
  objective, _, network = arg.partition(",")
  if objective not in ("all", "deepest") or network not in ("", "slim"):
    raise InputError(f'`--config=configs/finetune.py:{arg}`: the variants are "all" and "deepest", each with ",slim"')
  config = ConfigDict()
  config.task = "finetune"
  config.seed = 0
  config.threads = 2  # that decode and cut crops ahead of the network
  config.network = common.slim_network() if network else common.vgg19_network()
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # where to start: see configs/gating.py
  config.data = common.data()
  config.finetune = common.finetune() if network else common.vgg19_finetune()
  config.finetune.objective = objective
  config.policy = common.policy()
  config.eval = common.evaluation()
  config.eval.tracking = ""
  if network:
    config.finetune.steps = 150
  else:
    config.data.rendered = (0, 0, 0)
    # A short look: about ten seconds a step on two cores. An epoch of the shared train split is 260 such keys.
    config.finetune.steps = 40
    config.eval.keys_per_sequence = 1
    config.eval.frames_per_sequence = 10
  return config.lock()
