"""Writes a tracker as one file for other runtimes: ONNX, whose early exits are real, and StableHLO.

python run.py --config=configs/export.py --workdir=runs/export                           the package's, hard gating
python run.py --config=configs/export.py --config.model=runs/gating --config.policy=xcorr3
python run.py --config=configs/export.py:vgg19 --config.backbone.weights=VGG19

A file holds the program of a frame with its weights (adadepth/export/program.py says what it takes and returns). State
is passed, and so are the threshold and the budget. adadepth/export/runtime.py tracks with it and needs no JAX.
The package's with hard gating ships as adadepth/assets/small.onnx. Writing others needs `pip install
"adadepth[export]"`.
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "", or "vgg19": the package's gates on your ImageNet VGG-19."""
  if arg not in ("", "vgg19"):
    raise InputError(f'`--config=configs/export.py:{arg}`: the only variant is "vgg19"')
  config = ConfigDict()
  config.task = "export"  # the job of adadepth/jobs/__init__.py
  config.model = arg or "embedded"  # a finished workdir, a model file, "embedded" or "vgg19"
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # for gates that come without: a VGG-19 file (any official format), or "download"
  config.policy = "hard"  # "xcorr1".."xcorr5", "soft" or "hard"
  config.format = "onnx"  # "onnx", "stablehlo" (for CPUs and CUDA) or both: "onnx,stablehlo"
  return config.lock()
