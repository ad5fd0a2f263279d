"""Prepares a large data set once: its pictures as a few large files of records, and an index of all boxes.

python run.py --config=configs/prepare.py --config.data.root=DATA --workdir=PREPARED
python run.py --config=configs/evaluate.py --config.data.root=PREPARED

Whatever reads DATA reads PREPARED in its place, and then opens no picture before it needs it. PREPARED takes as much
room as DATA's JPEGs and PNGs; frames of videos become PNGs. Needs `pip install "adadepth[train]"`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  config = ConfigDict()
  config.task = "prepare"  # the job of adadepth/jobs/__init__.py
  config.data = ConfigDict()
  # Folder with vot/, otb/, lasot/ or others (adadepth/data/layouts), or several: "a,b".
  config.data.root = ""
  # JSON file naming train, dev and test over all roots; "": each root's split.json, else see adadepth/data/split.py.
  config.data.split = ""
  config.data.on_error = "stop"  # at bad data: "stop", or "skip" and count
  return config.lock()
