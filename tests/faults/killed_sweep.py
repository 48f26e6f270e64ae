"""A sweep of 2 arms x 2 seeds, killed at random moments and resumed each time, beside one that nobody disturbs.

`python -m tests.faults.killed_sweep --kills 10` adds its row to `benchmarks/results/faults_cpu.json`. A sweep that
finishes before the last kill is followed by a further one.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from sdpa_exp.runs.attempts import earlier_attempts
from sdpa_exp.runs.sweep import read_sweep
from tests.faults.processes import (
    SWEEP,
    last_lines,
    learnt,
    start,
    store_problems,
    unreadable,
    wait_for_orphans,
)
from tests.faults.table import RESULTS, Row, add_rows

WHO = ("worker", "parent", "both")
LONGEST_S = 100.0  # between two kills


def killed(cwd: Path, name: str, num_kills: int, chance: random.Random) -> tuple[int, list[str]]:
    """Run a sweep to its end through up to `num_kills` kills; how many there were, and what the screen said."""
    folder, kills, screens = cwd / name, 0, []
    line = [*SWEEP, f"hydra.sweep.dir={name}"]
    while True:
        command = start(line, cwd)
        while kills < num_kills and command.wait_for(chance.uniform(1.0, LONGEST_S)):
            who = chance.choice(WHO) if command.workers() else "parent"
            command.send(who, signal.SIGKILL)
            kills += 1
            screens.append(f"{who} after {time.monotonic() - command.started_s:.0f} s")
            print(f"{name}: kill {kills}: {screens[-1]}", flush=True)
            if who != "worker":
                break
        if command.wait() == 0:
            return kills, [*screens, command.output]
        wait_for_orphans(folder)
        line = [f"resume={name}"] if (folder / "sweep.json").exists() else line


def main() -> int:
    """Do it; 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="killed_sweep_") as place:
        row = measure(Path(place), options.kills, chance)
    add_rows(
        [row],
        made_by=f"python -m tests.faults.killed_sweep --kills {options.kills} --seed {options.seed}",
        path=options.out,
    )
    print(row)
    return 0 if row.is_as_expected else 1


def measure(cwd: Path, num_kills: int, chance: random.Random) -> Row:
    """The row of the table."""
    quiet = start([*SWEEP, "hydra.sweep.dir=quiet"], cwd)  # at the same time: only what is learnt is compared
    kills, sweeps, moments = 0, 0, []
    wrong: list[str] = []
    lost = attempts = 0
    screen = ""
    while kills < num_kills:
        sweeps += 1
        name = f"killed_{sweeps}"
        done, screens = killed(cwd, name, num_kills - kills, chance)
        kills += done
        moments += screens[:-1]
        screen = screens[-1]
        if quiet.wait() != 0:
            raise RuntimeError(quiet.output)
        expected, found = learnt(cwd / "quiet"), learnt(cwd / name)
        lost += len(expected.keys() - found.keys())
        wrong += [f"{name}: {run} differs" for run in expected if found.get(run) != expected[run]]
        wrong += [*unreadable(cwd / name), *store_problems(cwd, cwd / name)]
        attempts += sum(len(earlier_attempts(job.run_dir)) for job in read_sweep(cwd / name).jobs)
    for problem in wrong:
        print(f"WRONG: {problem}", flush=True)
    said = [line for line in screen.splitlines() if line.startswith(("resume:", "  repeat:", "  keep:", "  start:"))]
    return Row(
        fault="a sweep of 2 arms x 2 seeds is killed again and again",
        how=f"SIGKILL at {kills} random moments ({', '.join(moments)}), each time resume=FOLDER; {attempts} attempts "
        f"set aside; mAPs, curves and weights against an undisturbed sweep, to the bit: "
        f"{'different' if wrong else 'equal'}",
        records_lost=lost + len(wrong),
        delay_s=None,
        saw=("\n".join(said) or last_lines(screen)).replace(str(cwd), "."),
        is_as_expected=not wrong and lost == 0,
    )


if __name__ == "__main__":
    sys.exit(main())
