"""The parts that several configs share. Every field is commented where it is first set."""

import math

from ml_collections import ConfigDict


def small_network() -> ConfigDict:
  """The package's network: strided early, trained for its job; its box follows the target."""
  network = ConfigDict()
  network.plan = "small"  # of the blocks: "vgg19" or "small" (adadepth/models/architecture.py)
  network.width = 1.0  # multiplier of the plan's channels
  network.template_px = 64  # side of the key crop
  network.search_px = 160  # side of the search crop
  network.pools = 3  # halvings; the responses' stride is 2**pools
  network.scaling = "none"  # of a response map: "min_max" (reference) or "none"
  network.logit_scale = 10.0  # initial scale from response to logits (Eq. 1); phase 1 learns it per depth
  network.template = "crop"  # "crop", the key crop's map (paper), or "ridge", a correlation filter learnt on it
  # Of the box: "paper", the highest cell and the key's size, or "box" (models/box_head.py).
  network.reader = "box"
  return network


def vgg19_network() -> ConfigDict:
  """The paper's network, with our template and reader."""
  network = small_network()
  network.update({"plan": "vgg19", "template_px": 128, "search_px": 256, "pools": 4, "scaling": "min_max"})
  network.update({"template": "ridge", "reader": "box"})  # see experiments/adaptation
  return network


def paper_network() -> ConfigDict:
  """The paper's network, with the paper's template and reader."""
  network = vgg19_network()
  network.update({"template": "crop", "reader": "paper"})
  return network


def distributed() -> ConfigDict:
  """Several processes that run one job (docs/scale.md)."""
  distributed = ConfigDict()
  # "host:port" of process 0; "auto": what SLURM, Kubernetes, MPI or a TPU pod say; "": there is one process.
  distributed.coordinator = ""
  distributed.processes = 1  # how many there are, where the cluster is not asked
  distributed.process = 0  # which this is, from 0; likewise
  distributed.heartbeat_s = 30  # a process that has not been heard of for so long is dead, and the others end
  return distributed


def data() -> ConfigDict:
  """Where sequences come from."""
  data = ConfigDict()
  # Folder with vot/, otb/, lasot/ or others (adadepth/data/layouts), or several: "a,b"; "": rendered sequences.
  data.root = ""
  # JSON file naming train, dev and test over all roots; "": each root's split.json, else see adadepth/data/split.py.
  data.split = ""
  data.on_error = "stop"  # at bad data: "stop", or "skip" and count
  data.hardest = 1.0  # of rendered sequences, in [0, 1]: texture, clutter, look-alikes, occlusion, noise and so on
  data.photos = ""  # folder of photos that rendered sequences are cut from, masks/ beside them if any; "": painted
  # Rendered sequences in train, dev, test; with a root train's are added, and with photos views of these too, and gates
  # learn from dev's.
  data.rendered = (96, 12, 16)
  return data


def finetune() -> ConfigDict:
  """Phase 1."""
  finetune = ConfigDict()
  finetune.objective = "all"  # Eq. 3: "deepest" or "all"
  finetune.map_loss = "label"  # Eq. 2: "label" (the reference's reading) or "printed" (the poster's)
  finetune.steps = 0  # of phase 1; 0: it is skipped
  finetune.groups = 16  # keys a step, each with one search frame
  finetune.learning_rate = 2e-3  # Adam's peak, after warm-up and before the cosine
  finetune.warmup_steps = 20  # in which the learning rate rises from 0
  finetune.clip_norm = 1.0  # the gradient's norm is cut to it
  finetune.rollouts = 0  # steps after that, in which box heads learn on their own tracks (training/rollouts.py)
  finetune.log_every = 10  # steps from one line of metrics.jsonl to the next
  finetune.checkpoint_every = 250  # steps from one checkpoint to the next
  finetune.dtype = "float32"  # the backbone computes in it: "float32", or "bfloat16" on an accelerator
  return finetune


def vgg19_finetune() -> ConfigDict:
  """Phase 1 on a trained VGG-19: groups as large as two cores' memory likes, and small steps."""
  settings = finetune()
  settings.update({"groups": 6, "learning_rate": 1e-5, "warmup_steps": 4, "log_every": 1, "checkpoint_every": 10})
  return settings


def paper_finetune() -> ConfigDict:
  """The same without box heads, as the paper draws pairs."""
  settings = vgg19_finetune()
  del settings.rollouts  # are of box heads
  settings.update({"groups": 1})
  settings.frames = 6  # search frames a key
  settings.jitter_px = 8.0  # search crops are shifted by up to this many crop pixels on each axis
  settings.key_every = 10  # keys are drawn from every n-th frame
  return settings


def gates() -> ConfigDict:
  """Phase 2."""
  gates = ConfigDict()
  gates.loss = "iou"  # L_i of Eq. 5: "iou", 1 - IoU, or "cross_entropy", Eq. 2's
  gates.p = 2.0  # the price of depth i is p^(i-1)
  gates.price_weights = (0.005, 0.01)  # lambda; of several, one is chosen by cross-fitting
  gates.learning_rate = 1e-2  # Adam's
  gates.steps = 1000  # of each set of gates
  gates.batch = 512  # pairs a step
  gates.keys_per_sequence = 0  # keys that train the gates, evenly spread over a sequence; 0: every tenth frame
  gates.folds = 7  # train and dev videos are dealt into so many; each is judged by gates that have not seen it
  gates.cost_share = 0.25  # of xcorr5's mean cost: lambda and T are the most accurate within it, on the gates' pairs
  return gates


def policy() -> ConfigDict:
  """What hard gating may cost."""
  policy = ConfigDict()
  # The mean cost of a frame that hard gating holds by moving T; 0: T stays where cross-fitting chose it.
  policy.budget = 0.0
  policy.budget_unit = "relative"  # of the budget: "relative" to xcorr1, or "ms" a tracked frame on this machine
  # T of hard gating: what is swept and chosen from, even in its logit.
  policy.thresholds = tuple(round(1 / (1 + math.exp(-i / 4)), 5) for i in range(-24, 25))
  return policy


def evaluation() -> ConfigDict:
  """What is reported."""
  evaluation = ConfigDict()
  evaluation.keys_per_sequence = 0  # keys of pair evaluation, evenly spread over a sequence; 0: every tenth frame
  evaluation.frames_per_key = 0  # search frames of a pair evaluation's key; 0: all 25
  evaluation.frames_per_sequence = 0  # tracking stops after so many; 0: all
  evaluation.timing_rounds = 25  # steps of each policy, timed for Figure 6 and budgets in ms; 0: no times
  evaluation.tracking = "xcorr1,xcorr5,soft,hard"  # policies to track with, comma-separated; "": none
  return evaluation
