"""An attention of one's own: two files or one function, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sdpa_exp import Attention, attest, inject
from sdpa_exp.attention.backends.eager import explicit_attention
from sdpa_exp.attention.registry import get_backend
from sdpa_exp.errors import BackendUnavailable, ConfigError
from sdpa_exp.help import help_text
from sdpa_exp.tasks.bench import Bench
from sdpa_exp.tasks.doctor.matrix import availability
from tests.tasks.planning import plan_of

ROOT = Path(__file__).parents[2]
QUICK = ("task=bench", "hardware=cpu", "bench.levels=[op]", "bench.op_shapes=[[1,2,64,32]]", "bench.rounds=2")
X = torch.randn(2, 30, 64, generator=torch.Generator().manual_seed(0))


def two_files() -> tuple[str, str]:
    """The Python and the YAML file that CONTRIBUTING shows."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = [re.findall(rf"```{kind}\n(.*?)```", text, re.S) for kind in ("python", "yaml")]
    [python], [yaml] = ([block for block in found if "chunked" in block] for found in blocks)
    return python, yaml


def sdpa_exp(*arguments: str, cwd: Path, package: Path = ROOT) -> str:
    env = {**os.environ, "PYTHONPATH": str(package), "SDPA_EXP_CACHE": str(cwd / "cache")}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def example() -> str:
    """The function in the contract's docstring."""
    code = re.search(r"for example:\n\n(.*?)\n\n  python -m", help_text(["--help", "attention"]), re.S)
    assert code is not None
    return "\n".join(line.removeprefix("  ") for line in code.group(1).splitlines()) + "\n"


@pytest.mark.slow
def test_the_two_files_of_contributing_are_all_it_takes_in_an_installed_package(tmp_path: Path) -> None:
    package = tmp_path / "site"
    shutil.copytree(ROOT / "sdpa_exp", package / "sdpa_exp", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "conf", package / "sdpa_exp" / "conf")  # as in a wheel
    python, yaml = two_files()
    (package / "sdpa_exp/attention/backends/chunked.py").write_text(python, encoding="utf-8")
    (package / "sdpa_exp/conf/attention/chunked.yaml").write_text(yaml, encoding="utf-8")
    (package / "tests/attention").mkdir(parents=True)
    shutil.copy(ROOT / "tests/attention/test_parity.py", package / "tests/attention/test_parity.py")

    assert re.search(
        r"chunked +Explicit softmax where memory is short",
        sdpa_exp("sdpa_exp", "--help", "attention", cwd=tmp_path, package=package),
    )
    parity = sdpa_exp("pytest", "-q", str(package / "tests"), "-k", "chunked", cwd=tmp_path, package=package)
    assert "3 passed" in parity
    run_dir = tmp_path / "run"
    sdpa_exp(
        "sdpa_exp", *QUICK, "bench.arms=[eager,chunked]", f"hydra.run.dir={run_dir}", cwd=tmp_path, package=package
    )
    [*cases] = json.loads((run_dir / "bench.json").read_text())["cases"]
    assert {case["what"]: case["arms"]["chunked"]["kernels"]["forward"] for case in cases} == {
        "forward": ["explicit softmax"],
        "forward+backward": ["explicit softmax"],
    }


def test_the_same_two_files_work_below_a_config_dir_and_attention_names_an_arm_of_the_benchmark(tmp_path: Path) -> None:
    folder = tmp_path / "my_conf" / "attention"
    folder.mkdir(parents=True)
    python, yaml = two_files()
    (folder / "chunked.py").write_text(python, encoding="utf-8")
    yaml = yaml.replace("backend: chunked ", "backend: chunked.py:BACKEND ")
    (folder / "chunked.yaml").write_text(yaml, encoding="utf-8")
    (folder / "again.yaml").write_text(yaml.replace("name: chunked", "name: again"), encoding="utf-8")
    run_dir = tmp_path / "run"
    sdpa_exp(
        "sdpa_exp", "--config-dir", "my_conf", *QUICK, "attention=chunked", "bench.arms=[eager,again]",
        f"hydra.run.dir={run_dir}", cwd=tmp_path,
    )  # fmt: skip
    content = json.loads((run_dir / "bench.json").read_text())
    reference = f"{folder / 'chunked.py'}:BACKEND"
    assert content["arms"] == {"eager": "eager", "again": reference, "chunked": reference}
    assert set(content["cases"][0]["arms"]) == {"eager", "again", "chunked"}


def test_the_example_of_the_contract_trains_and_is_attested_as_its_own_code(tmp_path: Path) -> None:
    """A linear attention: no softmax, so no kernel that is known."""
    code = example()
    assert len(code.splitlines()) <= 15
    (tmp_path / "my_attention.py").write_text(code, encoding="utf-8")
    network = nn.Sequential(Attention(64, 4, backend=f"{tmp_path / 'my_attention.py'}:linear"))
    attestation = attest(network, X, dtype="fp32")
    assert attestation.mismatches == ()
    assert attestation.executed() == {
        stage: {"its own code (linear)": 1} for stage in ("train_forward", "train_backward", "val_forward")
    }
    inject(network, "eager")
    assert attest(network, X).executed()["val_forward"] == {"explicit softmax (eager)": 1}


def test_a_function_by_its_file_is_named_after_itself_and_its_path_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_attention.py").write_text(example(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    plan = plan_of("attention.backend=my_attention.py:linear", run_dir=tmp_path)
    assert (plan.arm, plan.attention.backend) == ("linear", f"{tmp_path / 'my_attention.py'}:linear")
    plan = plan_of("attention.backend=my_attention.py:linear", "attention.name=mine", run_dir=tmp_path)
    assert plan.arm == "mine"
    bench = plan_of("task=bench", "bench.arms=[stock,'my_attention.py:linear']", run_dir=tmp_path)
    assert Bench.of(bench).arms == ["stock", f"{tmp_path / 'my_attention.py'}:linear"]
    assert bench.title == "bench stock, linear seed 0"


def test_the_doctor_has_a_row_for_each_attention_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "my_attention.py").write_text(example(), encoding="utf-8")
    plan = plan_of("hardware=cpu", f"attention.backend={tmp_path / 'my_attention.py'}:linear", run_dir=tmp_path)
    matrix = availability(dataclasses.replace(plan, attentions={"broken": f"{tmp_path / 'gone.py'}:f"}))
    assert (matrix["chosen"]["backend"], matrix["chosen"]["reasons"]) == ("linear", [])
    assert "can't be imported: FileNotFoundError" in matrix["backends"]["broken"]["precisions"]["fp32"]["reasons"][0]


def test_the_former_name_of_the_key_is_refused_with_the_new_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"attention\.core has another name now: expected attention\.backend\."):
        plan_of("+attention.core=flash", run_dir=tmp_path)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def mine(q, k, v): ...", r"is a function: expected a function f\(q, k, v, scale\) -> out, or a Backend"),
        ("mine = 3", r"is a int: expected a function f\(q, k, v, scale\)"),
        ("import no_such_package", "can't be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def other(q, k, v, scale): ...", "can't be imported: AttributeError"),
    ],
)
def test_what_is_no_attention_is_refused_in_a_sentence(code: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    with pytest.raises(BackendUnavailable, match=sentence):
        get_backend(f"{tmp_path / 'mine.py'}:mine")


def transposed(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return explicit_attention(q, k, v, scale).transpose(1, 2)


def test_a_function_itself_is_injected_and_one_that_returns_another_shape_is_refused_by_name() -> None:
    network = nn.Sequential(Attention(64, 4))
    want = network(X)
    inject(network, explicit_attention)
    assert torch.allclose(network(X), want, atol=1e-6)
    inject(network, transposed)
    with pytest.raises(BackendUnavailable, match=r"transposed returned shape \(2, 30, 4, 16\): expected v's, \(2, 4"):
        network(X)
    with pytest.raises(BackendUnavailable, match="expected a function at the top of a module"):
        inject(network, lambda q, k, v, scale: v)


def test_a_backend_that_cannot_run_where_the_model_is_says_so_at_the_first_call() -> None:
    network = nn.Sequential(Attention(64, 4))
    inject(network, "efficient")  # the model may still go to a GPU
    if torch.cuda.is_available():
        assert network.cuda()(X.cuda()).shape == X.shape
        network.cpu()
    with pytest.raises(BackendUnavailable, match=r"attention=efficient can't run here: it has no CPU kernel"):
        network(X)
