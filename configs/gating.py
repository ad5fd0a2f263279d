r"""The main job: phase 1 where no backbone is given, phase 2, then every policy on the test split.

python run.py --config=configs/gating.py          embedded: rendered sequences, the network of the package
python run.py --config=configs/gating.py:scratch  the same from random weights
python run.py --config=configs/gating.py:small --config.data.root=DATA --config.data.photos=PHOTOS \
  --config.backbone.weights=DISTILLED                 how the package's network was trained (see configs/distill.py)
python run.py --config=configs/gating.py:vgg19 --config.data.root=DATA --config.backbone.weights=VGG19
python run.py --config=configs/gating.py:vgg19,paper ...                  the paper's own gates, the named baseline
python run.py --config=configs/gating.py:vgg19,quick ...                  VGG-19 on fewer pairs: the same figures sooner
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "" (embedded), "scratch", "small" or "vgg19", the last also with ",paper", ",quick" or both."""
  arg, *options = arg.split(",")
  if arg not in ("", "scratch", "small", "vgg19") or set(options) - ({"paper", "quick"} if arg == "vgg19" else set()):
    variants = '"scratch", "small" and "vgg19", the last also with ",paper", ",quick" or both'
    raise InputError(f"`--config=configs/gating.py:{','.join((arg, *options))}`: the variants are {variants}")
  paper, quick = "paper" in options, "quick" in options
  config = ConfigDict()
  config.task = "gating"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of what is drawn at random: rendered sequences, weights, batches, folds
  config.threads = 2  # that decode and cut crops ahead of the network
  config.distributed = common.distributed()
  config.network = common.vgg19_network() if arg == "vgg19" else common.small_network()
  config.backbone = ConfigDict()
  # A VGG-19 file (any official format), a finished workdir, "embedded", "download"; "": random, then phase 1.
  config.backbone.weights = "" if arg else "embedded"
  config.data = common.data()
  config.finetune = common.vgg19_finetune() if arg == "vgg19" else common.finetune()
  if paper:
    config.finetune = common.paper_finetune()
  config.gates = common.gates()
  config.policy = common.policy()
  config.eval = common.evaluation()
  if arg in ("", "scratch"):
    config.data.rendered = (40, 12, 16)
    config.data.hardest = 0.6
    config.gates.keys_per_sequence = 2
    config.eval.keys_per_sequence = 2
    config.eval.tracking = "xcorr1,xcorr5,hard"
  if arg == "scratch":
    config.data.rendered = (96, 12, 16)
    config.finetune.steps = 150
  if arg in ("small", "vgg19"):
    config.data.rendered = (0, 80, 0)  # gates learn from the 80, cut from photos
    config.data.hardest = 0.8
    config.gates.keys_per_sequence = 2
  if arg == "small":
    train_the_small_network(config)
  if arg == "vgg19":
    config.gates.cost_share = 0.64  # at 0.46 real video costs a third of xcorr4, and loses 0.066: experiments/tracking
    config.eval.keys_per_sequence = 4
    config.eval.tracking = "xcorr1,hard"  # xcorr5 and soft take a second a frame or so: see configs/evaluate.py
  if paper:
    gate_as_in_the_paper(config)
  if quick:
    config.gates.keys_per_sequence = 1
    config.eval.update({"keys_per_sequence": 1, "frames_per_key": 5, "timing_rounds": 5, "tracking": ""})
  return config.lock()


def train_the_small_network(config: ConfigDict) -> None:
  """Phase 1 as the package's network had it: see experiments/small."""
  config.data.rendered = (2200, 300, 16)
  config.finetune.update({"steps": 18_000, "groups": 32, "learning_rate": 1e-3, "warmup_steps": 200, "clip_norm": 5.0})
  config.finetune.update({"rollouts": 350, "log_every": 100, "checkpoint_every": 500})
  config.gates.keys_per_sequence = 3
  config.gates.cost_share = 0.4  # real video is cheaper, and a target that is lost is lost for good


def gate_as_in_the_paper(config: ConfigDict) -> None:
  """The paper's template and reader, linear gates trained by Eq. 5 as printed with Eq. 2's loss."""
  config.network = common.paper_network()
  config.data.rendered = (0, 0, 0)
  config.gates.keys_per_sequence = 5
  config.gates.loss = "cross_entropy"
  config.gates.price_weights = (0.0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
