"""What does the framework cost? Whole runs of ours, with parts switched off, against plain Ultralytics.

    python -m benchmarks.overhead --out benchmarks/results/NAME.json

Every round starts one fresh process for each arm, in random order, with the same training arguments: plain Ultralytics
(its own MLflow callback off, two callbacks of its own take the times, nothing else is added), ours as it comes, ours
with telemetry=none, ours with tracking=none. Attestation has no switch; its phase is timed by the runs themselves.
Two sweeps of tiny runs, of different length, give the cost of one more run. At the defaults this takes about 11
minutes on 2 cores; the machine should do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.overhead_figures import figures, table
from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.runs.events import read_events
from sdpa_exp.tasks.bench.machine import machine_of
from sdpa_exp.telemetry.host import HostProbe
from sdpa_exp.telemetry.probe import Probe
from sdpa_exp.telemetry.rapl import RaplProbe

OURS = {
    "ours": ("telemetry=default", "tracking=local"),
    "no_telemetry": ("telemetry=none", "tracking=local"),
    "no_tracking": ("telemetry=default", "tracking=none"),
}
ARMS = ("plain", *OURS)
SWEEP_LENGTHS = (1, 4)
_NUM_BLOCKS, _SAMPLES_A_BLOCK = 10, 20

_PLAIN = """
import json, sys, time
from pathlib import Path
from ultralytics import settings
from ultralytics.models.yolo.detect import DetectionTrainer
settings.update({"mlflow": False, "sync": False})
arguments, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
trainer = DetectionTrainer(overrides=arguments)
spans, start, first = [], [0.0], []
def begin(trainer): start[0] = time.perf_counter()
def end(trainer): spans.append(time.perf_counter() - start[0])
def batch(trainer):
    if not first: first.append(time.time())
trainer.add_callback("on_train_epoch_start", begin)
trainer.add_callback("on_train_batch_start", batch)
trainer.add_callback("on_train_epoch_end", end)
trainer.train()
out.write_text(json.dumps({"train_s": sum(spans[1:]), "first_batch_unix_s": first[0]}))
"""


def main() -> None:
    """Measure, print the table with the aims, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("overrides", nargs="*", help="of all runs, such as train.imgsz=64")
    options = parser.parse_args()
    overrides = ("train.plots=false", f"train.epochs={options.epochs}", *options.overrides)
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_overhead_") as folder:
        content: dict[str, Any] = {
            "machine": machine_of(collect_environment(), torch.device("cuda" if torch.cuda.is_available() else "cpu")),
            "command": " ".join(
                [
                    "python -m benchmarks.overhead",
                    f"--rounds {options.rounds} --epochs {options.epochs}",
                    *options.overrides,
                ]
            ),
            "overrides": overrides,
            "sample": time_samples(Path(folder)),
            "rounds": measure(Path(folder), options.rounds, overrides),
            "sweeps": [sweep(Path(folder) / f"sweep_{length}", length) for length in SWEEP_LENGTHS],
        }
    content["figures"] = figures(content)
    print(table(content["figures"]))
    if options.out:
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, num_rounds: int, overrides: tuple[str, ...]) -> list[dict[str, dict[str, float]]]:
    """Rounds of all arms. A first run of ours renders the data, makes the store, and gives plain's arguments."""
    framework(folder / "arguments", (*OURS["ours"], *overrides))
    arguments = yaml.safe_load((folder / "arguments" / "train" / "args.yaml").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    rounds = []
    for number in range(num_rounds):
        figures_of = {}
        for index in rng.permutation(len(ARMS)):
            arm, place = ARMS[index], folder / f"{number}_{ARMS[index]}"
            is_plain = arm == "plain"
            figures_of[arm] = plain(place, arguments) if is_plain else framework(place, (*OURS[arm], *overrides))
            print(f"round {number + 1} {arm}: {figures_of[arm]}", file=sys.stderr, flush=True)
        rounds.append(figures_of)
    return rounds


def framework(run_dir: Path, overrides: tuple[str, ...]) -> dict[str, float]:
    """One of our runs: its train seconds, and wall seconds from the start of the first process."""
    command = [sys.executable, "-m", "sdpa_exp", "attention=stock", *overrides, f"hydra.run.dir={run_dir}"]
    start_unix_s, start_s = time.time(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=run_dir.parent)
    wall_s = time.perf_counter() - start_s
    record = json.loads((run_dir / "result.json").read_text(encoding="utf-8"))
    first = next(event for event in read_events(run_dir) if event["event"] == "first_batch")
    return {
        "train_s": record["metrics"]["train_s"],
        "start_to_first_batch_s": first["time_unix_s"] - start_unix_s,
        "wall_s": wall_s,
        "worker_s": record["metrics"]["total_s"],
        "attestation_s": record["phases_s"]["attestation"],
    }


def plain(folder: Path, arguments: dict[str, Any]) -> dict[str, float]:
    """Ultralytics alone, with the arguments that our run recorded."""
    folder.mkdir()
    given = {key: value for key, value in arguments.items() if key != "save_dir"}
    (folder / "arguments.json").write_text(json.dumps({**given, "project": str(folder)}), encoding="utf-8")
    environment = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder.parent / "ultralytics")}
    command = [sys.executable, "-c", _PLAIN, str(folder / "arguments.json"), str(folder / "times.json")]
    start_unix_s, start_s = time.time(), time.perf_counter()
    subprocess.run(
        command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wall_s = time.perf_counter() - start_s
    times = json.loads((folder / "times.json").read_text(encoding="utf-8"))
    return {
        "train_s": times["train_s"],
        "start_to_first_batch_s": times["first_batch_unix_s"] - start_unix_s,
        "wall_s": wall_s,
    }


def sweep(folder: Path, length: int) -> dict[str, float]:
    """A sweep of tiny runs: its wall seconds, and those that its workers took."""
    seeds = ",".join(str(seed) for seed in range(length))
    command = [sys.executable, "-m", "sdpa_exp", "experiment=smoke", "train.epochs=2", "attention=stock"]
    command += [f"seed={seeds}", f"hydra.sweep.dir={folder}", "-m"]
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder.parent)
    wall_s = time.perf_counter() - start_s
    records = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/result.json")]
    if len(records) != length:
        raise RuntimeError(f"the sweep left {len(records)} results, expected {length}")
    worker_s = sum(record["metrics"]["total_s"] for record in records)
    print(f"sweep of {length}: {wall_s:.1f} s, workers {worker_s:.1f} s", file=sys.stderr, flush=True)
    return {"num_runs": length, "wall_s": wall_s, "worker_s": worker_s}


def time_samples(folder: Path) -> dict[str, Any]:
    """CPU seconds that one telemetry sample of host and CPU energy takes, in blocks, with this process as the tree."""
    probes: list[Probe] = [HostProbe(pid=os.getpid(), run_dir=folder), RaplProbe()]
    blocks = []
    for _ in range(_NUM_BLOCKS):
        start_s = time.thread_time()
        for _ in range(_SAMPLES_A_BLOCK):
            for probe in probes:
                probe.read()
        blocks.append((time.thread_time() - start_s) / _SAMPLES_A_BLOCK)
    return {"cpu_s_per_sample": blocks, "period_s": 1.0}


if __name__ == "__main__":
    main()
