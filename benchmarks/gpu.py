"""Everything worth knowing of this project on a GPU, in one command that never stops at the first failure.

    python -m benchmarks.gpu smoke      # does each part work? about 4 minutes on a large card
    python -m benchmarks.gpu figures    # what it measures; about 7 minutes

in an environment made by `make setup`. It leaves one file, `battery_<group>.tar.gz`, in --out: that is the file to
send. It holds the log and the run folders of every step (without weights and pictures), `steps.json` with the card,
driver and versions, and `judgement.md`, where `benchmarks/gpu_judge.py` asks of the files what a sceptic would ask.

Each step is a process of its own with a time limit; the file is packed anew after every step, so that what is
there comes back even if the machine goes away. Names after the group run those steps alone. `--cpu` rehearses without a
GPU: two arms, small images, ten times the time. On a bare machine with torch and without our other packages,
`benchmarks/gpu-wheels` makes a folder of the wheels that are missing, and says how to use it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.gpu_judge import judgement
from sdpa_exp.runs.environment import collect_environment

KEPT = frozenset({".json", ".jsonl", ".csv", ".yaml", ".log", ".txt", ".md", ".html"})
MAX_BYTES = 2 * 2**20
_ASKED = "name,uuid,driver_version,power.limit,clocks.max.sm,clocks.max.memory,ecc.mode.current"
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command with a time limit.

    Attributes:
        name: of its log and run folder.
        limit_s: seconds after which it is ended.
        command: what to run; empty parts are left out.
    """

    name: str
    limit_s: float
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a step ended: its exit code, or None where the time limit ended it or no time was left."""

    name: str
    exit_code: int | None
    wall_s: float
    last_lines: str


def steps(group: str, work: Path, *, is_cpu: bool) -> list[Step]:
    """The steps of a group, in the order in which they are worth having."""
    arms = "stock,sdpa" if is_cpu else "stock,eager,sdpa,flash,efficient,cudnn,math"
    side = "160" if is_cpu else "640"
    listed = f"[{arms}]"

    def app(name: str, limit_s: float, *overrides: str) -> Step:
        # a sweep is what has a list of arms or seeds outside brackets
        is_sweep = any("," in text.split("[")[0] for text in overrides)
        folder = f"hydra.{'sweep' if is_sweep else 'run'}.dir={work / name}"
        common = ("tracking=none", "telemetry.period_s=0.5")
        command = (sys.executable, "-m", "sdpa_exp", *common, *overrides, folder, *(["-m"] if is_sweep else []))
        return Step(name=name, limit_s=limit_s, command=command)

    def tests(name: str, limit_s: float, *folders: str) -> Step:
        command = (sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *folders)
        return Step(name=name, limit_s=limit_s, command=command)

    look = (
        []
        if is_cpu
        else [Step(name="smi", limit_s=20, command=("nvidia-smi", f"--query-gpu={_ASKED}", "--format=csv"))]
    )
    if group == "smoke":
        return [
            *look,
            app("doctor", 40, "task=doctor", "doctor.network=false"),
            tests("attest_tests", 90, "tests/evidence", "tests/measure"),
            app("arms", 230, f"attention={arms}", "seed=0", f"train.imgsz={side}", "train.epochs=2"),
            app("refusals_fp32", 60, "attention=flash,sdpa", "seed=0", "train.epochs=1", "hardware.precision=fp32"),
            app("auto_flex", 120, "attention=auto,flex", "seed=0", f"train.imgsz={side}", "train.epochs=2"),
            tests("task_tests", 120, "tests/tasks"),
            app(
                "verify",
                80,
                "task=verify",
                f"attention={'sdpa,math' if is_cpu else 'sdpa,cudnn'}",
                "verify.num_images=2",
            ),
            app("verify_one_image", 60, "task=verify", "verify.num_images=1", "verify.precisions=[fp32]"),
        ]
    with_floor = f"[{arms},identity]"
    bench = ("task=bench", "bench.batches=[2]" if is_cpu else "bench.batches=[16]")
    return [
        *look,
        app(
            "bench_n",
            190,
            *bench,
            f"bench.arms={with_floor}",
            "bench.levels=[step,module,inference]",
            "bench.time_limit_s=90",
            "bench.decide=true",
        ),
        app(
            "bench_s",
            150,
            *bench,
            "model=yolo12s",
            f"bench.arms={with_floor}",
            "bench.levels=[step]",
            "bench.time_limit_s=60",
        ),
        app(
            "verify",
            100,
            "task=verify",
            f"attention={'sdpa,math' if is_cpu else arms.removeprefix('stock,')}",
            "verify.num_images=2",
        ),
        app(
            "demo",
            170,
            f"attention=stock,sdpa{'' if is_cpu else ',flash,cudnn'}",
            "seed=0,42",
            f"train.imgsz={side}",
            "train.epochs=5",
            "compare.speed=trainings",
        ),
        app(
            "bench_op",
            120,
            "task=bench",
            f"bench.arms={listed.replace('stock,', '')}",
            "bench.levels=[op]",
            "bench.time_limit_s=60",
        ),
        app("profile", 90, "task=profile", f"attention=stock,{'sdpa' if is_cpu else 'flash'}", f"train.imgsz={side}"),
        app("latency", 90, "task=latency", f"latency.arms={'[eager]' if is_cpu else '[flash,cudnn]'}"),
        app(
            "compile",
            120,
            "attention=stock,flash",
            "seed=0",
            "train.compile=true",
            "train.epochs=2",
            f"train.imgsz={side}",
        ),
    ]


def run(step: Step, limit_s: float, work: Path) -> Ended:
    """Run a step in a session of its own; past its limit it is asked to end, 15 s later it is killed."""
    log_path = work / "logs" / f"{step.name}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    started_s = time.monotonic()
    exit_code: int | None = None
    with log_path.open("w", encoding="utf-8") as log:
        log.write(" ".join(step.command) + "\n")
        log.flush()
        with subprocess.Popen(
            step.command,
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                exit_code = process.wait(timeout=limit_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
    lines = [line for line in log_path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return Ended(
        name=step.name, exit_code=exit_code, wall_s=time.monotonic() - started_s, last_lines="\n".join(lines[-6:])
    )


def pack(work: Path, target: Path) -> None:
    """All small text files of the steps, as one archive that appears whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with tarfile.open(part, "w:gz") as archive:
        for path in sorted(work.rglob("*")):
            if path.is_file() and path.suffix in KEPT and path.stat().st_size <= MAX_BYTES:
                archive.add(path, arcname=path.relative_to(work))
    part.replace(target)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a group; the exit code is 1 where a step did not end with 0, or nothing was run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("group", choices=("smoke", "figures"))
    parser.add_argument("only", nargs="*", help="names of steps; none = all of the group")
    parser.add_argument("--out", type=Path, default=Path("battery"), help="folder of the file to send")
    parser.add_argument("--budget-s", type=float, default=570.0, help="seconds for all steps together")
    parser.add_argument("--cpu", action="store_true", help="rehearse without a GPU")
    options = parser.parse_args(arguments)
    work = Path(tempfile.mkdtemp(prefix="battery_"))
    planned = [s for s in steps(options.group, work, is_cpu=options.cpu) if not options.only or s.name in options.only]
    target, started_s = options.out / f"battery_{options.group}.tar.gz", time.monotonic()
    ended: list[Ended] = []
    for step in planned:
        left_s = options.budget_s - (time.monotonic() - started_s)
        if left_s < 25:
            ended.append(Ended(name=step.name, exit_code=None, wall_s=0.0, last_lines="not started: no time was left"))
            continue
        ended.append(run(step, min(step.limit_s * (10 if options.cpu else 1), left_s - 10), work))
        print(f"{step.name}: exit code {ended[-1].exit_code}, {ended[-1].wall_s:.0f} s", flush=True)
        content = {
            "group": options.group,
            "machine": collect_environment(),
            "steps": [asdict(entry) for entry in ended],
        }
        (work / "steps.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        (work / "judgement.md").write_text(judgement(work), encoding="utf-8")
        pack(work, target)
    for entry in ended:
        if entry.exit_code != 0:
            print(f"\n--- {entry.name}: exit code {entry.exit_code}\n{entry.last_lines}")
    print(f"\n{judgement(work)}\nThe file to send: {target}")
    return 0 if ended and all(entry.exit_code == 0 for entry in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
