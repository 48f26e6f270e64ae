r"""What an MLflow server takes from us and how fast it answers with many runs in it; prints JSON.

    python -m benchmarks.tracking_server --runs 1000 --epochs 300 --out benchmarks/results/tracking_server_sqlite.json
    python -m benchmarks.tracking_server --runs 1000 --epochs 300 --uri http://127.0.0.1:5000 --backend postgresql \
        --size-command 'psql "$DSN" -Atc "SELECT pg_database_size(current_database())"' \
        --out benchmarks/results/tracking_server_postgresql.json

Without --uri it starts a server of its own on sqlite. Finished run folders in the real formats (13 metrics an epoch,
300 lines of telemetry, no checkpoint) are sent by what `task=sync` uses, one after the other. Then the calls that
MLflow's pages make are timed one by one, and its run table and compare page in headless Chromium, if there is one.
User and password come from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. The experiment stays on the server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests

from benchmarks.compare_scale import write_sweep
from benchmarks.headless import find_browser, page

NUM_SAMPLES = 300
PATIENCE_S = 120.0


def main() -> None:
    """Load, measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", help="an MLflow server; without it, one is started on sqlite")
    parser.add_argument("--backend", default="sqlite", help="what the server keeps its runs in, for the record")
    parser.add_argument("--size-command", help="a shell command that prints the bytes of the server's database")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of the two pages")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_server_") as name:
        folder = Path(name)
        if options.uri:
            content = measure(options, folder, options.uri, lambda: told_size(options.size_command))
        else:
            with own_server(folder) as (uri, database):
                content = measure(options, folder, uri, lambda: sqlite_size(database))
    print(json.dumps(content, indent=1))
    if options.out:
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace, folder: Path, uri: str, size: Callable[[], int | None]) -> dict[str, Any]:
    """All figures of one server."""
    experiment = f"tracking_server_{time.time_ns()}"
    empty_bytes = size()
    print(f"writing {options.runs} run folders ...", file=sys.stderr)
    write_sweep(folder / "sweep", options.runs, options.epochs)
    add_what_runs_have(folder / "sweep", experiment)
    print(f"sending them to {uri} ...", file=sys.stderr)
    sending = send(uri, folder / "sweep", experiment, num_points=options.runs * options.epochs * 15)
    full_bytes = size()
    is_known = empty_bytes is not None and full_bytes is not None
    per_run = round((full_bytes - empty_bytes) / options.runs) if is_known else None  # type: ignore[operator]
    print("asking for what the pages ask for ...", file=sys.stderr)
    return {
        "benchmark": "tracking_server",
        "backend": options.backend,
        "num_runs": options.runs,
        "epochs": options.epochs,
        "machine": {
            "cpu": platform.machine(),
            "num_cpus": os.cpu_count(),
            "memory_mib": psutil.virtual_memory().total >> 20,
        },
        "versions": versions(uri),
        "sending": sending,
        "database": {
            "bytes_per_run": per_run,
            "total_mib": None if full_bytes is None else round(full_bytes / 2**20, 1),
            "unmeasured": None if is_known else "no --size-command was given",
        },
        "api": api_times(uri, experiment, repeats=options.repeats),
        "pages": page_times(uri, experiment, pictures=options.pictures),
    }


def add_what_runs_have(sweep_dir: Path, experiment: str) -> None:
    """Telemetry and result files, and the experiment of this measurement in place of the sweep's name."""
    samples = [
        {"time_unix_s": 1.79e9 + i, "mono_s": float(i), "cpu_percent": 100.0 + i % 7, "rss_mib": 900.0 + i % 31,
         "system_cpu_percent": 55.0 + i % 11, "memory_used_mib": 4000.0 + i % 13, "read_mib": 0.1 * i}
        for i in range(NUM_SAMPLES)
    ]  # fmt: skip
    telemetry = "".join(json.dumps(sample) + "\n" for sample in samples)
    for plan in sweep_dir.glob("*/plan.yaml"):
        plan.write_text(plan.read_text(encoding="utf-8").replace("name: scale\n", f"name: {experiment}\n", 1), "utf-8")
        (plan.parent / "telemetry.jsonl").write_text(telemetry, encoding="utf-8")
        (plan.parent / "worker.log").write_text("epoch\n" * 2000, encoding="utf-8")
    path = sweep_dir / "sweep.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), "name": experiment}
    path.write_text(json.dumps(content), encoding="utf-8")


def send(uri: str, sweep_dir: Path, experiment: str, *, num_points: int) -> dict[str, Any]:
    """Runs and points a second, with the sender of `task=sync`. Its import of MLflow is not part of the time."""
    from sdpa_exp.config.schema import TrackingConfig
    from sdpa_exp.tracking.tracker import make_tracker

    config = TrackingConfig(name="server", kind="mlflow", uri=uri, log_checkpoint=False, timeout_s=300.0)
    tracker = make_tracker(config, experiment=experiment)
    tracker.check()
    process = psutil.Process()
    start_s, start_cpu_s = time.perf_counter(), process.cpu_times().user + process.cpu_times().system
    num_requests = tracker.sync(sweep_dir)
    wall_s = time.perf_counter() - start_s
    cpu_s = process.cpu_times().user + process.cpu_times().system - start_cpu_s
    num_runs = len(list(sweep_dir.glob("*/plan.yaml")))
    assert tracker.sync(sweep_dir) == 0
    return {
        "wall_s": round(wall_s, 1),
        "sender_cpu_s": round(cpu_s, 1),
        "num_requests": num_requests,
        "num_epoch_points": num_points,
        "runs_per_s": round(num_runs / wall_s, 3),
        "epoch_points_per_s": round(num_points / wall_s),
    }


def api_times(uri: str, experiment: str, *, repeats: int) -> dict[str, Any]:
    """Milliseconds of the calls behind the pages: the list of experiments, the run table, a chart, a comparison."""
    session = requests.Session()
    if "MLFLOW_TRACKING_PASSWORD" in os.environ:
        session.auth = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    api = f"{uri}/ajax-api/2.0/mlflow"
    experiment_id, run_ids = _ids(session, api, experiment)
    search: dict[str, Any] = {"experiment_ids": [experiment_id], "max_results": 100, "run_view_type": "ACTIVE_ONLY"}
    bulk = f"{api}/metrics/get-history-bulk-interval?metric_key=mAP50-95&max_results=320"

    def compare() -> list[requests.Response]:
        four = run_ids[:4]
        answers = [session.get(f"{api}/runs/get?run_id={run_id}") for run_id in four]
        return [*answers, session.get(bulk + "".join(f"&run_ids={run_id}" for run_id in four))]

    asked: dict[str, Callable[[], list[requests.Response]]] = {
        "experiments_search": lambda: [session.post(f"{api}/experiments/search", json={"max_results": 100})],
        "runs_search_100_newest": lambda: [
            session.post(f"{api}/runs/search", json={**search, "order_by": ["attributes.start_time DESC"]})
        ],
        "runs_search_100_best_mAP50-95": lambda: [
            session.post(f"{api}/runs/search", json={**search, "order_by": ["metrics.`final/mAP50-95` DESC"]})
        ],
        "metric_history_of_one_run": lambda: [
            session.get(f"{api}/metrics/get-history?run_id={run_ids[0]}&metric_key=mAP50-95&max_results=25000")
        ],
        "chart_of_10_runs": lambda: [session.get(bulk + "".join(f"&run_ids={run_id}" for run_id in run_ids[:10]))],
        "compare_4_runs": compare,
    }
    return {name: _timed(call, repeats) for name, call in asked.items()}


def _ids(session: requests.Session, api: str, experiment: str) -> tuple[str, list[str]]:
    found = session.get(f"{api}/experiments/get-by-name?experiment_name={experiment}")
    experiment_id = found.json()["experiment"]["experiment_id"]
    query: dict[str, Any] = {
        "experiment_ids": [experiment_id],
        "max_results": 20,
        "filter": "tags.arm != 'none'",
    }
    runs = session.post(f"{api}/runs/search", json=query).json()["runs"]
    return experiment_id, [run["info"]["run_id"] for run in runs]


def _timed(call: Callable[[], list[requests.Response]], repeats: int) -> dict[str, Any]:
    call()
    times_ms = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        answers = call()
        times_ms.append(1000 * (time.perf_counter() - start_s))
        for answer in answers:
            answer.raise_for_status()
    num_bytes = sum(len(answer.content) for answer in answers)
    return {
        "median_ms": round(statistics.median(times_ms), 1),
        "max_ms": round(max(times_ms), 1),
        "answer_kib": round(num_bytes / 1024, 1),
    }


def page_times(uri: str, experiment: str, *, pictures: Path | None) -> dict[str, Any]:
    """Seconds until the run table and the comparison of four runs are on the screen; again with a warm cache."""
    browser = find_browser()
    if browser is None:
        return {"unmeasured": "no Chromium was found"}
    session = requests.Session()
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        session.auth = (user, password)
    experiment_id, run_ids = _ids(session, f"{uri}/ajax-api/2.0/mlflow", experiment)
    four = quote(json.dumps(run_ids[:4], separators=(",", ":")))
    start = f"{uri}/#/experiments/{experiment_id}/runs?workflowType=machine_learning"
    looks = {
        "run_table": (start, "document.querySelectorAll('[role=row]').length > 5"),
        "compare_4_runs": (
            f"{uri}/#/compare-runs?runs={four}&experiments={quote(json.dumps([experiment_id]))}",
            "document.body.innerText.includes('mAP50-95') && document.querySelectorAll('svg.main-svg').length > 0",
        ),
    }
    found: dict[str, Any] = {
        "browser": subprocess.check_output([browser, "--version"], text=True).split(" built")[0].strip()
    }
    with page(browser) as tab:
        if user and password:
            tab.log_in(user, password)
        for name, (address, condition) in looks.items():
            first, second = (tab.seconds_until(address, condition, patience_s=PATIENCE_S) for _ in range(2))
            found[name] = {
                "first_s": first and round(first, 2),
                "again_s": second and round(second, 2),
                "calls": tab.calls(),
                "unmeasured": None if first else f"it was not there after {PATIENCE_S:g} s",
            }
            if pictures:
                pictures.mkdir(parents=True, exist_ok=True)
                time.sleep(2)
                tab.picture(pictures / f"{name}.png")
    return found


def versions(uri: str) -> dict[str, str]:
    """The server's version, and ours."""
    auth = (
        (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
        if ("MLFLOW_TRACKING_PASSWORD" in os.environ)
        else None
    )
    names = ("mlflow", "sqlalchemy", "requests")
    return {
        "server": requests.get(f"{uri}/version", auth=auth, timeout=30).text.strip(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names},
    }


def sqlite_size(database: Path) -> int:
    """Bytes of the file and its event logs."""
    return sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))


def told_size(command: str | None) -> int | None:
    """Bytes of the server's database, as a shell command prints them; None without one."""
    return int(subprocess.check_output(command, shell=True, text=True)) if command else None


@contextmanager
def own_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """An MLflow server on loopback with a new sqlite file; its address and the file."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri, database = f"http://127.0.0.1:{port}", folder / "mlflow.db"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=folder)
    try:
        while server.poll() is None:
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{uri}/health", timeout=5).raise_for_status()
                break
            time.sleep(0.2)
        assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
        yield uri, database
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


if __name__ == "__main__":
    main()
