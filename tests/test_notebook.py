"""The notebook for free GPUs: kept without outputs, and executed from top to bottom on the CPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "compare_on_a_free_gpu.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
# What IPython brings, as far as the notebook uses it: `!` lines, and a page that is shown.
IPYTHON = """\
import subprocess, sys, types
def shell(line):
    print(line, flush=True)
    subprocess.run(line, shell=True)  # as `!` does: a code other than 0 ends nothing
def display(page):
    print("displayed", len(page), flush=True)
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython.display"] = types.SimpleNamespace(HTML=str, display=display)
"""


def test_the_notebook_is_kept_without_outputs() -> None:
    assert [cell for cell in CELLS if cell["outputs"] or cell["execution_count"] is not None] == []


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path) -> None:
    """But for its installation and task=answer, which have tests of their own."""
    sources = ["".join(cell["source"]) for cell in CELLS if not cell["metadata"].get("tags")]
    script = IPYTHON + "\n".join(re.sub(r"^!(.*)$", r"shell(f'''\1''')", source, flags=re.M) for source in sources)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "SDPA_EXP_MORE": "experiment=smoke hardware=cpu train.imgsz=64 compare.speed=trainings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "6 runs: stock, sdpa, math x seeds 0, 42" in done.stdout
    assert re.search(r"^displayed \d{5,}$", done.stdout, re.M)
    assert (tmp_path / "sweep.zip").is_file()
