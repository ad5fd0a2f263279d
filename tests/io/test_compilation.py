"""Where compiled programs are kept, in processes of their own: the setting is one a process."""

import os
import subprocess
import sys

import pytest

CODE = """
import adadepth, jax
folder = adadepth.enable_compilation_cache()
jax.jit(lambda x: x + 1)(1.0)
print(folder)
"""


def kept(env: dict[str, str]) -> str:
  """The folder that a process with this environment says it uses, after it compiled a program."""
  clean = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XDG_"))}
  done = subprocess.run([sys.executable, "-c", CODE], env={**clean, **env}, capture_output=True, text=True, check=True)
  return done.stdout.strip()


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"])
def test_small_programs_are_kept_where_the_environment_says(tmp_path, name):
  folder = tmp_path / "adadepth" / "xla" if name == "XDG_CACHE_HOME" else tmp_path
  assert kept({name: str(tmp_path)}) == str(folder)
  assert list(folder.glob("jit*lambda*"))


def test_jax_can_turn_it_off(tmp_path):
  kept({"XDG_CACHE_HOME": str(tmp_path), "JAX_ENABLE_COMPILATION_CACHE": "false"})
  assert not list(tmp_path.rglob("jit*"))
