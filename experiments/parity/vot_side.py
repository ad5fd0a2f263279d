"""The VOT toolkit's own figures, in its own environment: see README.md.

VENV/bin/python experiments/parity/vot_side.py STACK TREES/vot RESULTS OUT

STACK is vot2016/rgb or vot2020/shortterm, of which the baseline experiment alone is analysed; RESULTS are the result
files of a comparison by its protocol. Makes a workspace in OUT, as `vot initialize` does, and writes OUT/vot.json.
"""

import json
import pathlib
import subprocess
import sys

import vot as toolkit
import yaml


def vot(*arguments):
  subprocess.run([str(pathlib.Path(sys.executable).with_name("vot")), *map(str, arguments)], check=True)


def main(stack, sequences, results, out):
  sequences, results, workspace = (pathlib.Path(path).resolve() for path in (sequences, results, out))
  workspace.mkdir(parents=True, exist_ok=True)
  (workspace / "sequences").symlink_to(sequences)
  trackers = sorted(folder.name for folder in results.iterdir())
  lines = [f"[{name}]\nlabel = {name}\nprotocol = trax\ncommand = /bin/false\n" for name in trackers]
  (workspace / "trackers.ini").write_text("\n".join(lines))
  whole = yaml.safe_load((pathlib.Path(toolkit.__file__).parent / "stack" / f"{stack}.yaml").read_text())
  part = {**whole, "experiments": {"baseline": whole["experiments"]["baseline"]}}
  (workspace / "stack.yaml").write_text(yaml.safe_dump(part))
  vot("initialize", workspace / "stack.yaml", "--workspace", workspace, "--nodownload")
  (workspace / "results").mkdir(exist_ok=True)
  for name in trackers:
    (workspace / "results" / name).symlink_to(results / name)
  vot("analysis", "--workspace", workspace, *trackers, "--format", "json")
  newest = sorted((workspace / "analysis").rglob("*.json"))[-1]
  (workspace / "vot.json").write_text(json.dumps(json.loads(newest.read_text()), indent=2))


if __name__ == "__main__":
  main(*sys.argv[1:])
