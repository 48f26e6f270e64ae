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

from sdpa_exp.compare.statistics.aa_control import mean_of_copies
from sdpa_exp.compare.statistics.drift import drift
from sdpa_exp.compare.statistics.paired import difference_p
from sdpa_exp.compare.statistics.power import MAX_SEEDS, seeds_needed, seeds_to_settle, settling_power
from sdpa_exp.compare.statistics.spending import level_of_last_look
from sdpa_exp.compare.statistics.trim import FloatArray, num_to_trim
from sdpa_exp.config.job_order import in_turns

NUM = 20_000
NUM_PILOTS = 100
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


def questions() -> Iterator[Row]:
    """Three questions about up to five arms, adjusted together: an experiment is wrong where any verdict is."""
    for n in (5, 10):
        for num_arms in (1, 2, 5):
            baseline_SQN = np.random.default_rng(6).normal(size=(NUM // 4, 3, 1, n))
            difference_SQAN = np.random.default_rng(7).normal(size=(NUM // 4, 3, num_arms, n)) - baseline_SQN
            p_ST = difference_p(difference_SQAN).reshape(NUM // 4, -1)
            false_S = p_ST.min(axis=-1) * p_ST.shape[-1]  # Holm's first step: one is wrong where the smallest is
            alone = share(difference_p(difference_SQAN).min(axis=(1, 2)))
            yield {
                "design": "questions",
                "n": n,
                "arms": num_arms,
                "false_different": share(false_S),
                "unadjusted": alone,
            }


def best_of_five() -> Iterator[Row]:
    """The gain of the best of five arms without any: how often its interval holds the truth, and the plain one."""
    for n in (5, 10):
        baseline_SN = noise(n, seed=10)[:, None]
        difference_SAN = np.random.default_rng(11).normal(size=(NUM, 5, n)) - baseline_SN
        best_SN = difference_SAN[np.arange(NUM), difference_SAN.mean(axis=-1).argmax(axis=-1)]
        p_S = difference_p(best_SN)
        yield {
            "design": "best of five",
            "n": n,
            "covered": 1 - share(p_S, ALPHA / 5),
            "covered_without": 1 - share(p_S),
        }


def extended() -> Iterator[Row]:
    """Seeds added where the first were inconclusive: any look may call the arm different."""
    for looks, planned in (((5, 10), 10), ((5, 10, 20), 20), ((2, 5, 10), 10), ((5, 10), 5), ((2, 5, 10), 2)):
        differences_SN = noise(looks[-1], seed=8)
        p_LS = [difference_p(differences_SN[:, :look]) for look in looks]
        levels = [level_of_last_look(looks[: number + 1], planned, ALPHA) for number in range(len(looks))]
        yield {
            "design": "extended",
            "looks": list(looks),
            "declared": planned,
            "false_different": float(np.any([p < level for p, level in zip(p_LS, levels, strict=True)], axis=0).mean()),
            "at_full_level": float(np.any([p < ALPHA for p in p_LS], axis=0).mean()),
        }


def settling() -> Iterator[Row]:
    """Following the advice: as many new seeds as a pilot says would settle it; beside it, the pilot's SD as if true."""
    for pilot in (5, 10):
        for sd in (1.0, 2.0, 4.0):  # margins
            pilots_SN = sd * np.random.default_rng(12).normal(size=(NUM_PILOTS, pilot))
            settled: dict[str, list[float]] = {"settled": [], "settled_without": []}
            for each in pilots_SN.std(axis=-1, ddof=1):
                needed = seeds_needed(float(each), pilot - 1, 1.0).plan
                naive = seeds_to_settle(float(each), 1.0)
                for name, count in (("settled", needed), ("settled_without", naive)):
                    power = settling_power(np.array([sd]), 1.0, count or MAX_SEEDS)
                    settled[name].append(float(power[0]))
            shares = {name: float(np.mean(values)) for name, values in settled.items()}
            yield {"design": "settling", "pilot": pilot, "sd_in_margins": sd, **shares}


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


DESIGNS: tuple[Callable[[], Iterator[Row]], ...] = (
    paired,
    with_copy,
    times,
    orders,
    questions,
    best_of_five,
    extended,
    settling,
)

if __name__ == "__main__":
    main()
