"""A page in headless Chromium, spoken to through two pipes: how long until a text is on it, and what it asked for.

Needs no package: Chromium's DevTools protocol over `--remote-debugging-pipe` is JSON, each message with a null byte
behind it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_CALLS = """JSON.stringify(performance.getEntriesByType('resource').filter(e => e.name.includes('/ajax-api/')).map(
    e => ({call: e.name.split('/ajax-api/')[1].split('?')[0], ms: Math.round(e.duration)})))"""


def find_browser() -> str | None:
    """The first Chromium on the path."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


class Page:
    """One tab."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._num, self._rest = 0, b""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session: str | None = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Network.enable")

    def log_in(self, user: str, password: str) -> None:
        """Send MLflow's basic auth with every request."""
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {token}"})

    def seconds_until(self, url: str, condition: str, *, patience_s: float) -> float | None:
        """Open an address in an empty page; seconds until a JavaScript condition holds, None if it never does."""
        self._call("Page.navigate", url="about:blank")
        start_s = time.perf_counter()
        self._call("Page.navigate", url=url)
        while time.perf_counter() - start_s < patience_s:
            if self.evaluate(condition) is True:
                return time.perf_counter() - start_s
            time.sleep(0.02)
        return None

    def calls(self) -> list[dict[str, Any]]:
        """What the page asked MLflow for, with milliseconds."""
        return json.loads(self.evaluate(_CALLS) or "[]")  # type: ignore[no-any-return]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; None while the page is changing."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True).get("result", {}).get("value")

    def picture(self, path: Path, *, width_px: float | None = None, height_px: float | None = None) -> None:
        """Write what is on the screen as PNG, or its upper left corner of this size."""
        size = {"x": 0, "y": 0, "width": width_px, "height": height_px, "scale": 1}
        clip = {"clip": size} if width_px and height_px else {}
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", **clip)["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._num += 1
        message: dict[str, Any] = {"id": self._num, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += os.read(self._from, 1 << 20)
            line, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self._num:
                return answer.get("result", {})  # type: ignore[no-any-return]


@contextmanager
def page(browser: str, *more: str, width_px: int = 1600, height_px: int = 1000) -> Iterator[Page]:
    """Start the browser with one tab, and with `more` options; end it."""
    read_commands, to_browser = os.pipe()
    from_browser, write_answers = os.pipe()
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_browser_") as profile:
        options += [f"--user-data-dir={profile}", f"--window-size={width_px},{height_px}", *more, "about:blank"]
        # The browser reads commands from descriptor 3 and writes answers to 4.
        command = f'exec "$0" "$@" 3<&{read_commands} 4>&{write_answers}'
        process = subprocess.Popen(
            ["bash", "-c", command, browser, *options],
            pass_fds=(read_commands, write_answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        try:
            yield Page(to_browser, from_browser)
        finally:
            os.close(to_browser)
            process.terminate()
            process.wait(timeout=30)
            os.close(from_browser)
