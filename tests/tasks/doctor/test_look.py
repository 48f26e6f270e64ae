"""Facts are gathered from real processes, folders and packages, and a broken import can't take the doctor with it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.tasks.doctor.faults import recognise
from sdpa_exp.tasks.doctor.look import (
    ask_store,
    find_toolkit,
    index_error,
    installed_distributions,
    probe,
    unwritable,
)


def write(folder: Path, **modules: str) -> Path:
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def test_an_import_error_keeps_its_words(tmp_path: Path) -> None:
    source = "raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')"
    imports, _ = probe(["cv9", "json"], None, time_limit_s=60, path=[str(write(tmp_path, cv9=source))])
    assert imports["cv9"].error == (
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    )
    assert imports["json"].error is None


def test_noise_on_stderr_is_kept_with_the_module_that_made_it(tmp_path: Path) -> None:
    """NumPy's ABI message is written while the import goes on, sometimes to its end."""
    source = "import os; os.write(2, b'AttributeError: _ARRAY_API not found\\n')"
    folder = write(tmp_path, quiet="", noisy=source, later="")
    imports, _ = probe(["quiet", "noisy", "later"], None, time_limit_s=60, path=[str(folder)])
    assert "_ARRAY_API not found" in imports["noisy"].stderr
    assert imports["noisy"].error is None
    assert imports["quiet"].stderr == imports["later"].stderr == ""


def test_a_module_that_kills_python_is_named_and_the_others_are_still_tried(tmp_path: Path) -> None:
    folder = write(
        tmp_path, killer="import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", leaver="import os; os._exit(3)"
    )
    imports, _ = probe(["json", "killer", "leaver", "csv"], None, time_limit_s=60, path=[str(folder)])
    assert imports["killer"].error == "importing it ends Python: signal SIGSEGV"
    assert imports["leaver"].error == "importing it ends Python: exit code 3"
    assert imports["json"].error is None
    assert imports["csv"].error is None


def test_an_import_that_hangs_is_given_up(tmp_path: Path) -> None:
    folder = write(tmp_path, sleeper="import time; time.sleep(600)")
    imports, _ = probe(["sleeper"], None, time_limit_s=3, path=[str(folder)])
    assert imports["sleeper"].error == "importing it ends Python: it took longer than 3 s"


def test_several_copies_of_a_distribution_are_all_found(tmp_path: Path) -> None:
    for place, version, installer in (("one", "2.15.0", "pip"), ("two", "2.8.0", "conda")):
        info = tmp_path / place / f"torch-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        (info / "INSTALLER").write_text(f"{installer}\n")
    found = installed_distributions([str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "one")])
    assert [(copy.version, copy.installer) for copy in found["torch"]] == [("2.15.0", "pip"), ("2.8.0", "conda")]


def toolkit_in(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "include").mkdir()
    (folder / "include" / "cuda.h").touch()
    nvcc = folder / "bin" / "nvcc"
    nvcc.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 12.8, V12.8.93'\n")
    nvcc.chmod(nvcc.stat().st_mode | stat.S_IXUSR)
    return folder


@pytest.mark.skipif(os.name == "nt", reason="nvcc is a shell script here")
def test_a_toolkit_is_found_by_the_rules_of_torch(tmp_path: Path) -> None:
    home = toolkit_in(tmp_path / "cuda-12.8")
    on_path = find_toolkit({"PATH": f"{home / 'bin'}:/bin"})
    assert (on_path.home, on_path.inferred_home, on_path.nvcc_version) == (None, str(home), "12.8")
    assert on_path.home_has_nvcc
    assert on_path.home_has_headers
    wrong = find_toolkit({"PATH": "/nowhere", "CUDA_HOME": str(tmp_path)})
    assert (wrong.nvcc, wrong.home, wrong.home_has_nvcc, wrong.home_has_headers) == (None, str(tmp_path), False, False)


@pytest.mark.skipif(os.name == "nt", reason="nvcc is a shell script here")
def test_a_wrapper_of_nvcc_misleads_torch_and_we_say_so(tmp_path: Path) -> None:
    """A script in /usr/local/bin makes torch take /usr/local for the toolkit; its build then finds no headers."""
    home = toolkit_in(tmp_path / "cuda-12.8")
    wrapper = tmp_path / "local" / "bin" / "nvcc"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\nexec {home}/bin/nvcc "$@"\n')
    wrapper.chmod(0o755)
    toolkit = find_toolkit({"PATH": f"{wrapper.parent}:/bin"})
    assert toolkit.nvcc_version == "12.8"
    assert toolkit.inferred_home == str(tmp_path / "local")
    assert not toolkit.home_has_headers


def test_a_folder_that_cannot_be_made_is_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert unwritable([tmp_path / "file" / "runs", tmp_path]) == {str(tmp_path / "file" / "runs"): "Not a directory"}


def test_the_store_is_asked(tmp_path: Path) -> None:
    def store(kind: str, uri: str | None) -> str | None:
        return ask_store(TrackingConfig(name="x", kind=kind, uri=uri))

    assert store("none", None) is None
    assert store("mlflow", f"sqlite:///{tmp_path}/mlflow.db") is None
    assert "refused" in str(store("mlflow", "http://127.0.0.1:9"))
    assert store("mlflow", "ftp://x") == "its address is missing"


def test_an_index_that_does_not_answer_is_a_fault_of_the_network() -> None:
    command = [sys.executable, "-m", "pip", "index", "versions", "--timeout", "2", "--retries", "1", "pip"]
    env = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/index", "PIP_CONFIG_FILE": os.devnull}
    env = {key: value for key, value in env.items() if key not in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")}
    asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    said = index_error(asked, timeout_s=60)
    assert said
    fault = recognise(said)
    assert fault is not None
    assert fault.kind == "network"
