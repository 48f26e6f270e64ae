"""What is shipped: the wheel works from anywhere, and the lock names no host."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_names_neither_hosts_nor_paths() -> None:
    assert "://" not in LOCK
    assert not re.search(r"(^|\s)(/|\./|--)(?!hash)", LOCK.replace("--hash=", ""))


def test_every_requirement_of_the_lock_has_a_version_and_a_hash() -> None:
    blocks = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(blocks) > 50
    for block in blocks:
        assert re.match(r"[\w.-]+==\S+", block), block[:60]
        assert "--hash=sha256:" in block, block[:60]


def test_the_lock_has_opencv_without_a_display() -> None:
    assert "opencv-python-headless==" in LOCK
    assert re.findall(r"^opencv-python==\S+ ; (.*) \\$", LOCK, re.M) == ["sys_platform == 'never'"]


@pytest.mark.slow
def test_an_installed_wheel_finds_its_configuration_from_any_folder(tmp_path: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        pytest.skip("uv is not installed")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "dist"), str(ROOT)], check=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    expected = {f"sdpa_exp/{file.relative_to(ROOT)}" for file in (ROOT / "conf").rglob("*.yaml")}
    assert expected <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "conf/"))]

    layer = tmp_path / "layer"
    target = ["--python", sys.executable, "--target", str(layer)]
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", *target, str(wheel)], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    script = "import sys; from sdpa_exp.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "attention=flash", "--cfg", "job"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(layer)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "backend: flash" in done.stdout
    assert (layer / "bin" / "sdpa-exp").exists() or (layer / "Scripts" / "sdpa-exp.exe").exists()
