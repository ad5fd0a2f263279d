"""Evaluates a finished workdir, a model file or a model of the package on any data root. Nothing is trained.

python run.py --config=configs/evaluate.py --workdir=runs/gating --config.data.root=DATA
python run.py --config=configs/evaluate.py --config.model=runs/gating --workdir=runs/other --config.data.root=DATA
python run.py --config=configs/evaluate.py:vgg19 --config.data.root=DATA --config.backbone.weights=VGG19

python run.py --config=configs/evaluate.py --config.trackers=ours,csrt,kcf --config.data.root=DATA
python run.py --config=configs/evaluate.py --config.results=RESULTS --config.data.root=DATA

The last two compare trackers, and do nothing else: ours and OpenCV's, and those whose result files lie in RESULTS, a
folder each (adadepth/data/result_files.py). They write tables in Markdown and LaTeX, with paired 95 % intervals over
videos of what each has more than the first, plots, and result files of each tracker that ran. Several processes with
one --workdir share the work.

DATA holds any of vot/, otb/, tlp/, uav123/, uavdt/, lasot/, got10k/, trackingnet/, nfs/, tc128/ and videos/
(adadepth/data/layouts), or is one of them, or is several such folders: A,B. Without a split file every sequence is
evaluated; with one (DATA/split.json, or --config.data.split=FILE), or with all of VOT2016, its test side is: see
adadepth/data/split.py.
"""

from ml_collections import ConfigDict

from adadepth.errors import InputError
from configs import common


def get_config(arg: str = "") -> ConfigDict:
  """`arg` is "", or "vgg19": the package's gates on your ImageNet VGG-19."""
  if arg not in ("", "vgg19"):
    raise InputError(f'`--config=configs/evaluate.py:{arg}`: the only variant is "vgg19"')
  config = ConfigDict()
  config.task = "evaluate"  # the job of adadepth/jobs/__init__.py
  config.seed = 0  # of the rendered sequences
  config.threads = 2  # that decode and cut crops ahead of the network
  config.distributed = common.distributed()
  # A finished workdir, a model file, "embedded" or "vgg19"; "": the one in --workdir, else embedded.
  config.model = arg
  config.backbone = ConfigDict()
  config.backbone.weights = ""  # for gates that come without: a VGG-19 file (any official format), or "download"
  config.data = common.data()
  config.policy = common.policy()
  # To compare, comma-separated: "ours" (hard gating), a policy, "csrt", "kcf" (OpenCV's, which you install); "": none.
  config.trackers = ""
  config.results = ""  # folder of result files of trackers to compare, <tracker>/<sequence>.txt; "": none
  # Of the comparison: "one_pass" (OTB, LaSOT, GOT-10k), "supervised" (VOT up to 2019) or "multi_start" (VOT from 2020).
  config.protocol = "one_pass"
  config.eval = common.evaluation()
  config.eval.tracking = "xcorr1,xcorr2,xcorr3,xcorr4,xcorr5,soft,hard"
  if arg:
    config.data.rendered = (0, 0, 0)
    config.eval.keys_per_sequence = 4
    config.eval.tracking = "xcorr1,hard"
  return config.lock()
