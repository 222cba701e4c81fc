"""Debian's Chromium, driven over its DevTools pipe: what it finds in a page, its width, and pictures of it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Without the background-networking flags Chromium asks hosts that a closed network refuses.
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    "--remote-debugging-pipe",
)
# Chromium reads commands from file descriptor 3 and answers on 4, whichever the pipes happen to have.
_LAUNCH = """import os, sys
for number, source in ((103, 1), (104, 2)):
    os.dup2(int(sys.argv[source]), number)
os.dup2(103, 3)
os.dup2(104, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# What Chromium leaves uncompressed in a PDF: its pages, and where each heading is.
_PAGE = re.compile(rb"(\d+) 0 obj\n<</Type /Page\n")
_OUTLINE = re.compile(rb"/Title \(([^)]*)\)\n/Dest \[(\d+) 0 R")
_PATIENCE = 120.0  # seconds
_COMPLAINTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


class Browser:
    """One tab. Commands and events are JSON texts that end with a zero byte."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands = os.fdopen(commands, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._read = b""
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.requests: list[str] = []
        self.complaints: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._commands.write(json.dumps(message).encode() + b"\0")
        found = self._until(lambda answer: answer.get("id") == self._number)
        assert "error" not in found, found
        result: dict[str, Any] = found["result"]
        return result

    def open(self, page: Path, width: int) -> None:
        """Show a file in a window of so many CSS pixels."""
        self.complaints.clear()
        self.requests.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self._loaded = False
        self.call("Page.navigate", url=page.resolve().as_uri())
        if not self._loaded:  # the event may come before the answer to the command
            self._until(lambda answer: answer.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def screenshot(self, path: Path, scale: float = 1.0, **clip: float) -> None:
        """Save a picture of the whole page, or of a part of it."""
        whole = {"x": 0, "y": 0, "width": self.evaluate("innerWidth")}
        whole["height"] = self.evaluate("document.documentElement.scrollHeight")
        taken = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={**whole, **clip, "scale": scale})
        path.write_bytes(base64.b64decode(taken["data"]))

    def dark(self, wanted: bool = True) -> None:
        """Behave as the browser of a reader who has chosen dark mode."""
        value = "dark" if wanted else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def print(self, path: Path) -> None:
        """Save what the printer would get."""
        path.write_bytes(self._printed())

    def printed_pages(self) -> int:
        """How many pages the printer would get."""
        return len(_PAGE.findall(self._printed()))

    def printed_headings(self) -> dict[str, int]:
        """The page, from 1, on which each heading begins; of equal headings the last."""
        printed = self._printed(generateDocumentOutline=True)
        pages = {number: place for place, number in enumerate(_PAGE.findall(printed), 1)}
        return {title.decode("latin-1"): pages[number] for title, number in _OUTLINE.findall(printed)}

    def _printed(self, **more: Any) -> bytes:
        printed = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True, **more)
        return base64.b64decode(printed["data"])

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            while b"\0" not in self._read:
                ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
                assert ready, f"no answer of Chromium for {_PATIENCE} s"
                more = os.read(self._answers.fileno(), 1 << 20)
                assert more, "Chromium has gone"
                self._read += more
            text, _, self._read = self._read.partition(b"\0")
            answer: dict[str, Any] = json.loads(text)
            if answer.get("method") in _COMPLAINTS:
                self.complaints.append(answer["params"])
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            self._loaded |= answer.get("method") == "Page.loadEventFired"
            if wanted(answer):
                return answer


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium with a profile of its own; it ends with the block."""
    assert CHROMIUM is not None and sys.platform != "win32"
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    # What Chromium starts outlives it for a moment and writes to the profile: its group is ended below, and a file of
    # the last moment in a temporary folder is no fault of a page.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        launcher = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), CHROMIUM]
        process = subprocess.Popen(
            [*launcher, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_out, ours_in)
        finally:
            process.terminate()
            process.wait(timeout=30)
            with contextlib.suppress(ProcessLookupError):  # all have gone
                os.killpg(process.pid, signal.SIGKILL)
