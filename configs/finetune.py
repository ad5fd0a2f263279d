"""Phase 1 on its own: fine-tunes VGG-19 on real pairs, and measures what that does.

python run.py --config=configs/finetune.py:all --config.data.root=DATA --config.backbone.weights=VGG19
python run.py --config=configs/finetune.py:deepest --config.data.root=DATA --config.backbone.weights=VGG19
python run.py --config=configs/finetune.py:all,half ...   VGG-19 at half the crop size: a quarter of the time a step
python run.py --config=configs/finetune.py:all,quick      from random weights on rendered sequences
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "all") -> ConfigDict:
  """`arg` is "all" or "deepest" (Eq. 3), and ",half" or ",quick" for another network."""
  objective, _, network = arg.partition(",")
  if objective not in ("all", "deepest") or network not in ("", "half", "quick"):
    variants = '"all" and "deepest", each with ",half" or ",quick"'
    raise InputError(f"`--config=configs/finetune.py:{arg}`: the variants are {variants}")
  config = ConfigDict()
  config.task = "finetune"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of what is drawn at random: rendered sequences, weights, batches
  config.threads = 2  # that decode and cut crops ahead of the network
  config.distributed = common.distributed()
  config.network = common.small_network() if network == "quick" else common.paper_network()
  config.backbone = ConfigDict()
  # Where to start: a VGG-19 file (any official format), a finished workdir, "embedded", "download"; "": random.
  config.backbone.weights = ""
  config.data = common.data()
  config.finetune = common.finetune() if network == "quick" else common.paper_finetune()
  config.finetune.objective = objective
  config.eval = common.evaluation()
  for name in ("frames_per_sequence", "timing_rounds", "tracking"):
    del config.eval[name]  # pairs alone are measured
  config.eval.every_steps = 0  # train and test are also measured every n steps of phase 1 (Figure 3); 0: never
  config.eval.sequences = 0  # of each side that are measured, evenly spread; 0: all
  if network == "quick":
    config.data.rendered = (40, 12, 12)
    config.data.hardest = 0.6
    config.finetune.steps = 60
    config.finetune.groups = 8
    config.eval.every_steps = 20
    config.eval.sequences = 12
    config.eval.keys_per_sequence = 1
  else:
    config.data.rendered = (0, 0, 0)
    # A short run: about ten seconds a step on two cores. An epoch of the shared train split is 299 such keys.
    config.finetune.steps = 40
    config.eval.keys_per_sequence = 1
    config.eval.frames_per_key = 10
  if network == "half":
    halve_the_crops(config)
  return config.lock()


def halve_the_crops(config: ConfigDict) -> None:
  """A step takes 2.5 seconds on two cores; 150 of two keys are an epoch of the shared train split."""
  config.network.update({"template_px": 64, "search_px": 128})
  config.network.pools = 3  # so that responses keep their 16 x 16 cells
  config.finetune.update({"steps": 66, "groups": 2, "frames": 3, "learning_rate": 3e-5})
  config.finetune.jitter_px = 4.0  # as far in the image as 8 px of the whole crop
  config.eval.update({"every_steps": 22, "sequences": 8, "frames_per_key": 25})
