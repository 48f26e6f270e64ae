"""Inference latency of stock, eager and sdpa through `task=latency`, several models, and a check of its clock.

    python -m benchmarks.latency --json benchmarks/results/latency_cpu.json

Each model is one run of the task in a fresh process, arms interleaved. The check: medians of the model's time by our
clock and by Ultralytics' own (`results[0].speed["inference"]` of `YOLO.predict`), on the same images, alternating.
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

from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.bench.machine import machine_of

_KEEP = ("network", "weights", "imgsz", "conf", "source", "boxes_by", "variants", "not_run", "agreement", "warnings")
_NUM_CHECKED = 12


def main() -> None:
    """Measure, print the tables and the check, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["yolo12n", "yolo12s"])
    parser.add_argument("--arms", nargs="+", default=["eager", "sdpa"], help="beside stock")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--time-limit-s", type=float, default=20, help="for each batch size of each model")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = {model: _run(model, options, Path(folder) / model) for model in options.models}
        check = _check_clock(options, Path(folder))
    print(f"model time, ours over Ultralytics' own: {check['ratio']:.3f}")
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key != "json"}
        content = {
            "machine": machine_of(collect_environment(), torch.device("cpu")),
            "settings": settings,
            "rows": rows_of(runs),
            "runs": runs,
            "clock_check": check,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _run(model: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "sdpa_exp", "task=latency", f"model={model}", "baseline=stock", "tracking=none",
        f"attention={options.arms[-1]}", f"latency.arms=[{','.join(options.arms)}]", f"hydra.run.dir={folder}",
        f"latency.imgsz={options.imgsz}", f"latency.batches=[{','.join(map(str, options.batches))}]",
        f"latency.time_limit_s={options.time_limit_s}", f"hardware.device={options.device}",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    content = json.loads((folder / "latency.json").read_text(encoding="utf-8"))
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    kernels = {arm: found["executed"] for arm, found in content["attestation"].items()}
    return {
        **{key: content[key] for key in _KEEP},
        "device": content["device"],
        "num_threads": content["num_threads"],
        "kernels": kernels,
        "phases_s": record["phases_s"],
    }


def rows_of(runs: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each model, batch and arm: medians of the stages, percentiles, FPS and the ratio to stock."""
    return [
        {
            "model": model,
            "batch": variant["batch"],
            "arm": arm,
            **{f"{stage}_ms": figures["p50"] for stage, figures in found["stages_ms"].items()},
            **{f"{name}_ms": found["latency_ms"][name] for name in ("p50", "p95", "p99")},
            "fps": found["fps"],
            "speedup": found["speedup"] and found["speedup"]["median"],
            "interval": found["speedup"] and [found["speedup"]["low"], found["speedup"]["high"]],
            "num_batches": variant["num_samples"],
        }
        for model, run in runs.items()
        for variant in run["variants"]
        for arm, found in variant["arms"].items()
    ]


def _check_clock(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Our model time over Ultralytics', both stock, alternating over the same images."""
    os.environ["YOLO_CONFIG_DIR"] = str(folder.parent)  # its settings file, else written into the user's home
    from ultralytics import YOLO

    from sdpa_exp.tasks.hardware import find_device
    from sdpa_exp.tasks.latency.arm import Arm, Options
    from sdpa_exp.tasks.latency.source import Frame, to_batches

    device = find_device(options.device)
    torch.manual_seed(0)
    yolo = YOLO(f"{options.models[0]}.yaml")
    torch.set_num_threads(1)
    arm = Arm(
        yolo.model,
        "stock",
        Options(
            device=device,
            imgsz=options.imgsz,
            precision="fp32",
            channels_last=None,
            conf=0.25,
            nms=None,
            run_dir=folder,
        ),
    )
    rng = np.random.default_rng(0)
    shape = (options.imgsz, options.imgsz, 3)
    frames = [Frame(path=str(i), pixels=rng.integers(0, 255, shape, dtype=np.uint8)) for i in range(_NUM_CHECKED)]
    ours, theirs = [], []
    for batch in to_batches(frames, 1):
        ours.append(1e3 * arm.run(batch).model_s)
        (result,) = yolo.predict(batch.images[0], imgsz=options.imgsz, device=str(device), verbose=False)
        torch.set_num_threads(1)  # Ultralytics sets it when it chooses its device
        theirs.append(result.speed["inference"])
    medians = {"ours_ms": float(np.median(ours[2:])), "ultralytics_ms": float(np.median(theirs[2:]))}
    ratio = medians["ours_ms"] / medians["ultralytics_ms"]
    return {**medians, "ratio": ratio, "num_images": _NUM_CHECKED - 2, "tolerated": [0.8, 1.25]}


if __name__ == "__main__":
    main()
