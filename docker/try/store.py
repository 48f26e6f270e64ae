"""What try.sh asks of a store: everything in it as one JSON file, and whether two such files say the same.

`store.py dump URI FILE`: experiments, runs, params, tags, every metric point, and a digest of every artifact.
`store.py same A B`: equal, file by file and point by point (before a wipe, after the restore).
`store.py as-sent DUMP REFERENCE FOLDER...`: each run folder is in DUMP once, finished, with exactly the points of
REFERENCE, a store that was filled from the same folders and was never away.
`store.py with-key URI FOLDER`, `store.py strays URI`: runs of a folder, and runs that were disowned.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false")

KEY_TAG = "sdpa_exp.key"
STRAY_TAG = "sdpa_exp.stray"


def dump(uri: str, file: str) -> int:
    """Write all that a store holds."""
    client = _client(uri)
    content = {
        experiment.name: sorted((_run(client, run.info.run_id) for run in _runs(client, experiment)), key=_identity)
        for experiment in client.search_experiments()
        if experiment.name != "Default"
    }
    Path(file).write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
    return _say(content)


def same(one: str, other: str) -> int:
    """Compare two dumps of one store."""
    a, b = (json.loads(Path(name).read_text(encoding="utf-8")) for name in (one, other))
    if a != b:
        runs_a, runs_b = ({run["id"]: run for run in _all(content)} for content in (a, b))
        for run_id in sorted(set(runs_a) | set(runs_b)):
            if runs_a.get(run_id) != runs_b.get(run_id):
                print(f"run {run_id} differs", file=sys.stderr)
        return 1
    return _say(a)


def as_sent(dumped: str, reference: str, *folders: str) -> int:
    """Compare what a server got, with interruptions, with what a store got without."""
    got, wanted = (_all(json.loads(Path(name).read_text(encoding="utf-8"))) for name in (dumped, reference))
    num_points = 0
    for folder in folders:
        key = json.loads((Path(folder) / "tracking.json").read_text(encoding="utf-8"))["key"]
        ours, theirs = ([run for run in runs if run["tags"].get(KEY_TAG) == key] for runs in (got, wanted))
        if len(ours) != 1 or len(theirs) != 1:
            print(f"{folder}: {len(ours)} runs on the server, {len(theirs)} in the reference", file=sys.stderr)
            return 1
        for field in ("name", "status", "end", "params", "metrics"):
            if ours[0][field] != theirs[0][field]:
                print(f"{folder}: {field} on the server differs from the reference", file=sys.stderr)
                return 1
        if set(ours[0]["artifacts"]) != set(theirs[0]["artifacts"]) or not ours[0]["artifacts"]:
            print(f"{folder}: artifacts {set(ours[0]['artifacts']) ^ set(theirs[0]['artifacts'])}", file=sys.stderr)
            return 1
        if ours[0]["status"] != "FINISHED":
            print(f"{folder}: {ours[0]['status']}", file=sys.stderr)
            return 1
        num_points += sum(len(points) for points in ours[0]["metrics"].values())
    print(f"{len(folders)} folders, each one run, finished; {num_points} metric points, each once")
    return 0


def with_key(uri: str, folder: str) -> int:
    """Print how many runs carry the key of a run folder."""
    key = json.loads((Path(folder) / "tracking.json").read_text(encoding="utf-8"))["key"]
    client = _client(uri)
    found = [run for experiment in client.search_experiments() for run in _runs(client, experiment)]
    print(sum(run.data.tags.get(KEY_TAG) == key for run in found))
    return 0


def strays(uri: str) -> int:
    """Say how the runs that were disowned look; at least one must be there."""
    client = _client(uri)
    found = [run for experiment in client.search_experiments() for run in _runs(client, experiment)]
    disowned = [run for run in found if STRAY_TAG in run.data.tags]
    is_right = all(run.info.status == "KILLED" and KEY_TAG not in run.data.tags for run in disowned)
    print(f"{len(disowned)} stray run: KILLED, tagged {STRAY_TAG}, without our key; the folder's own is complete")
    return 0 if disowned and is_right else 1


def _client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(uri)


def _runs(client: Any, experiment: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _run(client: Any, run_id: str) -> dict[str, Any]:
    run = client.get_run(run_id)
    history = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    return {
        "id": run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": {name: sorted([m.step, m.timestamp, m.value] for m in points) for name, points in history.items()},
        "artifacts": _artifacts(client, run_id),
    }


def _artifacts(client: Any, run_id: str) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(client.download_artifacts(run_id, "", folder))
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _identity(run: dict[str, Any]) -> str:
    return str(run["id"])


def _all(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for runs in content.values() for run in runs]


def _say(content: dict[str, Any]) -> int:
    runs = _all(content)
    num_points = sum(len(points) for run in runs for points in run["metrics"].values())
    num_files = sum(len(run["artifacts"]) for run in runs)
    print(f"{len(runs)} runs, parents included; {num_points} metric points; {num_files} artifacts")
    return 0


if __name__ == "__main__":
    commands = {"dump": dump, "same": same, "as-sent": as_sent, "with-key": with_key, "strays": strays}
    sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
