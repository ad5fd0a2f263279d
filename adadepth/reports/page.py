"""report.html: a run on one page that holds all it needs, opens without a network, and lets no name in it do anything.

Text that comes from files is escaped by Jinja or, in tables, by markdown-it, which here knows no HTML, links or
pictures. A policy in the page lets the browser run viewer.js and nothing else, and fetch nothing.
"""

import base64
import functools
import hashlib
import importlib.resources
import io
import json
import pathlib
import re
from collections.abc import Mapping
from collections.abc import Sequence as Listing
from typing import Any, NamedTuple

import jinja2
import markdown_it
import markupsafe
from PIL import Image

from adadepth.io.whole_files import write_text

FIGURE_WIDTH_PX = 1600
# A figure of a run, by its file: title, and what there is to see.
FIGURES = {
  "figure6.png": ("Accuracy against cost", "Figure 6. Up and to the left is better; the ringed point is hard gating."),
  "figure7.png": ("Frames", "Figure 7. Where the first depth is enough, and where the most is gained by going deeper."),
  "figure1.png": ("What the network gets", "Figure 1. The target in its first frame, and where it is searched."),
  "success.png": ("Success", "The share of frames whose IoU exceeds a threshold."),
  "precision.png": ("Precision", "The share of frames whose centre is within a distance of the true one."),
  "normalised_precision.png": ("Normalised precision", "The same in sizes of the target."),
  "losses.png": ("Phase 1", "The loss of each depth while the backbone learns."),
  "figure3.png": ("Phase 1, IoU", "Figure 3. Train and test along phase 1."),
  "figure4.png": ("Phase 1, by depth", "Figure 4. Before and after phase 1."),
  "timeline.png": ("Timeline", "Depth, score and milliseconds over the video."),
}


class Table(NamedTuple):
  """A table, or several, in Markdown; `folded` ones are opened by a click."""

  title: str
  markdown: str
  folded: bool = False


class Viewed(NamedTuple):
  """The viewer of a page.

  Attributes:
    data: of `viewer.viewer_data`.
    moments: of `viewer.hard_moments`.
    exits: of `viewer.exit_shares`.
    notes: what it shows and what was left out, a sentence or more.
  """

  data: dict[str, Any]
  moments: list[dict[str, Any]]
  exits: list[dict[str, Any]]
  notes: str


class Page(NamedTuple):
  """What stands on a page.

  Attributes:
    title: what was done, with what.
    lead: the result in a sentence or two.
    numbers: (value, what it is), the few that count.
    tables: in their order.
    figures: files of `FIGURES`; those that are not there are left out.
    viewed: None where there is no video to look at.
    record: of `run_record`.
  """

  title: str
  lead: str
  numbers: Listing[tuple[str, str]]
  tables: Listing[Table]
  figures: Listing[pathlib.Path]
  viewed: Viewed | None
  record: Mapping[str, Any]


def write_page(path: pathlib.Path, page: Page) -> None:
  """Writes a page as one file."""
  script = _text("viewer.js")
  text = _template().render(
    page=page,
    tables=[{"title": table.title, "html": html_of(table.markdown), "folded": table.folded} for table in page.tables],
    figures=[_figure(file) for file in page.figures if file.is_file()],
    settings=flat(page.record["config"]),
    versions=flat({name: value for name, value in page.record.items() if name != "config"}),
    style=markupsafe.Markup(_text("look.css") + _text("page.css")),
    script=markupsafe.Markup(script),
    script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
  )
  write_text(path, text)


def html_of(markdown: str) -> markupsafe.Markup:
  """Headings, tables, lists and emphasis as HTML; all else is text."""
  parser = markdown_it.MarkdownIt("zero").enable(["table", "heading", "list", "emphasis", "backticks", "escape"])
  return markupsafe.Markup(parser.render(markdown))


def as_text(name: str) -> str:
  """A name in Markdown that is read as it stands."""
  return re.sub(r"([\\`*_\[\]<>|#+!-])", r"\\\1", " ".join(name.split()))


def flat(settings: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
  """(a.b, value) of nested settings."""
  found = []
  for name, value in settings.items():
    if isinstance(value, Mapping):
      found += flat(value, f"{before}{name}.")
    else:
      found.append((f"{before}{name}", value if isinstance(value, str) else json.dumps(value, default=str)))
  return found


def _figure(file: pathlib.Path) -> dict[str, Any]:
  """A figure as WebP, a tenth of its PNG."""
  title, caption = FIGURES[file.name]
  encoded = io.BytesIO()
  with Image.open(file) as image:
    image = image.convert("RGB")
    image.thumbnail((FIGURE_WIDTH_PX, 16_000), Image.Resampling.LANCZOS)
    image.save(encoded, "webp", quality=85)
  data = base64.b64encode(encoded.getvalue()).decode()
  return {"title": title, "caption": caption, "data": data, "width": image.width, "height": image.height}


@functools.cache
def _template() -> jinja2.Template:
  settings = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
  return jinja2.Environment(**settings).from_string(_text("page.html"))


def _text(name: str) -> str:
  return (importlib.resources.files("adadepth.reports") / name).read_text(encoding="utf-8")
