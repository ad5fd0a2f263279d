"""The pages of docs/ build without a warning, their notebook runs, and what they tell to type exists."""

import importlib
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What makes the runs of a page short enough for a test.
SHORT = {
  "backbone": "--config.data.rendered=(2,2,1) --config.data.hardest=0 --config.finetune.steps=2 --config.gates.steps=2 "
  "--config.gates.folds=2 --config.eval.timing_rounds=0 --config.eval.frames_per_key=2 --config.eval.tracking=xcorr1"
}


def built(source: pathlib.Path, out: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess:
  line = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(ROOT / "docs"), *arguments]
  return subprocess.run([*line, str(source), str(out)], capture_output=True, text=True)


def blocks_of(page: pathlib.Path, language: str) -> list[str]:
  return [text for name, text in BLOCK.findall(page.read_text()) if name == language]


def commands_of(page: pathlib.Path) -> list[list[str]]:
  """The words of each `adadepth ...` that a page tells to type."""
  lines = [line for text in blocks_of(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
  return [shlex.split(line) for line in lines if line.startswith("adadepth ")]


def run_python(*arguments: str, cwd: pathlib.Path) -> None:
  env = {**os.environ, "PYTHONPATH": str(ROOT)}
  done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-4000:]


def test_the_pages_build_without_a_warning_and_the_notebook_runs(tmp_path):
  done = built(ROOT / "docs", tmp_path)
  assert done.returncode == 0, done.stderr[-4000:]
  assert "mean cost" in (tmp_path / "quickstart.html").read_text()
  assert "Eq. 3: &quot;deepest&quot; or &quot;all&quot;" in (tmp_path / "configs.html").read_text()
  assert "[*n, 4]" in (tmp_path / "api.html").read_text()


def test_a_broken_link_is_an_error(tmp_path):
  links = ["other.md", "index.md#nowhere", "../nowhere/README.md", "nowhere.png"]
  (tmp_path / "docs").mkdir()
  (tmp_path / "docs" / "index.md").write_text("# A page\n\n" + "\n\n".join(f"[broken]({link})" for link in links))
  done = built(tmp_path / "docs", tmp_path / "out")
  assert done.returncode == 1
  assert {f"index.md:{3 + 2 * i}: WARNING" in done.stderr for i in range(len(links))} == {True}, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_on_a_page_is_python(page):
  for text in blocks_of(page, "python"):
    compile(text, str(page), "exec")


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=lambda page: page.stem)
def test_commands_on_a_page_name_configs_and_fields_that_exist(page):
  for words in commands_of(page):
    if words[1].startswith("--config="):
      continue  # a file of the reader's own
    name, _, variant = words[1].partition(":")
    if name == "NAME[":
      continue
    module = importlib.import_module(f"configs.{name}")
    config = module.get_config(variant) if variant else module.get_config()
    for word in words[2:]:
      flag = word.partition("=")[0]
      assert flag == "--workdir" or flag.removeprefix("--config.") in flat(config), f"{page}: {word}"


def flat(config, prefix: str = "") -> set[str]:
  names = set()
  for name, value in config.items():
    names |= flat(value, f"{prefix}{name}.") if hasattr(value, "items") else {prefix + name}
  return names


@pytest.mark.parametrize("page", ["backbone", "dataset", "measure", "policy"])
def test_what_a_page_on_extending_says_works(page, tmp_path):
  """Its blocks are one script, those that name a file are that file, and its commands are typed."""
  path = ROOT / "docs" / "extending" / f"{page}.md"
  named = {text.splitlines()[0].removeprefix("# "): text for text in blocks_of(path, "python") if text[:2] == "# "}
  for name, text in named.items():
    (tmp_path / name).write_text(text)
  (tmp_path / "script.py").write_text("\n".join(t for t in blocks_of(path, "python") if t not in named.values()))
  run_python("script.py", cwd=tmp_path)
  for words in commands_of(path):
    run_python("-m", "adadepth.command", *words[1:], *SHORT.get(page, "").split(), cwd=tmp_path)
    assert (tmp_path / words[-1].partition("=")[2] / "results.json").is_file()


def test_the_pictures_are_drawn_by_their_command(tmp_path):
  run_python("-m", "docs.draw", str(tmp_path), cwd=ROOT)
  drawn = {path.name for path in tmp_path.iterdir()}
  assert drawn == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
  used = set(re.findall(r"\(pictures/(\S+\.png)\)", (ROOT / "docs" / "concepts.md").read_text()))
  assert used == drawn
