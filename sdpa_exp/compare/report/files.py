"""Writes everything a comparison leaves behind into its folder, the plain answer first."""

from __future__ import annotations

from sdpa_exp.compare.comparison import Comparison
from sdpa_exp.compare.report.accuracy_tables import accuracy_csvs
from sdpa_exp.compare.report.model import sections
from sdpa_exp.compare.report.render import report_html, report_markdown
from sdpa_exp.compare.report.schema import write_comparison
from sdpa_exp.compare.report.table import to_latex
from sdpa_exp.compare.report.tables import differences_csv, runs_csv
from sdpa_exp.compare.report.terminal import render_text
from sdpa_exp.runs.files import COMPARISON_TEXT_FILE, REPORT_HTML_FILE, REPORT_MARKDOWN_FILE, write_text_atomic

TABLES_DIR = "tables"
_MAX_LATEX_GROUPS = 20
_FOR_PAPERS = frozenset(
    {"arms", "differences", "noise_floor", "sizes", "classes", "accuracy_runs", "image_differences", "learning"}
)


def write_views(comparison: Comparison) -> Comparison:
    """comparison.json, comparison.txt, report.md, report.html and tables/; gives the comparison back."""
    folder = comparison.folder
    write_comparison(comparison)
    write_text_atomic(folder / COMPARISON_TEXT_FILE, render_text(comparison))
    write_text_atomic(folder / REPORT_MARKDOWN_FILE, report_markdown(comparison))
    write_text_atomic(folder / REPORT_HTML_FILE, report_html(comparison))
    tables = folder / TABLES_DIR
    tables.mkdir(exist_ok=True)
    csvs = {"runs.csv": runs_csv(comparison), "differences.csv": differences_csv(comparison)}
    for name, text in {**csvs, **accuracy_csvs(comparison.groups)}.items():
        write_text_atomic(tables / name, text)
    for number, group in enumerate(comparison.groups[:_MAX_LATEX_GROUPS]):
        suffix = f"_{number}" if len(comparison.groups) > 1 else ""
        for section in sections(comparison, group):
            if section.table and section.key in _FOR_PAPERS:
                write_text_atomic(tables / f"{section.key}{suffix}.tex", to_latex(section.table))
    return comparison
