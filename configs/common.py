"""The parts that several configs share. Every field is commented where it is first set."""

import math

from ml_collections import ConfigDict


def slim_network() -> ConfigDict:
  """A quarter of VGG-19's width at half its crop size: about a fiftieth of the FLOPs."""
  network = ConfigDict()
  network.width = 0.25  # multiplier of VGG-19's channels
  network.template_px = 64  # side of the key crop
  network.search_px = 128  # side of the search crop
  network.pools = 3  # 2x2 pools; the responses' stride is 2**pools
  network.scaling = "none"  # of a response map: "min_max" (reference) or "none"
  network.logit_scale = 10.0  # initial scale from response to logits (Eq. 1); phase 1 learns it per depth
  network.background = 1.0  # weight of the template's cells outside of the target's box, in [0, 1]; 1 is the paper's
  network.adapt_steps = 0  # of training a template on its key frame (maths/adaptation.py); 0: none (paper)
  network.adapt_penalty = 0.1  # of leaving the template as it was cut
  # Standard deviation of a response's peak, which a closer look (maths/closer.py) then refines; 0: none (paper).
  network.finer_px = 3.0  # crop pixels
  network.growth = True  # whether gated policies read by a closer look how much the target has grown (paper: no)
  return network


def vgg19_network() -> ConfigDict:
  """The paper's network."""
  network = slim_network()
  network.update({"width": 1.0, "template_px": 128, "search_px": 256, "pools": 4, "scaling": "min_max"})
  network.update({"finer_px": 0.0, "growth": False})
  return network


def go_beyond_the_paper(network: ConfigDict) -> None:
  """Templates of the target's box alone, which learn on their key frame, and a closer look at where they peak."""
  # Chosen on the train and dev sequences: see experiments/adaptation.
  network.update({"background": 0.0, "adapt_steps": 8, "finer_px": 4.0, "growth": True})


def data() -> ConfigDict:
  """Where sequences come from."""
  data = ConfigDict()
  # Folder with vot/, otb/, tlp/, uav123/, uavdt/ (adadepth/data/layouts), or several: "a,b"; "": rendered sequences.
  data.root = ""
  # JSON file naming train, dev and test over all roots; "": each root's split.json, else see adadepth/data/split.py.
  data.split = ""
  data.on_error = "stop"  # at bad data: "stop", or "skip" and count
  data.hardest = 1.0  # of rendered sequences, in [0, 1]: texture, clutter, look-alikes, occlusion, noise and so on
  data.rendered = (96, 12, 16)  # rendered sequences in train, dev, test; with a root only train's count
  return data


def finetune() -> ConfigDict:
  """Phase 1."""
  finetune = ConfigDict()
  finetune.objective = "all"  # Eq. 3: "deepest" or "all"
  finetune.map_loss = "label"  # Eq. 2: "label" (the reference's reading) or "printed" (the poster's)
  finetune.steps = 0  # 0: phase 1 is skipped
  finetune.groups = 16  # keys a step
  finetune.frames = 1  # search frames a key
  finetune.jitter_px = 8.0  # search crops are shifted by up to this many crop pixels on each axis
  finetune.key_every = 1  # keys are drawn from every n-th frame
  finetune.learning_rate = 2e-3  # Adam's peak, after warm-up and before the cosine
  finetune.warmup_steps = 20  # in which the learning rate rises from 0
  finetune.clip_norm = 1.0  # of the gradient
  finetune.log_every = 10  # steps
  finetune.checkpoint_every = 250  # steps
  return finetune


def vgg19_finetune() -> ConfigDict:
  """Phase 1 on a trained VGG-19: groups as large as two cores' memory likes, and small steps."""
  settings = finetune()
  settings.update({"groups": 1, "frames": 6, "key_every": 10, "learning_rate": 1e-5, "warmup_steps": 4})
  settings.update({"log_every": 1, "checkpoint_every": 10})
  return settings


def gates() -> ConfigDict:
  """Phase 2. Everything that is a tuple is chosen from by cross-fitting on train and dev."""
  gates = ConfigDict()
  gates.losses = ("iou",)  # L_i of Eq. 5: "iou", 1 - IoU, or "cross_entropy", Eq. 2's
  gates.prices = ("flops",)  # of depth i: "geometric", p^(i-1), or "flops", its cost over xcorr1's
  gates.p = 2.0  # of the geometric price
  gates.price_weights = (0.001, 0.002, 0.004, 0.006, 0.008, 0.011, 0.015, 0.03)  # lambda
  gates.learning_rate = 1e-2  # Adam
  gates.weight_decay = 2e-4  # L2 on the weights of standardised features
  gates.steps = 1000  # of each set of gates
  gates.batch = 512  # pairs
  gates.keys_per_sequence = 0  # keys that train the gates, evenly spread over a sequence; 0: every tenth frame
  gates.folds = 7  # train and dev videos are dealt into so many; each is judged by gates that have not seen it
  return gates


def policy() -> ConfigDict:
  """Which policy, and how responses become a box."""
  policy = ConfigDict()
  policy.peak = "subcell"  # "cell": the highest cell; "subcell": refined by a parabola
  policy.window = 0.0  # share of a cosine window in the map whose peak is taken; 0: none (reference)
  # What gated policies read: "exit", the map where hard gating stops and soft gating's average (paper), or "posterior",
  # the probability of each place by all that was computed on the way, weighed as phase 2 learns.
  policy.combine = "posterior"
  policy.gate_features = "readout"  # what gates see: "paper", or "readout", the map with its window (maths/features.py)
  # Standard deviation of a tracker's last box from its target, in search crops, which its posterior reckons with.
  policy.drift = 0.125
  # T of hard gating: the sweep, even in its logit.
  policy.thresholds = tuple(round(1 / (1 + math.exp(-i / 4)), 5) for i in range(-24, 25))
  # Chosen by cross-fitting: the most accurate gates that cost at most this share of the best fixed depth, by the mean
  # cost plus its standard error over sequences.
  policy.max_cost = 0.5
  # Instead: the mean cost of a frame that hard gating holds by moving T; 0: T stays where it was chosen.
  policy.budget = 0.0
  policy.budget_unit = "relative"  # of the budget: "relative" to xcorr1, or "ms" a tracked frame on this machine
  policy.budgets = (0.25, 0.33, 0.5, 0.6)  # reported besides: shares of the best fixed depth's cost
  return policy


def evaluation() -> ConfigDict:
  """What is reported."""
  evaluation = ConfigDict()
  evaluation.keys_per_sequence = 0  # evenly spread; 0: every tenth frame
  evaluation.frames_per_key = 0  # search frames of a pair evaluation's key; 0: all 25
  evaluation.frames_per_sequence = 0  # tracking stops after so many; 0: all
  evaluation.timing_rounds = 25  # steps of each policy, timed for Figure 6 and budgets in ms; 0: no times
  evaluation.tracking = "xcorr1,xcorr5,soft,hard"  # policies to track with, comma-separated; "": none
  return evaluation
