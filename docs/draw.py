"""Draws the pictures of docs/concepts.md from rendered sequences, with the network of the package.

python -m docs.draw            all of them, to docs/pictures
python -m docs.draw FOLDER     to another folder
"""

import functools
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from adadepth.data.pairs import cut_group, cut_key_search
from adadepth.data.render import Difficulty, render_sequence
from adadepth.data.sequence import Sequence
from adadepth.io.compilation import enable_compilation_cache
from adadepth.maths.cascade import exit_confidences, exit_depth
from adadepth.models.architecture import DEPTH_NAMES, DEPTHS
from adadepth.models.model import Model, load_model
from adadepth.models.model_files import EMBEDDED
from adadepth.models.network import make_template
from adadepth.reports.plots import BLUE, GREEN, VERMILION, save
from adadepth.tracking.belief import BELIEVED
from adadepth.tracking.policies import gated_confidences, look_through
from adadepth.tracking.reader import Search
from adadepth.tracking.tracker import Tracker

FOLDER = pathlib.Path(__file__).parent / "pictures"
# Targets that exit at several depths: seed and difficulty.
EXITS = ((5, 0.0), (4, 0.1), (2, 0.95))


def rendered(seed: int, difficulty: Difficulty, *, frames: int) -> Sequence:
  return render_sequence(seed=seed, name=f"rendered {seed}", frames=frames, difficulty=difficulty)


def draw_responses(path: pathlib.Path, model: Model) -> None:
  """A target and where it is searched, the response of each depth, and what of the confidence the depth takes."""
  figure = Figure(figsize=(10, 5.8), layout="constrained")
  for axes, (seed, level) in zip(figure.subplots(len(EXITS), DEPTHS + 2), EXITS, strict=True):
    sequence = rendered(seed, Difficulty.graded(level), frames=14)
    pair = cut_group(sequence, 0, [12], model.arch)
    responses, confidences = responses_of(model, sequence, pair)
    exit_at = int(exit_depth(jnp.asarray(confidences), model.threshold))
    show(axes[0], pair.template, "template")
    show(axes[1], pair.search[0], "search")
    axes[1].add_patch(Rectangle(pair.truth_in_search[0, :2], *pair.truth_in_search[0, 2:], fill=False, color="lime"))
    for k, (ax, response) in enumerate(zip(axes[2:], responses, strict=True)):
      show(ax, response, f"{DEPTH_NAMES[k]}\nc = {confidences[k]:.2f}")
      if k == exit_at:
        ax.set_xlabel("exit", color=VERMILION, fontweight="bold")
        for spine in ax.spines.values():
          spine.set(visible=True, color=VERMILION, linewidth=3)
      elif k > exit_at:
        ax.set_xlabel("not computed", color="0.5")
  save(figure, path)


def responses_of(model: Model, sequence: Sequence, pair) -> tuple[np.ndarray, np.ndarray]:
  """The responses of all depths, [5, r, r], and c of Eq. 4, [5]."""
  params, arch = model.params, model.arch
  template = make_template(params, pair.template, cut_key_search(sequence, 0, arch), pair.size_in_crop, arch=arch)
  template = jax.tree.map(lambda leaf: leaf[None], template)
  found = look_through(params, template, Search(pair.search, pair.last_size), depths=DEPTHS, arch=arch)
  responses = jnp.stack([at.response for at in found], axis=1)
  scores = jnp.stack([at.reading.score for at in found], axis=1)
  confidences = gated_confidences(params, responses, scores, arch=arch)
  return np.asarray(responses[0]), np.asarray(confidences[0])


def show(axes: Axes, picture: np.ndarray, title: str) -> None:
  axes.imshow(picture, cmap="viridis")
  axes.set_title(title, fontsize=10)
  axes.set(xticks=[], yticks=[])


def draw_confidences(path: pathlib.Path) -> None:
  """Eq. 4 as a stick that is broken piece by piece, for made-up gates."""
  stop, threshold = np.array([0.15, 0.3, 0.7, 0.5]), 0.4
  confidences = np.asarray(exit_confidences(jnp.log(stop) - jnp.log1p(-stop)))
  figure = Figure(figsize=(8, 3), layout="constrained")
  axes = figure.subplots()
  left = np.concatenate([[0], np.cumsum(confidences)[:-1]])
  for k, (start, c) in enumerate(zip(left, confidences, strict=True)):
    share = f"{stop[k]:.2f} of what is left" if k < len(stop) else "the rest"
    axes.barh(k, 1 - start, left=start, color="0.9")
    axes.barh(k, c, left=start, color=BLUE if c <= threshold else VERMILION)
    axes.text(1.02, k, f"c = {c:.2f}: {share}" + (" > T: exit" if k == 2 else ""), va="center")
  axes.set(yticks=range(DEPTHS), yticklabels=DEPTH_NAMES, xlim=(0, 1.55), xticks=(0, 0.5, 1))
  axes.set(xlabel=f"one unit of confidence, split from shallow to deep; T = {threshold}")
  axes.invert_yaxis()
  axes.spines[["top", "right"]].set_visible(False)
  save(figure, path)


def draw_box(path: pathlib.Path, tracker: Tracker) -> None:
  """Frames of a target that changes its size: the truth, the box head's box, and the first box's size in its place."""
  sequence = rendered(11, Difficulty(scale=1.0, rotation=0.2, motion=0.2), frames=40)
  track = tracker.track(sequence.frames, sequence.boxes_xywh[0])
  figure = Figure(figsize=(10, 2.9), layout="constrained")
  for ax, t in zip(figure.subplots(1, 3), (0, 9, 18), strict=True):
    show(ax, sequence.frames[t], f"frame {t}")
    box, first_wh = track.box_xywh[t], track.box_xywh[0, 2:]
    corner = box[:2] + box[2:] / 2 - first_wh / 2
    for xy, wh, line in (
      (sequence.boxes_xywh[t, :2], sequence.boxes_xywh[t, 2:], {"color": "lime", "label": "truth"}),
      (box[:2], box[2:], {"color": "red", "label": "box head"}),
      (corner, first_wh, {"color": "gold", "linestyle": ":", "label": "the first size"}),
    ):
      ax.add_patch(Rectangle(xy, *wh, fill=False, linewidth=1.6, **line))
  figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
  save(figure, path)


def draw_lost(path: pathlib.Path, tracker: Tracker) -> None:
  """The score of a target while the camera is covered for 20 frames, and where it is lost."""
  sequence = rendered(6, Difficulty.graded(0.1), frames=50)
  covered = np.random.default_rng(0).integers(0, 40, (20, *sequence.frames[0].shape)).astype(np.uint8)
  frames = np.concatenate([sequence.frames[:25], covered, sequence.frames[25:]])
  track = tracker.track(frames, sequence.boxes_xywh[0])
  lost = np.flatnonzero(track.lost)
  figure = Figure(figsize=(9, 2.6), layout="constrained")
  axes = figure.subplots()
  axes.axvspan(25, 45, color="0.9", label="covered")
  axes.axvspan(lost[0], lost[-1] + 1, color="0.75", label="lost")
  axes.axhline(BELIEVED, color=VERMILION, linestyle=":", label="believed above")
  axes.plot(np.arange(1, len(frames)), track.score[1:], color=BLUE, marker=".")
  axes.set(xlabel="frame", ylabel="score", ylim=(-0.05, 1.05))
  figure.legend(loc="outside upper center", ncols=3, frameon=False)
  save(figure, path)


def draw_budgets(path: pathlib.Path, model: Model) -> None:
  """The mean cost so far and T over one film, for two budgets."""
  sequence = rendered(3, Difficulty.graded(0.5), frames=120)
  costs = np.asarray(model.calibration.relative_costs)
  figure = Figure(figsize=(9, 4), layout="constrained")
  cost_axes, t_axes = figure.subplots(2, 1, sharex=True)
  for budget, color in ((2.0, BLUE), (4.0, GREEN)):
    tracker = Tracker(model, budget=budget)
    target, thresholds, spent = tracker.init(sequence.frames[0], sequence.boxes_xywh[0]), [], []
    for frame in sequence.frames[1:]:
      thresholds.append(float(target.state.threshold[0]))
      target, track = tracker.update(target, frame)
      spent.append(costs[track.depth])
    cost_axes.plot(np.cumsum(spent) / np.arange(1, len(spent) + 1), color=color, label=f"budget {budget:g}")
    cost_axes.axhline(budget, color=color, linestyle=":")
    t_axes.plot(thresholds, color=color)
  cost_axes.set(ylabel="mean cost so far", ylim=(0, None))
  cost_axes.legend(frameon=False)
  t_axes.set(ylabel="T", xlabel="frame", yscale="log")
  save(figure, path)


def main(folder: str = str(FOLDER)) -> None:
  enable_compilation_cache()
  to, model = pathlib.Path(folder), load_model(EMBEDDED)
  to.mkdir(parents=True, exist_ok=True)
  tracker = Tracker(model)
  pictures = {
    "responses.png": functools.partial(draw_responses, model=model),
    "confidences.png": draw_confidences,
    "box.png": functools.partial(draw_box, tracker=tracker),
    "lost.png": functools.partial(draw_lost, tracker=tracker),
    "budgets.png": functools.partial(draw_budgets, model=model),
  }
  for name, draw in pictures.items():
    draw(to / name)
    with Image.open(to / name) as picture:
      picture.quantize(256).save(to / name, optimize=True)  # a third of the bytes
    print(f"drew {to / name}", flush=True)


if __name__ == "__main__":
  main(*sys.argv[1:])
