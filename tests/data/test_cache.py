from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.data.cache import cache_root


def test_the_variable_names_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SDPA_EXP_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"
    assert not (tmp_path / "here").exists()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/var/mine"}, Path("/var/mine/sdpa_exp")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path("/home/me/.cache/sdpa_exp")),
        ("linux", {}, Path("/home/me/.cache/sdpa_exp")),
        ("darwin", {}, Path("/home/me/Library/Caches/sdpa_exp")),
        ("win32", {"LOCALAPPDATA": "/C/Local"}, Path("/C/Local/sdpa_exp")),
        ("win32", {}, Path("/home/me/AppData/Local/sdpa_exp")),
    ],
)
def test_each_platform_has_its_folder(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: Path
) -> None:
    for name in ("SDPA_EXP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sdpa_exp.data.cache.sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    assert cache_root() == expected


def test_the_parent_can_import_data_without_torch_or_ultralytics() -> None:
    code = (
        "import sys, sdpa_exp.data.prepare; print([m for m in ('torch', 'ultralytics', 'hydra') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
