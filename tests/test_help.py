from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sdpa_exp.__main__ import main
from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.help import GROUPS, help_text, when_to_choose


def test_help_names_every_option_and_that_of_its_group_says_when_to_choose_it() -> None:
    page = help_text([])
    groups = {name: " ".join(help_text(["--help", name]).split()) for name in GROUPS}
    for file in conf_dir().glob("*/*.yaml"):
        assert re.search(rf"\b{file.stem}\b", page)
        text = groups[file.parent.name]
        assert re.search(rf"\b{file.stem}\*? {re.escape(' '.join(when_to_choose(file).split()))}", text), file


def test_help_is_one_page() -> None:
    assert len(help_text([]).splitlines()) <= 75


def test_help_of_a_key_says_what_it_means_takes_and_is_set_to() -> None:
    text = help_text(["--help", "export.half"])
    assert text.splitlines()[1:] == [
        "  fp16 where the format has it",
        "  takes true or false",
        "  false in task=export",
    ]
    assert "bench.rounds" in help_text(["--help", "bench"])
    assert "hardware.batch" in help_text(["--help", "hardware"])
    assert "train.lr0" in help_text(["--help", "train"])


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("hardware.precision", "takes fp32, fp16 or bf16, or null"),
        ("on_oom", "takes fail, repeat or exclude"),
        ("data.fail_on", "takes errors, warnings or nothing"),
        ("bench.levels", "takes a list of step, inference, module or op, or null"),
        ("train.lr0", "0.0002 in train=finetune: a tenth of what optimizer=auto takes"),
    ],
)
def test_help_of_a_key_lists_the_words_that_it_takes_and_why_files_set_it(topic: str, words: str) -> None:
    assert words in " ".join(help_text(["--help", topic]).split())


def test_help_of_one_option_says_when_to_choose_it_and_what_it_sets() -> None:
    bench = help_text(["--help", "task=bench"])
    assert bench.startswith("task=bench: Which attention is fastest")
    assert "bench.rounds" in bench
    assert "verify" not in bench
    assert help_text(["--help", "attention", "flash"]) == help_text(["--help", "attention=flash"])
    assert "hardware.precision=bf16" in help_text(["--help", "hardware=a100"])
    assert "--help task=bench" in help_text(["--help", "task"])


def test_help_of_a_name_from_elsewhere_says_what_it_is_here() -> None:
    assert help_text(["--help", "imgsz"]).startswith("imgsz is train.imgsz here.\ntrain.imgsz\n  side of the image")


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("hardware.bach", "Perhaps hardware.batch"),
        ("benhc", "Perhaps bench"),
        ("attention=flsh", "attention=flsh is no option: expected one of auto, cudnn, eager"),
        ("zzz", "There is no group or key zzz: expected one of the configuration's. --help alone lists the groups."),
    ],
)
def test_help_of_what_does_not_exist_is_a_mistake(
    topic: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sdpa-exp", "--help", topic])
    assert main() == 2
    assert words in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no head there")
def test_what_is_printed_may_be_cut_off() -> None:
    line = f"{sys.executable} -m sdpa_exp --info | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Hydra 1.3.8\n", "")


def test_help_marks_the_defaults() -> None:
    text = help_text([])
    for default in ("sdpa*", "yolo12n*", "synthetic*", "auto*", "quick*", "one*", "train*", "default*", "local*"):
        assert re.search(rf"[ ]{re.escape(default)}(,|$)", text, re.M), default


def test_help_says_what_a_newcomer_needs() -> None:
    text = help_text([])
    for words in (
        "attention=stock,sdpa seed=0,42 -m",
        "seeds=five",
        "--help KEY",
        "--cfg job",
        "dataset=yolo_dir dataset.path=",
        "--config-dir",
        "multirun/NAME/DATE_TIME/",
        "It is not the flash-attn package",
        "Exit codes",
    ):
        assert words in text


def test_help_lists_the_exit_codes_of_the_error_tree() -> None:
    text = help_text([])
    for code, words in (
        (0, "all runs finished"),
        (2, "can't work"),
        (6, "kernels that ran"),
        (9, "run folders"),
        (130, ""),
        (143, ""),
    ):
        assert re.search(rf"^  {code} +.*{words}", text, re.M)


def test_help_fits_a_terminal() -> None:
    assert max(len(line) for line in help_text([]).splitlines()) <= 120
    assert "\n\n\n" not in help_text([])


def test_help_offers_private_options(tmp_path: Path) -> None:
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "my_box.yaml").write_text("# You sit at my desk.\nname: my_box\n", encoding="utf-8")
    for arguments in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        assert "my_box" in help_text(arguments)
        assert re.search(r"my_box +You sit at my desk\.", help_text([*arguments, "--help", "hardware"]))


def test_help_is_answered_before_hydra_or_anything_heavy_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['sdpa-exp', '--help']\n"
        "from sdpa_exp.__main__ import main\n"
        "code = main(); heavy = {'hydra', 'omegaconf', 'yaml', 'torch', 'ultralytics', 'mlflow', 'numpy'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 []"
