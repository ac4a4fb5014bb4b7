"""A real Chromium, headless, driven over its own protocol: what people see and tap."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from websockets.sync.client import ClientConnection, connect

from tests.waiting import PATIENCE_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "" if CHROMIUM else "no chromium on this machine"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One tab."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._sent = connection, 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser; its answer."""
        self._sent += 1
        self._connection.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while (answer := json.loads(self._connection.recv(PATIENCE_S))).get("id") != self._sent:
            pass
        return answer["result"]

    def see(self, width: int, height: int = 780) -> None:
        """Be a screen of that size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        eventually(
            lambda: self.run("document.readyState == 'complete' && location.href != 'about:blank'"),
            what=f"the page {url}",
        )

    def run(self, script: str) -> Any:
        """The value of a script."""
        return self.call("Runtime.evaluate", expression=script)["result"].get("value")

    def text(self) -> str:
        """What can be read."""
        return str(self.run("document.body.innerText"))

    def picture(self, path: Path) -> None:
        """Take a screenshot."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """A browser with one empty tab, its profile in ``folder``; gone at the end."""
    assert CHROMIUM is not None, MISSING
    port = folder / "DevToolsActivePort"
    with subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"], stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: port.exists() and port.read_text(), what="the browser")
            address = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
            (tab,) = eventually(lambda: _pages(address), what="its tab")
            patient = {"open_timeout": PATIENCE_S, "ping_interval": None}
            with connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None, **patient) as connection:
                yield Tab(connection)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _pages(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        return [one for one in json.load(answer) if one["type"] == "page"]
