"""The templates of all pages and reports; nothing slow comes with them, as it does with figures and statistics."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from sdpa_exp.compare.report.glossary import WORDS, meaning
from sdpa_exp.compare.report.links import mlflow_page, relative_path


def templates(base: Path, *, is_html: bool) -> Environment:
    """The templates of all reports; links to run folders are relative to `base`."""
    environment = Environment(
        loader=PackageLoader("sdpa_exp.compare.report"),
        autoescape=is_html,  # noqa: S701 - the others are Markdown
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["path"] = lambda run: relative_path(run.folder, base)
    environment.filters["folder"] = lambda run: quote(relative_path(run.folder, base))
    environment.filters["mlflow_page"] = mlflow_page
    environment.filters["meaning"] = meaning
    environment.globals["words"] = WORDS
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")
    return environment
