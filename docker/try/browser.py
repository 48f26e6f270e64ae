"""Opens the server's pages in headless Chromium as a person would: over https, with user and password.

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
import time
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.tracking import MlflowClient

from benchmarks.headless import page

SITE = os.environ["MLFLOW_TRACKING_URI"]
PARENT_TAG = "mlflow.parentRunId"
PATIENCE_S = 120.0


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
    """Name -> address and words, for the first sweep of the experiment `try`."""
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
        "report": (f"{listed}/{parent}/artifacts", "report.html"),
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
    login = f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}"
    trusted = f"--ignore-certificate-errors-spki-list={fingerprint()}"
    with page(chromium, trusted, width_px=1400, height_px=900) as tab:
        # Chromium answers the server's question for a login with these, here and on the pages that follow.
        version = f"{SITE.replace('://', f'://{login}@')}/version"
        assert tab.seconds_until(version, _shows("3."), patience_s=PATIENCE_S) is not None, "no login"
        for name, (address, words) in wanted.items():
            # Loaded again where it stays empty, as a person would.
            if all(tab.seconds_until(address, _shows(words), patience_s=PATIENCE_S) is None for _ in range(2)):
                sys.exit(f"{name}: {words!r} is not on the page, which says: {tab.evaluate(_TEXT)!r}")
            time.sleep(1.0)
            tab.picture(folder / f"{name}.png")
    print(f"{len(wanted)} pages over https, with what they should show")


_TEXT = "document.body ? document.body.innerText.slice(0, 400) : ''"


def _shows(words: str) -> str:
    return f"document.body !== null && document.body.innerText.includes({json.dumps(words)})"


if __name__ == "__main__":
    main()
