"""Tracks targets through a video file, a folder of frames, a camera or a stream.

python run.py --config=configs/track.py --config.video=VIDEO --config.box=x,y,w,h --workdir=runs/track
python run.py --config=configs/track.py --config.video=VIDEO --config.box='x,y,w,h;x,y,w,h' --config.format=mot
python run.py --config=configs/track.py --config.video=0 --config.show=True
python run.py --config=configs/track.py --config.video=VIDEO --config.box=x,y,w,h --config.runtime=onnx
python run.py --config=configs/track.py --config.model=vgg19 --config.backbone.weights=VGG19 --config.video=...
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "track"  # the job of adadepth/jobs/__init__.py
  # A video file; a folder of pictures, ordered by the numbers in their names; a camera's number, or a stream's URL.
  config.video = ""
  # The target in the first frame: x,y,w,h, pixels from the top left. Several: the flag several times, or ";" between.
  config.box = ""
  config.boxes = ""  # instead: a CSV file, frame,x,y,w,h and perhaps target (its name), a line where each target begins
  config.levels = ""  # of frames of more than 8 bits: low,high, which become black and white; "": the first frames' own
  config.confidences = False  # whether track.mp4 has the confidences of all depths below the picture
  config.format = ""  # result files besides, as toolkits want them: "otb", "got10k", "vot", "mot" or several: "otb,mot"
  config.show = False  # whether a window shows it, where there is a display; without a box one is drawn there by mouse
  config.overwrite = False  # whether a workdir with the results of another video may be written, and begun anew
  # "xla", or "onnx": on a CPU, with nothing to compile, and no JAX; deep frames take longer. Of other models than the
  # package's its file is made at first use, and kept in the user's cache folder.
  config.runtime = "xla"
  config.model = "embedded"  # a finished workdir, a model file, "embedded" or "vgg19"
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # for gates that come without: a VGG-19 file (any official format), or "download"
  config.policy = "hard"  # "xcorr1".."xcorr5", "soft" or "hard"
  config.threshold = -1.0  # T of hard gating; negative: the one chosen when the model was trained
  config.budget = 0.0  # mean cost of a frame, relative to xcorr1, that hard gating holds by moving T; 0: T stays
  return config.lock()
