"""How often our verdicts are wrong: each design that we offer, simulated many times with a known truth.

    python -m benchmarks.statistics_sizes --json benchmarks/results/statistics_sizes.json

No run is needed: the tests that comparisons use get made-up figures. `false_different` is the share of experiments
without any effect of the arm in which an arm is called different, at a nominal 5 %. A minute on one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdpa_exp.compare.statistics.control import mean_of_copies
from sdpa_exp.compare.statistics.drift import drift
from sdpa_exp.compare.statistics.paired import difference_p
from sdpa_exp.compare.statistics.trim import FloatArray, num_to_trim
from sdpa_exp.config.turns import in_turns

NUM = 20_000
ALPHA = 0.05
NOISE = 0.01  # SD of a run's time, as a share
Row = dict[str, Any]

# S simulations, N pairs, A arms


def main() -> None:
    """Simulate every design and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    path: Path = parser.parse_args().json
    rows: list[Row] = [row for design in DESIGNS for row in design()]
    content = {"schema_version": 1, "command": __doc__.split("\n")[2].strip(), "experiments": NUM, "rows": rows}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(
            ", ".join(
                f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )


def paired() -> Iterator[Row]:
    """The paired t-test alone."""
    for n in (2, 3, 5, 10, 20):
        yield {"design": "paired", "n": n, "false_different": share(difference_p(noise(n, seed=1)))}


def with_copy() -> Iterator[Row]:
    """An A/A control: the arm against the mean of the baseline and its copy."""
    for n in (2, 3, 5, 10, 20):
        arm, baseline, copy = (noise(n, seed=(2, k)) + 10 * noise(n, seed=3) for k in range(3))
        yield {
            "design": "control",
            "n": n,
            "false_different": share(difference_p(arm - mean_of_copies(baseline, copy))),
        }


def times() -> Iterator[Row]:
    """Times as ratios, with stragglers in one arm; beside them the t-test of plain differences, as it was before."""
    for n in (5, 10, 20):
        for stragglers, slower in ((0.0, 0.0), (0.1, 0.3), (0.2, 0.3), (0.2, 0.1)):
            arm, baseline = straggling(n, stragglers, slower, seed=(4, 0)), straggling(n, 0.0, 0.0, seed=(4, 1))
            yield {
                "design": "times",
                "n": n,
                "stragglers": stragglers,
                "slower": slower,
                "false_different": share(difference_p(np.log(arm / baseline), num_to_trim(n))),
                "plain_differences": share(difference_p(arm - baseline)),
            }


def orders() -> Iterator[Row]:
    """Drift of 1 % a job: arms in turns, and the baseline always first."""
    for n in (5, 10):
        for num_arms in (2, 3):
            for name, places_NA in (("in turns", places(n, num_arms)), ("fixed", places(n, num_arms, turning=False))):
                for per_job in (0.0, 0.01):
                    log_SNA = np.stack([NOISE * noise(n, seed=(5, arm)) for arm in range(num_arms)], axis=-1)
                    log_SNA = log_SNA + np.log1p(per_job) * places_NA
                    found = drift(log_SNA, places_NA)
                    yield {
                        "design": "order",
                        "order": name,
                        "n": n,
                        "arms": num_arms,
                        "drift_per_job": per_job,
                        "false_different": share(difference_p(log_SNA[..., 1] - log_SNA[..., 0], num_to_trim(n))),
                        "drift_found": None if found is None else share(found[1]),
                    }


def noise(n: int, *, seed: int | tuple[int, ...]) -> FloatArray:
    """Standard normal values for all experiments."""
    return np.random.default_rng(seed).normal(size=(NUM, n))


def straggling(n: int, stragglers: float, slower: float, *, seed: tuple[int, ...]) -> FloatArray:
    """Times around 1, of which a share of runs is slower."""
    hit = np.random.default_rng((9, *seed)).random((NUM, n)) < stragglers
    return np.asarray((1 + NOISE * noise(n, seed=seed)) * np.where(hit, 1 + slower, 1.0))


def places(n: int, num_arms: int, *, turning: bool = True) -> FloatArray:
    """The place of each seed's arms in the sweep."""
    jobs = [[f"seed={seed}", f"attention={arm}"] for seed in range(n) for arm in range(num_arms)]
    ordered = in_turns(jobs) if turning else jobs
    return np.array([ordered.index(job) for job in jobs], dtype=np.float64).reshape(n, num_arms)


def share(p_S: FloatArray, level: float = ALPHA) -> float:
    """How often p is below the level."""
    return float((p_S < level).mean())


DESIGNS: tuple[Callable[[], Iterator[Row]], ...] = (paired, with_copy, times, orders)

if __name__ == "__main__":
    main()
