"""A page holds all it needs, and no name in it does anything; in Chromium its viewer shows what the slider asks for."""

import re
import time

import numpy as np
import pytest
from browser import chromium, tab
from PIL import Image
from planted_film import FRAMES, film, trail

from adadepth.reports.page import Page, Table, Viewed, as_text, html_of, write_page
from adadepth.reports.viewer import exit_shares, hard_moments, viewer_data

HOSTILE = "<img src=x onerror=alert(1)>"
LINK = "![x](http://example.org/x.png) [y](javascript:alert(1)) </script><script>alert(1)</script>"
RECORD = {"date": "2026-01-02T03:04:05", "versions": {"jax": "1.2.3"}, "config": {"data": {"root": HOSTILE}, "seed": 7}}

needs_chromium = pytest.mark.skipif(chromium() is None, reason="no Chromium here: apt-get install chromium")


def page(name: str = "film", figures=(), markdown: str = "| a | b |\n| --- | --- |\n| 1 | 2 |\n", **changes) -> Page:
  shown, trails = film(name, **changes), [trail(), trail("xcorr1", "#ff0000")]
  viewed = Viewed(viewer_data(shown, trails), hard_moments(shown, trails), exit_shares(trails), "Ten frames.")
  numbers = [("0.5", "mean IoU")]
  return Page(f"On {name}", "It went well.", numbers, [Table("Numbers", markdown)], figures, viewed, RECORD)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
  """A page whose names come from a hostile file, with a figure."""
  folder = tmp_path_factory.mktemp("page")
  Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(folder / "figure6.png")
  row = f"| policy | IoU |\n| --- | --- |\n| {as_text(HOSTILE)} | 1 |\n| {LINK} | 2 |\n"
  write_page(folder / "report.html", page(HOSTILE + LINK, [folder / "figure6.png", folder / "figure7.png"], row))
  return folder / "report.html"


def test_what_was_measured_and_how_stands_on_the_page(written):
  text = written.read_text()
  for words in (
    "It went well.",
    "mean IoU",
    "Numbers",
    "<td>1</td>",
    "versions.jax",
    "1.2.3",
    "<td>7</td>",
    "Ten frames.",
  ):
    assert words in text
  assert text.count("data:image/webp;base64,") == 1  # a figure that is not there is left out


def test_names_from_files_are_text_wherever_they_stand(written):
  text = written.read_text()
  assert HOSTILE not in text and "&lt;img src=x onerror=alert(1)&gt;" in text
  assert text.count("<script") == 2 and "alert(1)</script>" not in text  # the data and viewer.js
  assert 'href="javascript' not in text and 'src="http' not in text


def test_markdown_of_a_table_is_html_and_nothing_else_is():
  assert html_of("| a |\n| --- |\n| **b** |\n").count("<strong>b</strong>") == 1
  assert "<a" not in html_of(LINK) and "<img" not in html_of(LINK) and "<script" not in html_of(LINK)
  name = "a|b *c* _d_ `e` \\ <f>"
  found = re.search("<td>(.*)</td>", html_of(f"| a |\n| --- |\n| {as_text(name)} |\n"))
  assert found[1] == "a|b *c* _d_ `e` \\ &lt;f&gt;"


def test_the_page_asks_for_nothing_and_runs_its_own_script_alone(written):
  text = written.read_text()
  assert "default-src 'none'" in text and "script-src 'sha256-" in text
  assert re.findall(r'(?:src|href)="(?!data:|#)', text) == []


def test_a_run_without_a_video_has_a_page_without_a_viewer(tmp_path):
  write_page(tmp_path / "report.html", page()._replace(viewed=None))
  assert 'id="viewer"' not in (tmp_path / "report.html").read_text()


@pytest.fixture(scope="module")
def opened(written):
  """The page in a browser."""
  if chromium() is None:
    pytest.skip("no Chromium here: apt-get install chromium")
  with tab() as browser:
    browser.call("Emulation.setDeviceMetricsOverride", width=1000, height=800, deviceScaleFactor=1, mobile=False)
    browser.open(written, "#frame=104")
    yield browser


def state(browser) -> tuple[str, str, float, str]:
  """The frame's number, its picture, the left edge of hard gating's box, the exit."""
  frame = browser.value("document.getElementById('viewer').dataset.frame")
  still = browser.value("document.getElementById('still').getAttribute('href')")
  x = browser.value("document.querySelector('rect[data-name=hard]').getAttribute('x')")
  return frame, still, float(x), browser.value("document.getElementById('exit').textContent")


def move_slider(browser, value: int) -> None:
  browser.value(f"s = document.getElementById('slider'); s.value = {value}; s.dispatchEvent(new Event('input'))")


def test_a_fragment_opens_its_frame(opened):
  assert state(opened)[0] == "104" and state(opened)[2:] == (20, "xcorr1")


def test_the_slider_moves_the_frame_and_the_box(opened):
  seen = []
  for t in range(FRAMES):
    move_slider(opened, t)
    seen.append(state(opened))
  assert [one[0] for one in seen] == [str(100 + t) for t in range(FRAMES)]
  assert len({one[1] for one in seen}) == FRAMES and [one[2] for one in seen] == [5 * t for t in range(FRAMES)]
  assert [one[3] for one in seen] == ["given", *["xcorr1"] * 5, "xcorr5", "xcorr1", "lost", "xcorr1"]


def test_a_hard_frame_and_a_click_on_the_strip_go_there(opened):
  opened.value("document.querySelector('.moments a').click()")
  while state(opened)[0] != "106":  # the fragment's event comes after the click
    pass
  opened.value("""
    box = document.getElementById('strip').getBoundingClientRect();
    document.getElementById('strip').dispatchEvent(new PointerEvent('pointerdown', {clientX: box.right - 2}));
  """)
  assert state(opened)[0] == "109"


def test_play_goes_on_until_paused(opened):
  move_slider(opened, 0)
  opened.value("document.getElementById('play').click()")
  while state(opened)[0] == "100":
    pass
  opened.value("document.getElementById('play').click()")
  assert opened.value("document.getElementById('play').textContent") == "▶"
  stopped = state(opened)[0]
  time.sleep(0.4)  # three frames long
  assert state(opened)[0] == stopped


def test_a_policy_that_is_switched_off_is_not_drawn(opened):
  count = "document.querySelectorAll('rect[data-name=xcorr1]').length"
  assert opened.value(count) == 1
  opened.value("document.querySelector('[data-trail=\"1\"]').click()")
  assert opened.value(count) == 0


def test_a_phone_need_not_scroll_sideways(opened):
  opened.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
  assert opened.value("document.documentElement.scrollWidth") == 390


@needs_chromium
@pytest.mark.parametrize(
  "changes", [{"truth": None, "squares_xyw": None, "responses": None, "threshold": None}, {"shown": [0], "first": 0}]
)
def test_a_page_without_truth_or_responses_or_of_one_frame_opens_too(tmp_path, changes):
  changes |= {"jpegs": film().jpegs[:1]} if "shown" in changes else {}
  write_page(tmp_path / "report.html", page(**changes))
  with tab() as browser:
    browser.open(tmp_path / "report.html")
    assert state(browser)[3] == "given" and browser.problems == []


@needs_chromium
def test_trackers_without_depths_have_boxes_and_nothing_that_tells_of_depths(tmp_path):
  shown, trails = film(), [trail("kcf", "#ff0000"), trail("csrt", "#00ff00")]
  viewed = Viewed(viewer_data(shown, trails), hard_moments(shown, trails), exit_shares(trails), "")
  write_page(tmp_path / "report.html", page()._replace(viewed=viewed))
  with tab() as browser:
    browser.open(tmp_path / "report.html", "#frame=102")
    assert browser.value("document.querySelector('rect[data-name=csrt]').getAttribute('x')") == "10"
    heights = [browser.value(f"document.getElementById('{name}').offsetHeight") for name in ("told", "strip", "which")]
    assert heights == [0, 0, 0] and browser.problems == []


def test_nothing_went_wrong_and_nothing_was_asked_for(opened, written):
  assert opened.problems == [] and set(opened.requests) <= {
    f"{written.as_uri()}{hash_}" for hash_ in ("", "#frame=104")
  }
