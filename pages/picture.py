"""The first screen of the demo's report as a picture, taken by a headless Chromium."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.headless import find_browser, page
from pages import kept_sweep
from sdpa_exp.compare.report.render import report_html

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
_WIDTH_PX, _HEIGHT_PX = 1060, 1400
_END = "document.querySelectorAll('figure')[1].getBoundingClientRect().bottom + 12"  # of the first two charts


def write_picture() -> str:
    """Write it; returns what was done.

    Raises:
        SystemExit: no Chromium is installed, or the page does not appear.
    """
    browser = find_browser()
    if browser is None:
        raise SystemExit("The picture can't be taken: expected Chromium or Chrome on the path. Install one.")
    with tempfile.TemporaryDirectory() as folder, page(browser, width_px=_WIDTH_PX, height_px=_HEIGHT_PX) as tab:
        report = Path(folder) / "report.html"
        report.write_text(report_html(kept_sweep.comparison(kept_sweep.read())), encoding="utf-8")
        if (
            tab.seconds_until(report.as_uri(), "document.readyState == 'complete' && !!document.body", patience_s=30)
            is None
        ):
            raise SystemExit("The picture can't be taken: the report did not appear in 30 seconds.")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        tab.evaluate("document.documentElement.style.overflow = 'hidden'")
        tab.picture(PICTURE, width_px=_WIDTH_PX, height_px=tab.evaluate(_END))
    return f"{PICTURE}: from {kept_sweep.DEMO.name}"
