"""What is installed: the library, its files, the configs and the command; and what it asks to be installed with it."""

import pathlib
import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
  """The wheel, built with what is installed here."""
  folder = tmp_path_factory.mktemp("wheel")
  code = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
  subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, capture_output=True)
  return zipfile.ZipFile(next(folder.glob("*.whl")))


def files_of(folder: str) -> set[str]:
  return {
    str(path.relative_to(ROOT))
    for path in (ROOT / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
  }


def test_the_wheel_holds_the_library_its_assets_and_the_configs_and_nothing_else(wheel):
  found = {name for name in wheel.namelist() if ".dist-info/" not in name}
  assert found == files_of("adadepth") | {f"adadepth/{name}" for name in files_of("configs")}
  assert "adadepth/assets/small.safetensors" in found and "adadepth/configs/track.py" in found


def test_the_wheel_has_a_license_and_the_command(wheel):
  texts = {pathlib.PurePath(name).name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
  assert "Apache License" in texts["LICENSE"] and "License-Expression: Apache-2.0\n" in texts["METADATA"]
  assert "adadepth = adadepth.command:run" in texts["entry_points.txt"]


def by_name(lines: list[str]) -> dict[str, Requirement]:
  """package, as registries spell it -> what is asked of it."""
  found = map(Requirement, lines)
  return {canonicalize_name(requirement.name): requirement for requirement in found}


OF_JAX = {"flax", "h5py", "jax", "optax", "orbax-checkpoint", "safetensors", "scipy", "tensorboardx"}


def test_the_light_installation_is_what_is_asked_less_jax_and_what_serves_it():
  """That `adadepth track` works without these is asked in tests/jobs/test_track.py."""
  line = re.search(r"^pip install (absl-py .*)$", text("docs/howto/track.md"), re.MULTILINE)[1]
  assert set(line.split()) == by_name(PROJECT["dependencies"]).keys() - OF_JAX | {"onnxruntime"}


def text(file: str) -> str:
  return (ROOT / file).read_text()


# A line of a lock: name, version, and for whom; hashes follow.
PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.+))? \\\n {4}--hash=sha256:", re.MULTILINE)


def pinned(file: str) -> dict[str, str]:
  """package -> version of a lock."""
  return {canonicalize_name(name): version for name, version, _ in PIN.findall(text(file))}


LOCKS = {
  "requirements.txt": [*PROJECT["dependencies"], *EXTRAS["train"]],
  "requirements-test.txt": [
    *PROJECT["dependencies"],
    *(line for name in EXTRAS if "cuda" not in name for line in EXTRAS[name]),
  ],
  "requirements-cuda.txt": [*PROJECT["dependencies"], *EXTRAS["train"]],
}


@pytest.mark.parametrize("file", LOCKS)
def test_a_lock_pins_with_hashes_what_the_package_asks_for_and_nothing_without(file):
  versions, wanted = pinned(file), by_name(LOCKS[file])
  wanted.pop("adadepth", None)  # the extra `test` has all of `train`, `docs` and `export`
  assert [name for name, asks in wanted.items() if not asks.specifier.contains(versions[name])] == []
  assert len(re.findall("^[^ #]", text(file), re.MULTILINE)) == len(PIN.findall(text(file)))
  assert "uv pip compile --generate-hashes --universal" in text(file).splitlines()[1]


@pytest.mark.parametrize("file", ["requirements-test.txt", "requirements-cuda.txt"])
def test_the_locks_agree(file):
  versions = pinned(file)
  assert {name: versions[name] for name in pinned("requirements.txt")} == pinned("requirements.txt")


def test_only_who_has_a_gpu_loads_cuda():
  assert [name for name in pinned("requirements-test.txt") if "nvidia" in name or "cuda" in name] == []
  assert "jax-cuda13-plugin" in pinned("requirements-cuda.txt")


def test_the_licences_are_those_of_what_is_pinned():
  named = re.findall(
    r"^\| ([\w.-]+) +\| \S+ +\| (.*\S) +\|$", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE
  )
  listed = {canonicalize_name(name) for name, _ in named}
  everywhere = {canonicalize_name(name) for name, _, who in PIN.findall(text("requirements-test.txt")) if not who}
  assert everywhere - listed == set()
  assert [name for name, licence in named if licence == "UNKNOWN"] == []


ASKS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.bind")


def test_nothing_asks_the_network_while_it_is_imported():
  """Nor for a name: whatever an import opens is a file."""
  modules = sorted(".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / "adadepth").rglob("*.py"))
  code = f"import importlib, sys\nsys.addaudithook(lambda event, _: event in {ASKS} and sys.exit(event))\n"
  code += f"for name in {modules}: importlib.import_module(name.removesuffix('.__init__'))"
  done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("extra", ["cuda12", "cuda13"])
def test_a_gpu_asks_for_the_same_jax(extra):
  jax = by_name(EXTRAS[extra])["jax"]
  assert jax.extras == {extra} and jax.specifier == by_name(PROJECT["dependencies"])["jax"].specifier
