"""One run, hit in every way that a run is hit, and resumed: `python -m tests.faults.single_run` adds its rows.

Needs root for the full disk, the vanished disk (a small tmpfs) and the OOM killer (a control group of its own); where
these can't be made, their rows are left out and named.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from sdpa_exp.data.cache import cache_root
from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import results_csv
from sdpa_exp.runs.record import read_record
from tests.faults.processes import TINY, Command, last_lines, start, unreadable, wait_for_orphans
from tests.faults.table import Row, add_caused

ALONE = (*TINY, "tracking=none")
MEMORY = Path("/sys/fs/cgroup/memory")
DISK_MIB = 300  # the checkpoints of two attempts
MEMORY_MIB = 500


def cause(cwd: Path, names: list[str]) -> Iterator[Row]:
    """A row for each of the faults that can be caused here, beside a run that nothing disturbs."""
    quiet = start([*ALONE, "hydra.run.dir=quiet"], cwd)
    if quiet.wait() != 0:
        raise RuntimeError(quiet.output)
    print(f"undisturbed: {time.monotonic() - quiet.started_s:.0f} s", flush=True)
    for name in names:
        try:
            row = FAULTS[name](cwd)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{name}: left out, it can't be caused here: {error}", flush=True)
            continue
        yield row


def hit(cwd: Path, name: str, how: str, strike: Callable[[Command], None], *, words: str) -> Row:
    """Start a run, strike it after its first epoch, resume it, and hold it against the undisturbed one.

    Args:
        cwd: has the undisturbed run in `quiet`.
        name: of the fault.
        how: it is caused.
        strike: causes it.
        words: that the screen, or the record of the attempt, must have.
    """
    run_dir = cwd / name.replace(" ", "_").replace(",", "")
    command = start([*ALONE, f"hydra.run.dir={run_dir.name}"], cwd)
    command.wait_until(lambda: has_epoch(run_dir))
    before = len(read_events(run_dir))
    strike(command)
    command.wait()
    orphan_s = wait_for_orphans(run_dir)
    return judged(cwd, run_dir, name, how, command.output, words=words, before=before, orphan_s=orphan_s)


def judged(
    cwd: Path, run_dir: Path, name: str, how: str, screen: str, *, words: str, before: int, orphan_s: float = 0.0
) -> Row:
    """Resume a run that was hit, and say what became of it."""
    wrong = unreadable(run_dir)
    lost = max(0, before - len(read_events(run_dir)))
    since_s = time.monotonic()
    resumed = start([f"resume={run_dir.name}"], cwd)
    code = resumed.wait()
    delay_s = time.monotonic() - since_s + orphan_s
    wrong += unreadable(run_dir)
    if code != 0:
        wrong.append(f"resume ended with {code}: {resumed.output}")
    else:
        quiet, again = read_record(cwd / "quiet"), read_record(run_dir)
        attempts = earlier_attempts(run_dir)
        said = screen + "".join(str(attempt["reason"]) for attempt in attempts)
        differs = [key for key in ("mAP50", "mAP50-95") if quiet.metrics[key] != again.metrics[key]]
        wrong += [f"{key} differs" for key in (*differs, *(["weights"] * (quiet.digests != again.digests)))]
        wrong += [] if len(attempts) == 1 and words in said else [f"{words!r} is not in {said!r}, or {attempts}"]
        wrong += [] if results_csv(run_dir).exists() else ["no results.csv"]
    for problem in wrong:
        print(f"WRONG: {name}: {problem}", flush=True)
    before_it = resumed.output.partition(": starting")[0].rpartition("\n")[0]
    saw = f"{last_lines(screen)}\n{last_lines(before_it, 1)}"
    return Row(
        fault=name, how=how, records_lost=lost, delay_s=round(delay_s, 1), saw=saw.replace(str(cwd), "."),
        is_as_expected=not wrong and lost == 0,
    )  # fmt: skip


def has_epoch(run_dir: Path) -> bool:
    """Whether the run has finished an epoch."""
    return any(event["event"] == "epoch" for event in read_events(run_dir))


def killed(who: str, words: str) -> Callable[[Path], Row]:
    """SIGKILL after the first epoch."""

    def cause(cwd: Path) -> Row:
        name = f"SIGKILL to {who} of a run"
        return hit(cwd, name, "kill -9 after the first epoch", lambda c: c.send(who, signal.SIGKILL), words=words)

    return cause


def ctrl_c(cwd: Path) -> Row:
    """One."""
    strike: Callable[[Command], None] = lambda command: command.send("parent", signal.SIGINT)  # noqa: E731
    return hit(
        cwd, "Ctrl-C once", "SIGINT to the command after the first epoch", strike, words="ended by Ctrl-C (SIGINT)"
    )


def ctrl_c_twice(cwd: Path) -> Row:
    """Two, half a second apart."""

    def strike(command: Command) -> None:
        command.send("parent", signal.SIGINT)
        time.sleep(0.5)
        command.send("parent", signal.SIGINT)

    return hit(cwd, "Ctrl-C twice", "SIGINT twice, 0.5 s apart", strike, words="ended by Ctrl-C (SIGINT)")


def out_of_memory(cwd: Path) -> Row:
    """The kernel's OOM killer, in a control group that is too small."""
    own = next(
        line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line
    )
    group = MEMORY / own.lstrip("/") / f"sdpa_exp_{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(MEMORY_MIB * 2**20))
        run_dir = cwd / "out_of_memory"
        enter = f'echo $$ > "{group}/cgroup.procs"; exec "$@"'
        command = start([*ALONE, f"hydra.run.dir={run_dir.name}"], cwd, before=("sh", "-c", enter, "sh"))
        command.wait()
    finally:
        time.sleep(1)
        group.rmdir()
    how = f"a control group of {MEMORY_MIB} MiB around the command"
    return judged(
        cwd, run_dir, "the OOM killer", how, command.output, words="from the kernel, which was out of memory", before=0
    )


def reboot(cwd: Path) -> Row:
    """A machine that went down: no process is left, but every lock file and note is, with numbers of that boot."""
    run_dir, locks = cwd / "reboot", cache_root() / "locks" / "cpu"
    stale = locks / "1.lock"  # of a process that lives in this boot, and is none of ours

    def strike(command: Command) -> None:
        command.send("both", signal.SIGKILL)
        command.wait()
        wait_for_orphans(run_dir)
        stale.write_text("1\n")
        stale.with_suffix(".txt").write_text("a run of the boot before (process 1)")
        for lock in run_dir.rglob("*.lock"):
            lock.write_text("1\n00000000-0000-0000-0000-000000000000\n")

    how = (
        "kill -9 to both after the first epoch; every lock left there with process 1 of another boot, and one of a CPU"
    )
    row = hit(cwd, "reboot", how, strike, words="its processes were killed")
    is_clean = not stale.exists() and "the boot before" not in row.saw
    return replace(row, fault="a reboot", is_as_expected=row.is_as_expected and is_clean)


@contextmanager
def small_disk(folder: Path, size_mib: int = DISK_MIB) -> Iterator[None]:
    """A tmpfs of a few MiB."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)], check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def fill(folder: Path) -> Path:
    """A file that takes what room there is on the disk of a folder."""
    path = folder / "fill"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 2**16):
            pass
    return path


def full_disk(cwd: Path) -> Row:
    """The run folder's disk is filled up after the first epoch, and freed before it is resumed."""
    with small_disk(cwd / "disk"):
        run_dir = cwd / "disk" / "run"
        command = start([*ALONE, "hydra.run.dir=disk/run", "train.epochs=3"], cwd)
        command.wait_until(lambda: has_epoch(run_dir))
        before = len(read_events(run_dir))
        filler = fill(cwd / "disk")
        command.wait()
        filler.unlink()
        wrong = unreadable(run_dir)
        lost = max(0, before - len(read_events(run_dir)))
        resumed = start(["resume=disk/run"], cwd)
        code = resumed.wait()
        wrong += [] if code == 0 else [f"resume ended with {code}: {resumed.output}"]
    for problem in wrong:
        print(f"WRONG: full disk: {problem}", flush=True)
    is_said = "No space left on device" in command.output and "Traceback" not in command.output
    return Row(
        fault="a full disk",
        how=f"a tmpfs of {DISK_MIB} MiB, filled after the first epoch and freed before resume=",
        records_lost=lost,
        delay_s=None,
        saw=last_lines(command.output).replace(str(cwd), "."),
        is_as_expected=not wrong and is_said,
    )


def vanished_disk(cwd: Path) -> Row:
    """The run folder's disk is taken away after the first epoch."""
    with small_disk(cwd / "usb"):
        run_dir = cwd / "usb" / "run"
        command = start([*ALONE, "hydra.run.dir=usb/run", "train.epochs=3"], cwd)
        command.wait_until(lambda: has_epoch(run_dir))
        subprocess.run(["umount", "-l", str(cwd / "usb")], check=True)
        code = command.wait()
    return Row(
        fault="a vanished disk",
        how="umount -l of the run folder's disk after the first epoch; what is on it goes with it",
        records_lost=0,
        delay_s=None,
        saw=last_lines(command.output).replace(str(cwd), "."),
        is_as_expected=code == 7 and "Traceback" not in command.output,
    )


FAULTS: dict[str, Callable[[Path], Row]] = {
    "worker": killed("worker", "ended by signal SIGKILL"),
    "parent": killed("parent", "ended by the end of the process that started it"),
    "both": killed("both", "its processes were killed"),
    "ctrl_c": ctrl_c,
    "ctrl_c_twice": ctrl_c_twice,
    "reboot": reboot,
    "out_of_memory": out_of_memory,
    "full_disk": full_disk,
    "vanished_disk": vanished_disk,
}


if __name__ == "__main__":
    sys.exit(add_caused("single_run", FAULTS, cause))
