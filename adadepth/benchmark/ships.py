"""What ships, as it ships: the package's network, and VGG-19 of random weights, with hard gating and box heads.

Time is held against FLOPs, the frame's size, the code as it was before, and OpenCV's CSRT.
"""

import pathlib
from collections.abc import Callable, Mapping

import jax
import numpy as np
from jaxtyping import Float, UInt8

from adadepth.benchmark.many_targets import MIXES, batch_seconds, share_rows
from adadepth.benchmark.peer import Peer, PeerError, in_blocks, threads
from adadepth.benchmark.rows import empty_rows, row
from adadepth.benchmark.start import ROOT, run_python
from adadepth.benchmark.subject import Subject
from adadepth.benchmark.whole_videos import memory_clock
from adadepth.data.render import Difficulty, render_sequence
from adadepth.evaluation.costs import frame_costs
from adadepth.evaluation.forced_exits import FORCED_THRESHOLD, forced, gates_that_exit
from adadepth.evaluation.step_times import exit_trackers, step_clock
from adadepth.evaluation.timing import alternate
from adadepth.models.model import Model, load_model
from adadepth.models.model_files import EMBEDDED
from adadepth.models.network import init_params, prepare_params
from adadepth.tracking.policies import FIXED
from adadepth.tracking.tracker import Tracker

COMPILE_EVENT = "/jax/core/compile/backend_compile_duration"
VIDEOS_HW = ((360, 640), (270, 480), (540, 960))
LARGE_PX, MIDDLE_PX = 600, 300
BEFORE = ("ships_before_over_now_360p", "ships_before_over_now_1080p")


def measure_ships(subject: Subject) -> list[dict]:
  """All of it; what asks for another process that is not there has empty rows."""
  package = load_model(EMBEDDED)
  package = package._replace(params=prepare_params(package.params, package.arch))
  arch = subject.settings.large
  large = Model(prepare_params(init_params(jax.random.key(0), arch, logit_scale=1.0), arch), arch, FORCED_THRESHOLD)
  nearest = Tracker(forced(package, gates_that_exit(0)), "hard")
  n = max(subject.settings.targets)
  return [
    *measure_exits(subject, {"vgg19": large, "package": package}),
    *measure_frame_sizes(subject, nearest),
    *if_there(BEFORE, lambda: measure_before(subject, nearest)),
    *if_there(("ships_csrt_over_ours",), lambda: measure_csrt(subject, Tracker(package))),
    *share_rows(f"ships_batch{n}", n, batch_seconds(package, subject, n, (*FIXED, *MIXES))),
    *measure_compiles(),
  ]


def if_there(identities: tuple[str, ...], measure: Callable[[], list[dict]]) -> list[dict]:
  """What is measured, or these rows of the table, empty, with what the other process lacks."""
  try:
    return measure()
  except PeerError as error:
    return empty_rows(identities, str(error))


def saved_shares(
  seconds: Mapping[str, Float[np.ndarray, "r"]], gflops: Float[np.ndarray, "5"]
) -> Float[np.ndarray, "4 r"]:
  """(1 - t_k / t_5) / (1 - F_k / F_5) for exits 1 to 4: how much of the FLOPs that an exit saves it saves in time."""
  times = np.stack(list(seconds.values()))
  return (1 - times[:-1] / times[-1]) / (1 - gflops[:-1] / gflops[-1])[:, None]


def measure_exits(subject: Subject, models: Mapping[str, Model]) -> list[dict]:
  """Hard gating made to exit at each depth: milliseconds and GFLOPs of a frame, and the least that is saved.

  Each network has turns of its own: in a tracker's cache there is no other one between two frames.
  """
  film, least, details = (subject.frames, subject.box_xywh), [], []
  for model, it in models.items():
    clocks = {name: step_clock(tracker, *film) for name, tracker in exit_trackers(it).items()}
    seconds = alternate(in_blocks(clocks), **subject.limits(), title=f"exits ({model})")
    ours = {name: seconds[f"hard_{name}"] for name in FIXED}
    gflops = frame_costs(it.arch).cascade_gflops
    shares = saved_shares(ours, gflops)
    k = np.argmin(np.median(shares, axis=1))
    what = f"{model}: (1 - t_k / t_5) / (1 - F_k / F_5), the least, at k = {k + 1}"
    least.append(row(f"ships_time_over_flops_{model}", what, shares[k], "ratio"))
    for i, (name, times) in enumerate(ours.items()):
      title = f"{model}, hard gating that exits at {name}"
      details.append(row(f"ships_step_{model}_{name}", f"{title}: a step", times * 1e3, "ms"))
      details.append(row(f"ships_gflops_{model}_{name}", f"{title}: a frame", gflops[i : i + 1], "GFLOP"))
  lesser = {**min(least, key=lambda r: r["value"]), "id": "ships_time_over_flops"}
  return [lesser, *least, *details]


def tiled(frames: UInt8[np.ndarray, "t h w 3"], times: int) -> UInt8[np.ndarray, "2 y x 3"]:
  """The first two frames, so many times as high and as wide."""
  return np.tile(frames[:2], (1, times, times, 1))


def square_in_middle(frames: UInt8[np.ndarray, "t h w 3"], px: int) -> Float[np.ndarray, "4"]:
  """A box of px by px, xywh."""
  height, width = frames.shape[1:3]
  return np.array([(width - px) / 2, (height - px) / 2, px, px], np.float32)


def measure_frame_sizes(subject: Subject, tracker: Tracker) -> list[dict]:
  """A step in the film's frame, and in three and six times as large ones that are tiled with it."""
  films = {"360p": subject.frames[:2], "1080p": tiled(subject.frames, 3), "4k": tiled(subject.frames, 6)}
  clocks = {name: step_clock(tracker, film, subject.box_xywh) for name, film in films.items()}
  clocks["4k_large_target"] = step_clock(tracker, films["4k"], square_in_middle(films["4k"], LARGE_PX))
  seconds = alternate(clocks, **subject.limits(), title="frame sizes")
  what = "a step that exits at xcorr1"
  return [
    *(
      row(f"ships_{name}_over_360p", f"{what}, {name.replace('_', ' ')} / 360p", times / seconds["360p"], "ratio")
      for name, times in seconds.items()
      if name != "360p"
    ),
    *(row(f"ships_step_{name}", f"{what}, {name.replace('_', ' ')}", s * 1e3, "ms") for name, s in seconds.items()),
  ]


def measure_before(subject: Subject, tracker: Tracker) -> list[dict]:
  """A step of commit 9df193a, in turns with ours.

  Raises:
    PeerError: there is no worktree of it.
  """
  if not subject.settings.before:
    raise PeerError("config.benchmark.before names no worktree of 9df193a")
  large = tiled(subject.frames, 3)
  films = {"360p": (subject.frames[:2], subject.box_xywh), "1080p": (large, square_in_middle(large, MIDDLE_PX))}
  with Peer("", "before_side", path=str(pathlib.Path(subject.settings.before).resolve())) as peer:
    clocks = {f"now_{name}": step_clock(tracker, *film) for name, film in films.items()}
    for name, (frames, box) in films.items():
      peer.ask("add", name=name, frames=frames, box_xywh=box)
      clocks[f"before_{name}"] = lambda name=name: peer.ask("run", name=name)
    seconds = alternate(in_blocks(clocks), **subject.limits(), title="before and now")
  ratios = {name: seconds[f"before_{name}"] / seconds[f"now_{name}"] for name in films}
  what = "a step that exits at xcorr1"
  return [
    *(row(f"ships_before_over_now_{n}", f"{what}, {n}: time of 9df193a / ours", r, "ratio") for n, r in ratios.items()),
    *(row(f"ships_{name}", f"{what}: {name.replace('_', ', ')}", s * 1e3, "ms") for name, s in seconds.items()),
  ]


def measure_csrt(subject: Subject, tracker: Tracker) -> list[dict]:
  """A frame of OpenCV's CSRT and of ours, of passes over the whole film.

  Raises:
    PeerError: there is no OpenCV with that tracker.
  """
  with Peer(subject.settings.peers_python, "opencv_side") as peer:
    peer.ask("prepare", frames=subject.frames, box_xywh=subject.box_xywh, threads=threads())
    clocks = {
      "ours": memory_clock(tracker, subject.frames, subject.box_xywh),
      "csrt": lambda: peer.ask("run", name="csrt"),
    }
    seconds = alternate(in_blocks(clocks), **subject.limits(), title="CSRT and ours")
  return [
    row("ships_csrt_over_ours", "a frame of a pass: CSRT's time / ours", seconds["csrt"] / seconds["ours"], "ratio"),
    row("ships_beside_csrt", "a frame of ours in the same turns", seconds["ours"] * 1e3, "ms"),
  ]


def compiled_later() -> int:
  """Programs that XLA compiles (events of jax.monitoring) for a second and a third video of other sizes."""
  compiled, counts = [], []
  jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: compiled.append(event) if event == COMPILE_EVENT else None
  )
  tracker = Tracker()
  for seed, (height, width) in enumerate(VIDEOS_HW):
    film = render_sequence(
      seed=seed, name="video", frames=4, height=height, width=width, difficulty=Difficulty.graded(0.3)
    )
    tracker.track(film.frames, film.boxes_xywh[0] * (1, 1, 1, 1 + seed / 4))
    counts.append(len(compiled))
  assert counts[0], f"the first video compiled nothing: is the event still {COMPILE_EVENT}?"
  return counts[-1] - counts[0]


def measure_compiles() -> list[dict]:
  """In a process of its own, which has compiled nothing else."""
  code = f"from {__name__} import compiled_later; print(compiled_later())"
  found = int(run_python("-c", code, root=ROOT).split()[-1])
  what = "programs compiled while a second and a third video of other sizes are tracked"
  return [row("compiles_after_first_video", what, np.array([found]), "programs")]
