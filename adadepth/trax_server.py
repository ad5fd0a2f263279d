"""Our tracker for the VOT toolkit, by the TraX protocol: the command of trackers.ini, which `adadepth vot` writes.

python -m adadepth.trax_server --model=embedded --policy=hard
"""

import argparse
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from adadepth.errors import InputError
from adadepth.io.allocator import keep_freed_memory
from adadepth.io.compilation import enable_compilation_cache
from adadepth.io.images import decode_image
from adadepth.models.model import load_model
from adadepth.models.model_files import EMBEDDED
from adadepth.models.weights import load_vgg19
from adadepth.tracking.tracker import Tracker


def main(argv: list[str]) -> None:
  """Serves one client: every initialisation takes a template anew, in one process."""
  options = parsed(argv)
  try:
    trax = imported_trax()
    enable_compilation_cache()
    keep_freed_memory()
    tracker = tracker_of(options)
  except InputError as error:
    sys.exit(f"error: {error}")
  # Not with the toolkit's module `vot`, for which a process ends at its next initialisation.
  with trax.Server([trax.Region.RECTANGLE], [trax.Image.PATH], tracker_name="adadepth") as server:
    try:
      serve(server, trax, tracker)
    except InputError as error:
      sys.exit(f"error: {error}")


def serve(server, trax, tracker) -> None:
  """Answers until the client quits.

  Raises:
    InputError: a request without an image or a target, or with one that cannot be tracked.
  """
  target = None
  while (request := server.wait()).type in (trax.TraxStatus.INITIALIZE, trax.TraxStatus.FRAME):
    begins = request.type == trax.TraxStatus.INITIALIZE
    if trax.ImageChannel.COLOR not in request.image or not (request.objects if begins else target is not None):
      raise InputError("TraX: the client asked for a frame without an image, or before it gave a target")
    path = pathlib.Path(request.image[trax.ImageChannel.COLOR].path())
    frame = decode_image(path, name=str(path))
    if begins:
      with np.errstate(over="ignore"):
        box, score = np.float32(request.objects[0][0].bounds()), 1.0
      target = tracker.init(frame, box)
    else:
      target, track = tracker.update(target, frame)
      box, score = track.box_xywh, float(track.score)
    region = trax.Rectangle.create(*(float(value) for value in box))
    server.status([(region, {"confidence": f"{score:.4f}"})])


def parsed(argv: list[str]) -> argparse.Namespace:
  """The command line."""
  parser = argparse.ArgumentParser(prog="python -m adadepth.trax_server", description=__doc__.splitlines()[0])
  parser.add_argument("--model", default=EMBEDDED, help='a model file, a finished workdir, "embedded" or "vgg19"')
  parser.add_argument("--weights", default="", help="a VGG-19 file, for gates that come without a backbone")
  parser.add_argument("--policy", default="hard", help='"xcorr1".."xcorr5", "soft" or "hard"')
  parser.add_argument("--budget", type=float, default=0.0, help="mean cost of a frame, relative to xcorr1; 0: T stays")
  return parser.parse_args(argv)


def tracker_of(options: argparse.Namespace) -> Tracker:
  """The tracker that the command line names."""
  model = load_model(options.model, argument="--model")
  if options.weights:
    backbone = jax.tree.map(jnp.asarray, load_vgg19(options.weights, channels=model.arch.channels))
    model = model._replace(params={**model.params, "backbone": backbone})
  return Tracker(model, options.policy, options.budget or None)


def imported_trax():
  """TraX's Python module.

  Raises:
    InputError: it is not installed.
  """
  try:
    import trax
    import trax.server
  except ImportError:
    raise InputError("TraX is not installed; run `pip install vot-trax`") from None
  return trax


if __name__ == "__main__":
  main(sys.argv[1:])
