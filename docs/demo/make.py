"""Puts what the demo page needs into docs/demo/files: onnxruntime-web, by npm; the network as ONNX; the reports' look.

python -m docs.demo.make
python -m http.server --directory docs/demo    and open http://localhost:8000

An ONNX file of your own (configs/export.py, policy "hard") is given as --model=FILE. --to=FOLDER writes elsewhere.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

from adadepth import reports
from adadepth.errors import InputError
from adadepth.export.kept import shipped_onnx

PACKAGE = "onnxruntime-web@1.30.0"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
FILES = pathlib.Path(__file__).parent / "files"
STYLE = pathlib.Path(reports.__file__).parent / "look.css"


def fetch_runtime(folder: pathlib.Path) -> None:
  """Writes the runtime's three files, 14 MB, to a folder; those that are there stay.

  Raises:
    InputError: npm is not there, or fetches nothing.
  """
  if all((folder / name).is_file() for name in RUNTIME):
    return
  if not (npm := shutil.which("npm")):
    raise InputError("npm is not installed, and fetches onnxruntime-web: apt-get install npm")
  with tempfile.TemporaryDirectory() as there:
    done = subprocess.run([npm, "pack", "--silent", PACKAGE], cwd=there, capture_output=True, text=True)
    packed = next(pathlib.Path(there).glob("*.tgz"), None)
    if done.returncode or packed is None:
      said = (done.stderr.strip().splitlines() or ["it does not say why"])[-1]
      raise InputError(f"npm could not fetch {PACKAGE}: {said}")
    with tarfile.open(packed) as files:
      for name in RUNTIME:
        (folder / name).write_bytes(files.extractfile(f"package/dist/{name}").read())


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--model", type=pathlib.Path, default=shipped_onnx())
  parser.add_argument("--to", type=pathlib.Path, default=FILES)
  given = parser.parse_args()
  given.to.mkdir(parents=True, exist_ok=True)
  try:
    fetch_runtime(given.to)
  except InputError as error:
    sys.exit(f"error: {error}")
  shutil.copy(STYLE, given.to)
  shutil.copy(given.model, given.to / "tracker.onnx")
  print(f"wrote {given.to}; now: python -m http.server --directory {given.to.parent}")


if __name__ == "__main__":
  main()
