"""The same tracking step here and in PyTorch, in turns."""

from collections.abc import Mapping

import numpy as np

from adadepth.benchmark.many_targets import batch_clock
from adadepth.benchmark.peer import Peer, PeerError, in_blocks, threads
from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.step_times import step_clock
from adadepth.evaluation.timing import LEAST_ROUNDS, Clock, alternate
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

LAYOUTS = {"cpu": ("contiguous_format", "channels_last")}
# "default" and "reduce-overhead" are modes of torch.compile.
MODES = {"cpu": ("eager", "default"), "gpu": ("default", "reduce-overhead")}


def comparisons(subject: Subject) -> list[tuple[str, int]]:
  """(policy, targets): every depth of one target on a CPU; xcorr5 of one and of the largest batch on a GPU."""
  if subject.backend == "cpu":
    return [(name, 1) for name in FIXED]
  return [("xcorr5", n) for n in dict.fromkeys((1, max(subject.settings.targets)))]


def send_network(peer: Peer, subject: Subject) -> str:
  """Gives the peer the weights, the frames and the boxes; its version."""
  arch = subject.model.arch
  return peer.ask(
    "prepare",
    backbone=subject.backbone,
    network={name: getattr(arch, name) for name in ("pools", "template_px", "search_px", "scaling")},
    frames=subject.frames[:2],
    boxes_xywh=np.concatenate([subject.box_xywh[None], subject.boxes_xywh[1:]]),
    threads=threads(),
    device="cpu" if subject.backend == "cpu" else "cuda",
  )


def peer_clocks(peer: Peer, subject: Subject) -> tuple[dict[str, Clock], list[str]]:
  """A clock for every comparison, layout and mode that works at the other end; and what does not, with its reason."""
  clocks, failed, broken = {}, [], set()
  for policy, n in comparisons(subject):
    for mode in MODES.get(subject.backend, MODES["gpu"]):
      for layout in LAYOUTS.get(subject.backend, ("channels_last",)):
        name = f"{policy}_{n}_{layout}_{mode}"
        if (mode, layout) in broken:
          continue
        try:
          peer.ask("add", name=name, depth=FIXED.index(policy), layout=layout, mode=mode, targets=n)
          peer.ask("run", name=name)
          clocks[name] = lambda name=name: peer.ask("run", name=name)
        except PeerError as error:
          broken.add((mode, layout))
          failed.append(f"{mode}, {layout}: {error}")
  return clocks, failed


def our_clocks(subject: Subject) -> dict[str, Clock]:
  """The same steps here."""
  clocks = {}
  for policy, n in comparisons(subject):
    tracker = Tracker(subject.model, policy)
    if n == 1:
      clocks[f"{policy}_{n}"] = step_clock(tracker, subject.frames, subject.box_xywh)
    else:
      clocks[f"{policy}_{n}"] = batch_clock(tracker, subject, n)
  return clocks


def largest_difference(peer: Peer, subject: Subject, names: Mapping[str, str]) -> float:
  """The largest distance between a coordinate of our box and of the peer's, one target, image pixels."""
  found = []
  for policy in FIXED:
    if f"{policy}_1" in names:
      tracker = Tracker(subject.model, policy)
      _, track = tracker.update(tracker.init(subject.frames[0], subject.box_xywh), subject.frames[1])
      found.append(np.abs(peer.ask("boxes_of", name=names[f"{policy}_1"])[0] - track.box_xywh).max())
  return float(max(found))


def measure_pytorch(subject: Subject) -> list[dict]:
  """Time of PyTorch over ours, PyTorch in the layout and mode that a few rounds of it alone show to be its fastest.

  Raises:
    PeerError: there is no PyTorch that works.
  """
  with Peer(subject.settings.peers_python, "torch_side") as peer:
    version = send_network(peer, subject)
    theirs, failed = peer_clocks(peer, subject)
    if not theirs:
      raise PeerError(failed[0])
    ours = our_clocks(subject)
    seconds = alternate(in_blocks(theirs), rounds=LEAST_ROUNDS, limit_s=0, title="PyTorch")
    fastest = {name: _fastest(name, seconds) for name in ours}
    turns = {**ours, **{name: theirs[name] for name in fastest.values()}}
    seconds |= alternate(in_blocks(turns), **subject.limits(), title="PyTorch and ours")
    difference = largest_difference(peer, subject, fastest)
  ratios = {name: seconds[fastest[name]] / seconds[name] for name in ours}
  rows = _table_rows(subject, ratios)
  rows += [
    row(f"torch_over_ours_{n}", f"PyTorch's time / ours, {_title(n)}; PyTorch: {_kind(fastest[n], n)}", r, "ratio")
    for n, r in ratios.items()
  ]
  rows += [row(f"torch_{name}", f"PyTorch {version}, {_title(name)}", seconds[name] * 1e3, "ms") for name in theirs]
  rows += [
    row(f"beside_torch_{name}", f"ours in the same turns, {_title(name)}", seconds[name] * 1e3, "ms") for name in ours
  ]
  rows.append(row("torch_box_difference", "largest difference of a box's coordinate", np.array([difference]), "px"))
  return rows + [
    {"id": "torch_failed", "what": text, "value": None, "low": None, "high": None, "unit": ""} for text in failed
  ]


def _fastest(name: str, seconds: dict[str, np.ndarray]) -> str:
  return min((n for n in seconds if n.startswith(f"{name}_")), key=lambda n: np.median(seconds[n]))


def _title(name: str) -> str:
  policy, targets, *kind = name.split("_", 2)
  return ", ".join([policy, "one target" if targets == "1" else f"{targets} targets", *kind]).replace("_", " ")


def _kind(peer_name: str, name: str) -> str:
  return peer_name.removeprefix(f"{name}_").replace("_", " ")


def _table_rows(subject: Subject, ratios: dict[str, np.ndarray]) -> list[dict]:
  what = "PyTorch's time / ours, frame to box"
  worst = min(ratios, key=lambda name: np.median(ratios[name]))
  if subject.backend != "cpu":
    return [row("gpu_torch_over_ours_min", f"{what}, xcorr5, the least of {', '.join(ratios)}", ratios[worst], "ratio")]
  others = {name: r for name, r in ratios.items() if name != "xcorr5_1"}
  worst = min(others, key=lambda name: np.median(others[name]))
  return [
    row("cpu_torch_over_ours_xcorr5", f"{what}, xcorr5, one target, float32", ratios["xcorr5_1"], "ratio"),
    row(
      "cpu_torch_over_ours_other_min", f"{what}, the least of the other depths ({worst[:6]})", others[worst], "ratio"
    ),
  ]
