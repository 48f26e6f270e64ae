"""What is shipped: the wheel works from anywhere, and the lock names no host."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from sdpa_exp import __version__

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
    assert re.findall(r"^(opencv.*|ultralytics(?!-platform|-thop).*)==", LOCK, re.M) == [
        "opencv-python-headless",
        "ultralytics-opencv-headless",
    ]


def test_the_oldest_pytorch_that_is_allowed_is_the_one_that_is_tested() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        [allowed] = [each for each in tomllib.load(file)["project"]["dependencies"] if each.startswith("torch>=")]
    [tested] = re.findall(r"^OLDEST := torch==(\d+\.\d+)\.0 ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert allowed == f"torch>={tested}"
    assert "make test-oldest" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_place_that_names_the_version_names_this_one() -> None:
    places = {
        "CITATION.cff": rf"^version: {__version__}$",
        "CHANGELOG.md": rf"^## {__version__}\b",
        "docs/howto/cite.md": rf"version = {{{__version__}}}",
        "docker/docker-compose.yml": rf"SDPA_EXP_IMAGE_TAG:-{__version__}",
        "docker/Dockerfile": rf"sdpa-exp:{__version__} ",
        "docker/try/steps_sweeps.sh": rf"sdpa-exp:{__version__} ",
    }
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in places}
    assert [name for name, pattern in places.items() if not re.search(pattern, texts[name], re.M)] == []


# Commands that make an environment of its own below the folder; the last one is the start of sdpa-exp's command line.
_UV_ENV = ("{uv}", "venv", "env")
_PIP_ENV = ("{python}", "-m", "venv", "env")
WAYS = {
    "uv": (_UV_ENV, ("{uv}", "pip", "install", "--python", "env", "{root}"), ("env/bin/sdpa-exp",)),
    "uv, editable": (_UV_ENV, ("{uv}", "pip", "install", "--python", "env", "-e", "{root}"), ("env/bin/sdpa-exp",)),
    "uvx": (("{uv}", "tool", "run", "--from", "{wheel}", "sdpa-exp"),),
    "sdist": (_UV_ENV, ("{uv}", "pip", "install", "--python", "env", "{sdist}"), ("env/bin/sdpa-exp",)),
    "pip": (_PIP_ENV, ("env/bin/python", "-m", "pip", "install", "{root}"), ("env/bin/sdpa-exp",)),
    "pipx": (("{uv}", "tool", "run", "pipx", "install", "--python", "{python}", "{wheel}"), ("bin/sdpa-exp",)),
}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the paths are those of POSIX environments")
@pytest.mark.parametrize("way", WAYS)
def test_every_installer_makes_an_environment_that_trains(tmp_path: Path, way: str) -> None:
    """Each brings Ultralytics and one OpenCV, the headless one: two would overwrite each other's files."""
    python = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")
    wheel = _wheel(tmp_path)
    [sdist] = wheel.parent.glob("*.tar.gz")
    values = {"uv": _uv(), "root": str(ROOT), "python": python, "wheel": str(wheel), "sdist": str(sdist)}
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "UV_PYTHON": python}
    *preparing, start = [[part.format(**values) for part in command] for command in WAYS[way]]
    for command in preparing:
        subprocess.run(command, check=True, cwd=tmp_path, env=environment)

    training = ("experiment=smoke", "hardware=cpu", "train.epochs=1", "hydra.run.dir=one")
    assert subprocess.run([*start, *training], cwd=tmp_path, env=environment, check=False).returncode == 0
    result = json.loads((tmp_path / "one" / "result.json").read_text(encoding="utf-8"))
    assert result["status"] == "FINISHED"
    assert result["environment"]["versions"]["ultralytics"]
    packages = Path(result["environment"]["locations"]["python"]).parents[1] / "lib"
    assert [file.name.split("-")[0] for file in packages.rglob("opencv*.dist-info")] == ["opencv_python_headless"]


@pytest.mark.slow
def test_an_installed_wheel_finds_its_configuration_from_any_folder(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    expected = {f"sdpa_exp/{file.relative_to(ROOT)}" for file in (ROOT / "conf").rglob("*.yaml")}
    templates = ROOT / "sdpa_exp" / "compare" / "report" / "templates"
    expected |= {str(file.relative_to(ROOT)) for file in templates.iterdir()}
    assert expected <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "conf/"))]

    layer = tmp_path / "layer"
    target = ["--python", sys.executable, "--target", str(layer)]
    subprocess.run([_uv(), "pip", "install", "--quiet", "--no-deps", *target, str(wheel)], check=True)
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


def _uv() -> str:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return uv or pytest.skip("uv is not installed")


def _wheel(folder: Path) -> Path:
    """The wheel as a release has it, made from the sdist, which lies beside it."""
    subprocess.run([_uv(), "build", "--quiet", "--out-dir", str(folder / "dist"), str(ROOT)], check=True)
    [wheel] = (folder / "dist").glob("*.whl")
    return wheel
