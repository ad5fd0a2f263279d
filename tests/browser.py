"""A headless Chromium for tests, spoken to over a pipe (the DevTools protocol), so that no client is needed."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
  *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
  *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)


def chromium() -> str | None:
  """The program, where there is one."""
  return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
  """One page.

  Attributes:
    problems: what the console had, exceptions included.
    requests: URLs that the page has asked for, without data: ones.
  """

  def __init__(self, reading: int, writing: int):
    self._reading, self._writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
    self._count, self._buffer, self._session = 0, b"", ""
    self.problems: list[str] = []
    self.requests: list[str] = []
    target = self.call("Target.createTarget", url="about:blank")["targetId"]
    self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
      self.call(f"{domain}.enable")

  def call(self, method: str, **params) -> dict:
    """Sends a command, and waits for its answer."""
    self._count += 1
    message = {"id": self._count, "method": method, "params": params}
    message |= {"sessionId": self._session} if self._session else {}
    self._writing.write(json.dumps(message).encode() + b"\0")
    self._writing.flush()
    while (answer := self._next()).get("id") != self._count:
      self._note(answer)
    assert "error" not in answer, answer["error"]
    return answer["result"]

  def open(self, page: pathlib.Path | str, fragment: str = "") -> None:
    """Opens a file or a URL, and waits until it is loaded."""
    url = page if isinstance(page, str) else page.resolve().as_uri()
    self.call("Page.navigate", url=f"{url}{fragment}")
    while self.value("document.readyState") != "complete" or self.value("location.href") == "about:blank":
      pass

  def value(self, expression: str):
    """What an expression of JavaScript is in the page, or its promise becomes."""
    asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
    return self.call("Runtime.evaluate", **asked)["result"].get("value")

  def look(self, path: pathlib.Path, width: int, height: int, scheme: str = "light", whole: bool = False) -> None:
    """Writes a picture of the page at a width, in "light" or "dark"."""
    phone = width < 600
    self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
    self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **(self._whole(width) if whole else {}))
    path.write_bytes(base64.b64decode(picture["data"]))

  def _whole(self, width: int) -> dict:
    height = self.value("document.documentElement.scrollHeight")
    return {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}}

  def _next(self) -> dict:
    while b"\0" not in self._buffer:
      read = self._reading.read1(1 << 20)
      assert read, "Chromium has ended"
      self._buffer += read
    message, _, self._buffer = self._buffer.partition(b"\0")
    return json.loads(message)

  def _note(self, event: dict) -> None:
    params = event.get("params", {})
    match event.get("method"):
      case "Runtime.exceptionThrown":
        self.problems.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
      case "Log.entryAdded":
        self.problems.append(params["entry"]["text"])
      case "Runtime.consoleAPICalled":
        self.problems.append(str(params["args"]))
      case "Network.requestWillBeSent":
        url = params["request"]["url"]
        self.requests += [] if url.startswith("data:") else [url]


@contextlib.contextmanager
def tab() -> Iterator[Tab]:
  """A page of a browser of its own, which is closed with the block."""
  to_browser, from_us = os.pipe()
  to_us, from_browser = os.pipe()
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    line = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    words = ["bash", "-c", line, "bash", chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(words, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL)
    os.close(to_browser)
    os.close(from_browser)
    try:
      yield Tab(to_us, from_us)
    finally:
      process.kill()
      process.wait()
