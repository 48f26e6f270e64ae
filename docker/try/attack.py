"""Three cheap attacks on a server of your own, on loopback, bounded in time and count, and what they do to it.

attack.py [--what body json guess] [--gib 1.5] [--seconds 20] prints JSON; --hold PATH: unfinished uploads instead.
MLFLOW_TRACKING_URI, _USERNAME, _PASSWORD and _SERVER_CERT_PATH are those of a plain user; COMPOSE_PROJECT_NAME names
the stack whose memory is looked at.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import ipaddress
import json
import os
import re
import secrets
import socket
import ssl
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

SITE = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
LOG_BATCH = "/api/2.0/mlflow/runs/log-batch"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
NUM_GUESSERS = 30
_UNITS_MIB = {"B": 2**-20, "KiB": 2**-10, "MiB": 1.0, "GiB": 1024.0}


def connect(timeout_s: float = 60.0) -> http.client.HTTPConnection:
    """To the server, which must be on this machine."""
    assert SITE.hostname is not None
    assert ipaddress.ip_address(socket.gethostbyname(SITE.hostname)).is_loopback, "only a server on this machine"
    if SITE.scheme == "http":
        return http.client.HTTPConnection(SITE.hostname, SITE.port or 80, timeout=timeout_s)
    context = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))
    return http.client.HTTPSConnection(SITE.hostname, SITE.port or 443, timeout=timeout_s, context=context)


def login(user: str, password: str) -> dict[str, str]:
    """Basic auth."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


OURS = login(os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])


def ask(method: str, path: str, body: bytes | Iterator[bytes] | None, headers: dict[str, str]) -> int | str:
    """The status; the error's name where the server hung up."""
    connection = connect()
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    except OSError as error:
        try:  # a server that refuses answers first and then closes
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return type(error).__name__
    except http.client.HTTPException as error:
        return type(error).__name__
    finally:
        connection.close()


def post(method: str, content: dict[str, str]) -> dict[str, Any]:
    """A request of the plain user, as any client sends it."""
    connection = connect()
    headers = {"Content-Type": "application/json", **OURS}
    connection.request("POST", f"/api/2.0/mlflow/{method}", json.dumps(content), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return dict(json.loads(text))


class Valid:
    """A plain user who asks every 0.2 s: how long each answer took, and what it was."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []
        self.statuses: Counter[str] = Counter()

    def ask_once(self) -> None:
        """One request."""
        began_s = time.monotonic()
        self.statuses[str(ask("GET", SEARCH, None, OURS))] += 1
        self.waits_s.append(time.monotonic() - began_s)

    def summary(self) -> dict[str, Any]:
        """What the user saw."""
        return {
            "num": len(self.waits_s),
            "median_s": round(statistics.median(self.waits_s), 3),
            "max_s": round(max(self.waits_s), 3),
            "statuses": dict(self.statuses),
        }


def docker(*arguments: str) -> str:
    """What the engine answers."""
    command = ["docker", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def memory_mib() -> dict[str, float]:
    """By service, as the engine counts it."""
    project = os.environ["COMPOSE_PROJECT_NAME"]
    ids = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={project}").split()
    lines = docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *ids).splitlines()
    found = {}
    for line in lines:
        match = re.match(r"(\S+) ([\d.]+)([KMG]?i?B)", line)
        if match:
            service = re.sub(r".*[-_]([a-z]+)[-_]\d+$", r"\1", match[1])
            found[service] = round(float(match[2]) * _UNITS_MIB[match[3]], 1)
    return found


@contextmanager
def watching(valid: Valid, peak: dict[str, float]) -> Iterator[None]:
    """A valid user asks, and memory is looked at, until the block ends."""
    over = threading.Event()

    def repeat(action: Callable[[], None], every_s: float) -> None:
        while not over.is_set():
            action()
            over.wait(every_s)

    def look() -> None:
        for service, mib in memory_mib().items():
            peak[service] = max(peak.get(service, 0.0), mib)

    threads = [threading.Thread(target=repeat, args=work) for work in ((valid.ask_once, 0.2), (look, 0.2))]
    for thread in threads:
        thread.start()
    try:
        time.sleep(2.0)
        yield
        time.sleep(3.0)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def worker_pids() -> str:
    """The server's processes: other ones afterwards mean that some were killed."""
    project = os.environ["COMPOSE_PROJECT_NAME"]
    labels = (f"project={project}", "service=mlflow")
    found = docker(
        "ps", "-q", *(word for label in labels for word in ("--filter", f"label=com.docker.compose.{label}"))
    )
    top = docker("top", found.strip(), "-eo", "pid,args")
    return " ".join(sorted(line.split()[0] for line in top.splitlines() if "spawn_main" in line))


def body(gib: float, max_s: float) -> dict[str, Any]:
    """A huge body without a login."""
    sent = 0
    ends_s = time.monotonic() + max_s

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        piece = b"x" * 2**20
        while sent < gib * 1024 and time.monotonic() < ends_s:
            yield piece
            sent += 1

    headers = {"Content-Type": "application/json", "Content-Length": str(int(gib * 1024) * 2**20)}
    status = ask("POST", LOG_BATCH, chunks(), headers)
    return {"sent_mib": sent, "status": status}


def json_of_50_mb() -> dict[str, Any]:
    """One request of a plain user for a run of their own: 50 MB of JSON, far more metrics than MLflow takes."""
    experiment = post("experiments/create", {"name": f"attack-{secrets.token_hex(4)}"})["experiment_id"]
    run_id = post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    metrics = b",".join([b'{"key":"a","value":1,"timestamp":1,"step":1}'] * 1_100_000)
    content = b'{"run_id": "' + run_id.encode() + b'", "metrics": [' + metrics + b"]}"
    began_s = time.monotonic()
    status = ask("POST", LOG_BATCH, content, {"Content-Type": "application/json", **OURS})
    return {"sent_mb": len(content) // 10**6, "status": status, "answer_s": round(time.monotonic() - began_s, 1)}


def guess(seconds: float) -> dict[str, Any]:
    """Clients that guess passwords, each as fast as it is answered, for at most 400 tries each."""
    statuses: Counter[str] = Counter()
    ends_s = time.monotonic() + seconds

    def client() -> None:
        for _ in range(400):
            if time.monotonic() > ends_s:
                return
            statuses[str(ask("GET", SEARCH, None, login("admin", secrets.token_hex(6))))] += 1

    threads = [threading.Thread(target=client) for _ in range(NUM_GUESSERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"num_clients": NUM_GUESSERS, "seconds": seconds, "statuses": dict(statuses)}


def hold(path: str) -> None:
    """160 requests that never end: how many the proxy lets wait. It gives them up after 30 s."""
    connections = [connect() for _ in range(160)]
    for connection in connections:
        connection.putrequest("PUT", path)
        for name, value in {**OURS, "Content-Length": "10"}.items():
            connection.putheader(name, value)
        connection.endheaders()
    time.sleep(3.0)
    outcomes: Counter[str] = Counter()
    for connection in connections:
        assert connection.sock is not None
        connection.sock.settimeout(0.05)
        try:
            outcomes[f"HTTP {connection.getresponse().status}"] += 1
        except TimeoutError:
            outcomes["waiting"] += 1
    print(f"{len(connections)} unfinished requests at once: {dict(sorted(outcomes.items()))}")


def main() -> None:
    """Attack after attack, each with a valid user beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", nargs="+", default=["body", "json", "guess"], choices=["body", "json", "guess"])
    parser.add_argument("--gib", type=float, default=1.5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--hold", metavar="PATH", help="instead: unfinished uploads to this address")
    arguments = parser.parse_args()
    if arguments.hold:
        hold(arguments.hold)
        return
    attacks: dict[str, Callable[[], dict[str, Any]]] = {
        "body": lambda: body(arguments.gib, max_s=60.0),
        "json": json_of_50_mb,
        "guess": lambda: guess(arguments.seconds),
    }
    results = {}
    for name in arguments.what:
        before, workers = memory_mib(), worker_pids()
        valid, peak = Valid(), dict(before)
        with watching(valid, peak):
            attack = attacks[name]()
        time.sleep(5.0)
        results[name] = {
            "attack": attack,
            "memory_before_mib": before,
            "memory_peak_mib": peak,
            "a_worker_was_killed": worker_pids() != workers,
            "valid_user": valid.summary(),
        }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
