"""task=answer as a command on its defaults: minutes on two cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_command_ends_with_a_sentence_that_one_can_act_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sdpa_exp", "task=answer", "hydra.run.dir=one"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "one" / "answer.json").read_text(encoding="utf-8"))
    assert len(content["processes"]) == 5
    assert content["headline"].startswith(("Use ", "Keep "))
    assert " ".join(content["headline"].split()[:4]) in done.stdout
    assert "to use it:  python -m sdpa_exp attention=" in done.stdout
    assert "about" in next(line for line in done.stdout.splitlines() if "by a first step" in line)
    assert content["headline"] in (tmp_path / "one" / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "one" / "result.json").read_text(encoding="utf-8"))["headline"] == content["headline"]
