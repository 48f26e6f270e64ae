"""What the event log and the sender cost an epoch, in one process; prints JSON.

    python -m benchmarks.recording_cost --epochs 60 --json benchmarks/results/recording_cost_cpu.json

A run folder is filled in real time, an epoch every two seconds and a telemetry sample every second, and followed into
a real sqlite store. The training waits for the log's writes, so that their wall time counts; the sender has a thread
of the parent for itself, and its CPU time counts, as if it were taken from the training. Both are set against a
training epoch of the overhead benchmark (demo, batch and images as there).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.compare_scale import write_sweep
from sdpa_exp.config.plan import read_plan, write_plan
from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.runs.environment import software_and_host
from sdpa_exp.runs.events import EventLog, read_events
from sdpa_exp.runs.files import EVENTS_FILE, TELEMETRY_FILE
from sdpa_exp.runs.json_lines import LineWriter
from sdpa_exp.tracking.tracker import make_tracker

OVERHEAD = Path(__file__).parent / "results" / "overhead_cpu.json"
EPOCH_S = 2.0  # between two epochs: more than the sender's second, so that it sends each by itself


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recording_cost_") as place:
        content = measure(Path(place), options.epochs)
    text = json.dumps(content, indent=2) + "\n"
    print(text)
    if options.json:
        options.json.write_text(text, encoding="utf-8")


def measure(place: Path, num_epochs: int) -> dict[str, Any]:
    """The figures."""
    write_sweep(place / "made", num_runs=1, epochs=1)
    made = next((place / "made").rglob(EVENTS_FILE)).parent
    epoch = next(event for event in read_events(made) if event["event"] == "epoch")
    run_dir = place / "run"
    plan = read_plan(made)
    plan.job.__dict__.update(run_dir=str(run_dir), sweep_dir=None)
    write_plan(plan)
    config = TrackingConfig(name="local", kind="mlflow", uri=f"sqlite:///{place}/mlflow.db", timeout_s=60.0)
    tracker = make_tracker(config, experiment=plan.name)
    log, samples = EventLog(run_dir), LineWriter(run_dir / TELEMETRY_FILE, sync=False)
    log.write("run_started", plan_group_id=plan.group_id())
    tracker.follow(run_dir)
    time.sleep(30.0)  # MLflow is imported and the store made, once a process
    before_s, writes_s = _sender_cpu_s(), []
    for number in range(1, num_epochs + 1):
        started_s = time.perf_counter()
        log.write("epoch", epoch=number, epochs=num_epochs, metrics=epoch["metrics"], train_s=EPOCH_S, val_s=0.1)
        writes_s.append(time.perf_counter() - started_s)
        for _ in range(round(EPOCH_S)):
            samples.write(
                {"time_unix_s": time.time(), "mono_s": time.monotonic(), "cpu_percent": 100.0, "rss_mib": 900.0}
            )
            time.sleep(1.0)
    sender_ms = 1000 * (_sender_cpu_s() - before_s) / num_epochs
    log.close()
    samples.close()
    tracker.close()
    rounds = json.loads(OVERHEAD.read_text(encoding="utf-8"))
    num_trained = int(next(word for word in rounds["overrides"] if word.startswith("train.epochs=")).partition("=")[2])
    epoch_s = statistics.median(each["ours"]["train_s"] for each in rounds["rounds"]) / num_trained
    log_ms = 1000 * statistics.median(writes_s)
    return {
        "command": f"python -m benchmarks.recording_cost --epochs {num_epochs}",
        "num_epochs": num_epochs,
        "log_wall_ms_median": log_ms,
        "log_wall_ms_max": 1000 * max(writes_s),
        "sender_cpu_ms_an_epoch": sender_ms,
        "training_epoch_s": epoch_s,
        "log_percent": log_ms / epoch_s / 10,
        "sender_percent": sender_ms / epoch_s / 10,
        "both_percent": (log_ms + sender_ms) / epoch_s / 10,
        "epoch_s_within_aim": (log_ms + sender_ms) / 1000 / 0.002,
        "environment": {key: value for key, value in software_and_host().items() if key != "locations"},
    }


def _sender_cpu_s() -> float:
    thread = next(each for each in threading.enumerate() if each.name == "tracking")
    own = next(each for each in psutil.Process(os.getpid()).threads() if each.id == thread.native_id)
    return float(own.user_time + own.system_time)


if __name__ == "__main__":
    main()
