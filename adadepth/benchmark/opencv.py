"""OpenCV's CSRT and KCF on the same film, for scale: they track by other means, and their boxes are not compared."""

from adadepth.benchmark.peer import Peer, threads
from adadepth.benchmark.rows import row
from adadepth.benchmark.subject import Subject
from adadepth.evaluation.timing import alternate

TRACKERS = ("csrt", "kcf")


def measure_opencv(subject: Subject) -> list[dict]:
  """Milliseconds per frame.

  Raises:
    PeerError: there is no OpenCV with these trackers.
  """
  with Peer(subject.settings.peers_python, "opencv_side") as peer:
    version = peer.ask("prepare", frames=subject.frames, box_xywh=subject.box_xywh, threads=threads())
    clocks = {name: lambda name=name: peer.ask("run", name=name) for name in TRACKERS}
    seconds = alternate(clocks, **subject.limits(), title="OpenCV")
  return [row(f"opencv_{n}", f"OpenCV {version} {n.upper()}, a frame", s * 1e3, "ms") for n, s in seconds.items()]
