"""How fast it is: every policy, one target and many, whole sequences; PyTorch, OpenCV and the code before beside them.

python run.py --config=configs/benchmark.py          the paper's network (random weights: the clock does not mind)
python run.py --config=configs/benchmark.py:slim     at a quarter of its width and half its crop size
python run.py --config=configs/benchmark.py:quick    that, for a minute: does it run here?
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "" (VGG-19), "slim" or "quick"."""
  if arg not in ("", "slim", "quick"):
    raise InputError(f'`--config=configs/benchmark.py:{arg}`: the variants are "slim" and "quick"')
  config = ConfigDict()
  config.task = "benchmark"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of the random weights and the rendered film
  config.network = common.paper_network()  # which the peers have too
  if arg:
    config.network.update({"width": 0.25, "template_px": 64, "search_px": 128, "pools": 3, "scaling": "none"})
  config.large = common.vgg19_network()  # of the part ships, beside the package's network
  config.backbone = ConfigDict()
  # A VGG-19 file (any official format), a finished workdir, "embedded", "download"; "": random.
  config.backbone.weights = ""
  config.policy = common.policy()
  del config.policy.budget, config.policy.budget_unit  # are not measured
  config.gates = common.gates()  # of the part phase2
  config.finetune = ConfigDict({"map_loss": "label"})  # of the part phase2: Eq. 2 as in configs/common.py
  config.benchmark = ConfigDict()
  config.benchmark.parts = ""  # some of "steps,sequence,pytorch,batch,peak,start,phase2,ships"; "": all
  config.benchmark.rounds = 100 if arg else 20  # of one call each in turn, at most; medians are reported
  config.benchmark.seconds = 30.0  # after which no round of a comparison is begun; three are run in any case
  config.benchmark.frame_hw = (360, 640)  # of the rendered film
  config.benchmark.frames = 64  # of the film
  config.benchmark.targets = (8, 32)  # in a frame; the table's rows are of 32
  config.benchmark.pairs = 10_000  # whose responses phase 2 is timed on
  # An interpreter that has torch or OpenCV (experiments/speed/requirements.txt); "": this one. Without them their rows
  # stay empty.
  config.benchmark.peers_python = ""
  config.benchmark.before = ""  # a worktree of commit 9df193a, whose times ours are compared with; "": no such rows
  if arg == "quick":
    config.benchmark.rounds = 5
    config.benchmark.seconds = 3.0
    config.benchmark.frame_hw = (180, 240)
    config.benchmark.frames = 16
    config.benchmark.targets = (2, 8)
    config.large = common.small_network()
    config.benchmark.pairs = 500
  return config.lock()
