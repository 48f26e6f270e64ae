"""What does the framework cost? The train phase of our runs against plain Ultralytics with the same arguments.

    python -m benchmarks.overhead --repeats 4 --out benchmarks/results/NAME.json

Both trainings run as fresh processes, alternately, in random order within each pair. `train` is the training part of
all epochs but the first; plain Ultralytics is timed by two callbacks of its own, and nothing else is added to it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from sdpa_exp.results.environment import collect_environment
from sdpa_exp.tasks.bench.describe import machine_of

ARMS = ("plain", "framework")

_PLAIN = """
import json, sys, time
from pathlib import Path
from ultralytics import settings
from ultralytics.models.yolo.detect import DetectionTrainer
settings.update({"mlflow": False, "sync": False})
arguments, out = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
trainer = DetectionTrainer(overrides=arguments)
spans, start = [], [0.0]
def begin(trainer): start[0] = time.perf_counter()
def end(trainer): spans.append(time.perf_counter() - start[0])
trainer.add_callback("on_train_epoch_start", begin)
trainer.add_callback("on_train_epoch_end", end)
trainer.train()
out.write_text(json.dumps(sum(spans[1:])))
"""


def main() -> None:
    """Alternate the two, print the ratio with its interval, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_overhead_") as folder:
        pairs = measure(Path(folder), options.repeats, options.epochs)
    ratios = np.array([pair["framework"] / pair["plain"] for pair in pairs])
    content: dict[str, Any] = {
        "machine": machine_of(collect_environment(), torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "what": "train seconds (first epoch left out), attention=stock telemetry=default tracking=local / plain",
        "pairs_s": pairs,
        "ratio_median": float(np.median(ratios)),
        "ratio_min_max": [float(ratios.min()), float(ratios.max())],
    }
    print(json.dumps(content, indent=1))
    if options.out:
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, repeats: int, epochs: int) -> list[dict[str, float]]:
    """Pairs of train seconds. The first framework run also gives the arguments for the plain one."""
    framework(folder / "arguments", epochs)
    arguments = yaml.safe_load((folder / "arguments" / "train" / "args.yaml").read_text(encoding="utf-8"))
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(repeats):
        pair = {}
        for index in rng.permutation(2):
            place = folder / f"{number}_{ARMS[index]}"
            pair[ARMS[index]] = framework(place, epochs) if ARMS[index] == "framework" else plain(place, arguments)
        print(pair, flush=True)
        pairs.append(pair)
    return pairs


def framework(run_dir: Path, epochs: int) -> float:
    """Train seconds of one of our runs."""
    command = [sys.executable, "-m", "sdpa_exp", "attention=stock", "telemetry=default", "tracking=local"]
    command += [f"train.epochs={epochs}", f"hydra.run.dir={run_dir}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=run_dir.parent)
    record = json.loads((run_dir / "result.json").read_text(encoding="utf-8"))
    return float(record["quantities"]["train_s"])


def plain(folder: Path, arguments: dict[str, Any]) -> float:
    """Train seconds of Ultralytics alone, with the arguments that our run recorded."""
    folder.mkdir()
    given = {key: value for key, value in arguments.items() if key != "save_dir"}
    (folder / "arguments.json").write_text(json.dumps({**given, "project": str(folder)}), encoding="utf-8")
    environment = {**os.environ, "YOLO_OFFLINE": "true", "YOLO_CONFIG_DIR": str(folder.parent / "ultralytics")}
    command = [sys.executable, "-c", _PLAIN, str(folder / "arguments.json"), str(folder / "seconds.json")]
    subprocess.run(
        command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return float(json.loads((folder / "seconds.json").read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
