"""Where a view points to: the folder of a run, and its page in MLflow."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sdpa_exp.compare.load.run import Run
from sdpa_exp.runs.files import TRACKING_FILE


def relative_path(path: Path, base: Path) -> str:
    """A path as seen from `base`, with forward slashes; absolute where there is no way (another drive)."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:
        return path.as_posix()


def mlflow_page(run: Run) -> tuple[str, str] | None:
    """The address of the run in the MLflow UI after tracking.json, and words for the link; a server comes first.

    A local store has a page only while its UI runs, which the words say.
    """
    try:
        content = json.loads((run.folder / TRACKING_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    stores = content.get("stores") if isinstance(content, dict) else None
    found: list[tuple[str, str]] = []
    for uri, progress in stores.items() if isinstance(stores, dict) else ():
        page = progress.get("page") if isinstance(progress, dict) else None
        if isinstance(page, str) and page.startswith(("http://", "https://")):
            found.append((page, "MLflow, while mlflow ui runs" if uri.startswith("sqlite:") else "MLflow"))
    return min(found, key=lambda entry: len(entry[1]), default=None)
