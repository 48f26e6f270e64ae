"""The battery for a GPU: its steps compose, one runs for real on this machine, and its judge says no where it must."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import main, steps
from benchmarks.gpu_judge import judgement
from tests.config.composing import compose_plan


def answers(folder: Path) -> dict[str, tuple[str, str]]:
    rows = [line.strip("| ").split(" | ") for line in judgement(folder).splitlines()[4:]]
    return {question: (answer, seen) for question, answer, seen in rows}


def answer(folder: Path, words: str) -> tuple[str, str]:
    return next(told for question, told in answers(folder).items() if words in question)


def write_run(folder: Path, arm: str, seed: int, **changed: Any) -> None:
    """A finished training of a sweep on a GPU, as the worker and the parent record it."""
    folder.mkdir(parents=True)
    content = {
        "task": "train",
        "status": "FINISHED",
        "arm": arm,
        "seed": seed,
        "attestation": {"ok": True, "executed": {"train_forward": {"flash": 8}}},
        "environment": {"gpu_uuid": "GPU-1"},
        "memory": {"train": {"peak_allocated_mib": 1234.5}},
        "telemetry": {"overall": {"energy_source": "counter", "mean_gpu_sm_clock_mhz": 1700.0, "throttled_s": 0.0}},
    }
    (folder / "result.json").write_text(json.dumps(content | changed))
    (folder / "train").mkdir()
    (folder / "train" / "results.csv").write_text(f"epoch,time,loss\n1,{seed + len(arm)}.5,2.25\n")
    (folder / "worker.log").write_text("Ultralytics trains\n")


def write_battery(folder: Path, **of_flash: Any) -> Path:
    for seed in (0, 42):
        write_run(folder / "demo" / f"sdpa_{seed}", "sdpa", seed)
        write_run(folder / "demo" / f"flash_{seed}", "flash", seed, **of_flash)
    (folder / "logs").mkdir()
    (folder / "logs" / "smi.log").write_text("name, uuid\nNVIDIA H100, GPU-1\n")
    times = {"stock": 30.0, "flash": 20.2, "identity": 20.0}
    case = {"level": "step", "model": "yolo12n", "imgsz": 640, "batch": 16, "precision": "bf16"}
    (folder / "bench_n").mkdir()
    bench = {"cases": [case | {"arms": {arm: {"median_ms": ms} for arm, ms in times.items()}}]}
    (folder / "bench_n" / "bench.json").write_text(json.dumps(bench))
    content = {"machine": {"gpu": "NVIDIA H100 80GB HBM3"}, "steps": [{"name": "smi", "exit_code": 0}]}
    (folder / "steps.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("group", ["smoke", "figures"])
@pytest.mark.parametrize("is_cpu", [True, False])
def test_every_command_of_the_battery_composes(group: str, is_cpu: bool, tmp_path: Path) -> None:
    commands = [step.command for step in steps(group, tmp_path, is_cpu=is_cpu)]
    ours = [command for command in commands if "sdpa_exp" in command]
    assert len(ours) >= 6
    for command in ours:
        overrides = [text for text in command[3:] if text != "-m" and not text.startswith("hydra.")]
        first = [text.split(",")[0] if "[" not in text else text for text in overrides]
        assert compose_plan(*first).task.name in {"train", "doctor", "bench", "verify", "profile", "latency"}
        folders = [text for text in command if text.startswith("hydra.")]
        assert folders == [f"hydra.{'sweep' if command[-1] == '-m' else 'run'}.dir={folders[0].partition('=')[2]}"]


def test_test_folders_of_the_battery_exist() -> None:
    named = {
        part for step in steps("smoke", Path("x"), is_cpu=True) for part in step.command if part.startswith("tests/")
    }
    assert len(named) == 3
    assert all((Path(__file__).parents[2] / name).is_dir() for name in named)


def test_one_step_runs_here_and_leaves_one_file_with_a_judgement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["smoke", "doctor", "--cpu", "--budget-s", "400", "--out", str(tmp_path)]) == 0
    with tarfile.open(tmp_path / "battery_smoke.tar.gz") as archive:
        names = archive.getnames()
        steps_file = archive.extractfile("steps.json")
        assert steps_file is not None
        found = json.load(steps_file)
    assert {"steps.json", "judgement.md", "logs/doctor.log", "doctor/doctor.json"} <= set(names)
    assert [(step["name"], step["exit_code"]) for step in found["steps"]] == [("doctor", 0)]
    assert found["machine"]["versions"]["torch"]
    assert "The file to send" in capsys.readouterr().out


def test_a_battery_without_time_starts_nothing_and_fails(tmp_path: Path) -> None:
    assert main(["smoke", "doctor", "--cpu", "--budget-s", "1", "--out", str(tmp_path)]) == 1


def test_a_sound_battery_is_judged_so(tmp_path: Path) -> None:
    found = answers(write_battery(tmp_path))
    assert {told for told, _ in found.values()} == {"yes", "no"}
    assert [question for question, (told, _) in found.items() if told == "no"] == [
        "Does cuDNN warn of a gradient with other strides (a hidden copy)?"
    ]
    assert answer(tmp_path, "What is sdpa") == ("yes", "flash (train_forward)")
    assert answer(tmp_path, "within 2 %") == ("yes", "bench_n bf16: flash 1.010")


@pytest.mark.parametrize(
    ("of_flash", "words", "told"),
    [
        ({"attestation": {"ok": False, "executed": {}}}, "kernels run", "no"),
        ({"telemetry": {"overall": {"energy_source": "polling"}}}, "energy counter", "no"),
        ({"telemetry": None}, "clocks", "no"),
        ({"environment": {"gpu_uuid": "GPU-2"}}, "telemetry was read", "no"),
        ({"status": "FAILED"}, "equal curves", "not known"),
    ],
)
def test_what_is_wrong_is_judged_so(tmp_path: Path, of_flash: dict[str, Any], words: str, told: str) -> None:
    assert answer(write_battery(tmp_path, **of_flash), words)[0] == told


def test_impossible_times_other_curves_moving_peaks_and_hidden_copies_are_seen(tmp_path: Path) -> None:
    folder = write_battery(tmp_path)
    bench = json.loads((folder / "bench_n" / "bench.json").read_text())
    bench["cases"][0]["arms"]["flash"]["median_ms"] = 0.5
    (folder / "bench_n" / "bench.json").write_text(json.dumps(bench))
    (folder / "demo" / "flash_0" / "train" / "results.csv").write_text("epoch,time,loss\n1,9.5,2.26\n")
    path = folder / "demo" / "sdpa_0" / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"memory": {"train": {"peak_allocated_mib": 1234.6}}}))
    (folder / "demo" / "sdpa_0" / "worker.log").write_text(
        "UserWarning: cuDNN: grad_output has other strides than out\n"
    )
    assert answer(folder, "bound of the card")[0] == "no"
    assert answer(folder, "equal curves") == ("no", "1 of 2 pairs equal in every printed digit")
    assert answer(folder, "peak of allocated")[0] == "no"
    assert answer(folder, "hidden copy")[0] == "yes"


def test_an_empty_battery_knows_nothing(tmp_path: Path) -> None:
    assert {told for told, _ in answers(tmp_path).values()} == {"not known"}


def test_a_card_without_peaks_on_file_is_not_taken_for_its_cousin(tmp_path: Path) -> None:
    folder = write_battery(tmp_path)
    for gpu, told in (("NVIDIA GeForce RTX 4060 Laptop GPU", "yes"), ("NVIDIA GeForce RTX 4090", "not known")):
        (folder / "steps.json").write_text(json.dumps({"machine": {"gpu": gpu}, "steps": []}))
        assert answer(folder, "bound of the card")[0] == told
