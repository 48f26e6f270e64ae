"""Opens the server's pages in headless Chromium as a person would: over https, with user and password in its dialog.

browser.py CHROMIUM FOLDER: fails where a page lacks the words that it should show; pictures go into the folder. The
certificate that it takes is the one in MLFLOW_TRACKING_SERVER_CERT_PATH's chain, and no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.tracking import MlflowClient

SITE = os.environ["MLFLOW_TRACKING_URI"]
PARENT_TAG = "mlflow.parentRunId"


class Browser:
    """Chromium, spoken to through its debugging pipe: JSON messages that end with a zero byte."""

    def __init__(self, chromium: str, profile: str, fingerprint: str) -> None:
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        flags = [
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
        ]
        flags += ["--disable-component-update", f"--user-data-dir={profile}", "--window-size=1400,900"]
        flags += ["--remote-debugging-pipe", f"--ignore-certificate-errors-spki-list={fingerprint}"]
        flags += ["--no-sandbox"] if os.getuid() == 0 else []
        # Chromium reads from descriptor 3 and writes to 4.
        command = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", chromium, *flags]
        self._process = subprocess.Popen(command, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._num = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.page("Page.enable")
        self.page("Fetch.enable", handleAuthRequests=True)

    def page(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A call to the page."""
        return self.call(method, session=self._session, **parameters)

    def call(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a message and return its answer; what the page asks meanwhile is answered."""
        wanted = self._send(method, session, parameters)
        while True:
            message = self._receive()
            if message.get("id") == wanted:
                assert "error" not in message, message
                return dict(message.get("result", {}))
            self._let_through(message)

    def _let_through(self, message: dict[str, Any]) -> None:
        """Requests go on as they are; a login dialog gets user and password."""
        parameters = message.get("params", {})
        if message.get("method") == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", self._session, {"requestId": parameters["requestId"]})
        elif message.get("method") == "Fetch.authRequired":
            login = {"response": "ProvideCredentials", "username": os.environ["MLFLOW_TRACKING_USERNAME"]}
            login["password"] = os.environ["MLFLOW_TRACKING_PASSWORD"]
            answer = {"requestId": parameters["requestId"], "authChallengeResponse": login}
            self._send("Fetch.continueWithAuth", self._session, answer)

    def _send(self, method: str, session: str | None, parameters: dict[str, Any]) -> int:
        self._num += 1
        message = {"id": self._num, "method": method, "params": parameters}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        return self._num

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._from, 65536)
            assert piece, "Chromium ended"
            self._buffer += piece
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def look(self, address: str, words: str, picture: Path, timeout_s: float = 90.0) -> None:
        """Go there, wait for the words, take a picture."""
        self.page("Page.navigate", url="about:blank")
        self.page("Page.navigate", url=address)
        ends_s = time.monotonic() + timeout_s
        text = ""
        while words not in text:
            if time.monotonic() > ends_s:
                sys.exit(f"{picture.stem}: {words!r} is not on the page, which says: {text[:400]!r}")
            time.sleep(0.5)
            found = self.page("Runtime.evaluate", expression="document.body ? document.body.innerText : ''")
            text = str(found["result"].get("value", ""))
        time.sleep(1.0)
        picture.write_bytes(base64.b64decode(self.page("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def fingerprint() -> str:
    """Of the key of the server's certificate, which is checked against its authority first."""
    site = urlsplit(SITE)
    context = ssl.create_default_context(cafile=os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"])
    assert site.hostname is not None
    with (
        socket.create_connection((site.hostname, site.port or 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=site.hostname) as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    command = ["openssl", "x509", "-inform", "der", "-noout", "-pubkey"]
    pem = subprocess.run(command, input=certificate, capture_output=True, check=True).stdout
    key = base64.b64decode(b"".join(line for line in pem.splitlines() if not line.startswith(b"-----")))
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def pages() -> dict[str, tuple[str, str]]:
    """Name -> address and words, for the last sweep of the experiment `try`."""
    client = MlflowClient(SITE)
    experiment = client.get_experiment_by_name("try")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    children = [run for run in runs if PARENT_TAG in run.data.tags and run.info.status == "FINISHED"]
    parent = children[0].data.tags[PARENT_TAG]
    pair = [run.info.run_id for run in children if run.data.tags[PARENT_TAG] == parent]
    listed = f"{SITE}/#/experiments/{experiment.experiment_id}/runs"
    compared = ",".join(f"%22{run_id}%22" for run_id in pair)
    return {
        "experiments": (f"{SITE}/#/experiments?workflowType=machine_learning", "try"),
        "parent_and_children": (f"{listed}?workflowType=machine_learning", "sweep stock, sdpa x 1 seed"),
        "parent": (f"{listed}/{parent}", "Child runs"),
        "run": (f"{listed}/{pair[0]}", "mAP50"),
        "compare": (
            f"{SITE}/#/compare-runs?runs=[{compared}]&experiments=[%22{experiment.experiment_id}%22]",
            "Comparing",
        ),
        "system_metrics": (f"{listed}/{pair[0]}/system-metrics", "system/"),
        "artifacts": (f"{listed}/{pair[0]}/artifacts", "worker.log"),
    }


def main() -> None:
    """All pages."""
    chromium, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(chromium, profile, fingerprint())
        try:
            for name, (address, words) in wanted.items():
                browser.look(address, words, folder / f"{name}.png")
        finally:
            browser.close()
    print(f"{len(wanted)} pages over https, with what they should show")


if __name__ == "__main__":
    main()
