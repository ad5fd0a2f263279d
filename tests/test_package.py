"""What is installed: the library, its files, the configs and the command; and what it asks to be installed with it."""

import pathlib
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


def pinned(file: str) -> dict[str, str]:
  """package -> version of a requirements file, without those of the file that it begins with."""
  lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
  found = by_name([line for line in lines if line and not line.startswith("-r")])
  return {name: str(requirement.specifier).removeprefix("==") for name, requirement in found.items()}


@pytest.mark.parametrize(
  ("file", "asked"),
  [
    ("requirements.txt", [*PROJECT["dependencies"], *EXTRAS["train"]]),
    ("requirements-test.txt", [*EXTRAS["test"], *EXTRAS["docs"], *EXTRAS["export"]]),
  ],
)
def test_what_is_pinned_is_what_the_package_asks_for(file, asked):
  versions, wanted = pinned(file), by_name(asked)
  wanted.pop("adadepth", None)  # the extra `test` has all of `train`, `docs` and `export`
  assert versions.keys() == wanted.keys()
  assert [name for name, asks in wanted.items() if not asks.specifier.contains(versions[name])] == []


@pytest.mark.parametrize("extra", ["cuda12", "cuda13"])
def test_a_gpu_asks_for_the_same_jax(extra):
  jax = by_name(EXTRAS[extra])["jax"]
  assert jax.extras == {extra} and jax.specifier == by_name(PROJECT["dependencies"])["jax"].specifier
