"""How Sphinx builds docs/: `sphinx-build -W docs docs/_build/html`. A warning, as of a broken link, is an error."""

import importlib
import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)  # of the notebook's kernel

from adadepth import command  # noqa: E402
from adadepth.config_fields import fields_of  # noqa: E402

project = "adadepth"
copyright = "The adadepth developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "draw.py", "demo"]
html_theme = "furo"
html_title = "adadepth"
html_show_sphinx = False

# Pages are Markdown; a link to a heading is checked too.
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
smartquotes = False

# The notebook runs at each build; its outputs are kept nowhere else.
nb_execution_mode = "force"
nb_execution_timeout = -1  # a machine may be busy
nb_execution_raise_on_error = True
nb_merge_streams = True

default_role = "code"  # docstrings have names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and units are in the docstrings
add_module_names = False
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

VARIANTS = {"finetune": "all"}  # of configs that ask for one


def configs_page() -> str:
  """Each config with its commands and fields, from its source."""
  command.make_configs_importable()
  folder = command.config_folder()
  return "\n".join(config_section(name, path, folder) for name, path in command.configs().items())


def config_section(name: str, path: pathlib.Path, folder: pathlib.Path) -> str:
  first, *paragraphs = command.docstring(path).split("\n\n")
  lines = [f"\n## {name}", "", first, ""]
  for paragraph in paragraphs:
    text = re.sub(r"python run\.py --config=configs/(\w+)\.py", r"adadepth \1", paragraph)
    lines += ["```text", text, "```", ""] if text.startswith("adadepth") else [text, ""]
  module = importlib.import_module(f"configs.{name}")
  config = module.get_config(VARIANTS[name]) if name in VARIANTS else module.get_config()
  for field in fields_of(config, path, folder):
    lines += [f"`config.{field.path}` = `{field.value}`", f": {escaped(field.comment)}", ""]
  return "\n".join(lines)


def escaped(text: str) -> str:
  """Plain text as Markdown that shows it as it is."""
  return re.sub(r"([\\`*_<>\[\]$])", r"\\\1", text)


def read_page(app, docname: str, source: list[str]) -> None:
  """A page's source: of configs its fields too, and links out of docs/, such as to experiments, as links to files."""
  page = pathlib.Path(app.srcdir, docname)

  def as_file(link: re.Match) -> str:
    outside = not (page.parent / link[1]).resolve().is_relative_to(app.srcdir)
    return f"](path:{link[1]})" if outside else link[0]

  source[0] = re.sub(r"\]\((\.\./[^)#]+)\)", as_file, source[0]) + (configs_page() if docname == "configs" else "")


def as_rst(app, what: str, name: str, obj, options, lines: list[str]) -> None:
  """Docstrings are plain text: "*" is one, as in the shape [*n, 4], and what follows "Example:" is code."""
  example = next((i for i, line in enumerate(lines) if line.strip() == "Example:"), len(lines))
  lines[:example] = [line.replace("*", r"\*") for line in lines[:example]]
  lines[example : example + 1] = ["Example::", ""] if example < len(lines) else []


def setup(app) -> None:
  app.connect("autodoc-process-docstring", as_rst, priority=100)  # before napoleon
  app.connect("source-read", read_page)
