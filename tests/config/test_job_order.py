"""The arms of a sweep turn round at every other seed, inside each comparison."""

from __future__ import annotations

from sdpa_exp.config.job_order import in_turns


def jobs(*lines: str) -> list[list[str]]:
    return [line.split() for line in lines]


def test_two_arms_at_three_seeds_run_a_b_b_a_a_b() -> None:
    listed = [[f"seed={seed}", f"attention={arm}", "train.epochs=3"] for seed in (0, 42, 1) for arm in "AB"]
    assert [(job[0], job[1]) for job in in_turns(listed)] == [
        ("seed=0", "attention=A"), ("seed=0", "attention=B"), ("seed=42", "attention=B"), ("seed=42", "attention=A"),
        ("seed=1", "attention=A"), ("seed=1", "attention=B"),
    ]  # fmt: skip


def test_each_comparison_of_a_sweep_turns_by_itself() -> None:
    listed = [
        [f"seed={seed}", f"attention={arm}", f"train.imgsz={px}"] for seed in (0, 1) for arm in "AB" for px in (1, 2)
    ]
    order = ["".join(line[-1] for line in job) for job in in_turns(listed)]
    assert order == ["0A1", "0B1", "0A2", "0B2", "1B1", "1A1", "1B2", "1A2"]


def test_keys_of_an_arm_belong_to_its_axis_and_other_axes_keep_their_order() -> None:
    listed = jobs("seed=0 +attention.backend=a", "seed=0 +attention.backend=b", "seed=1 +attention.backend=a",
                  "seed=1 +attention.backend=b")  # fmt: skip
    assert in_turns(listed) == [listed[0], listed[1], listed[3], listed[2]]
    others = jobs("seed=0 model=n", "seed=0 model=s", "seed=1 model=n", "seed=1 model=s")
    assert in_turns(others) == others


def test_every_job_runs_once() -> None:
    listed = [[f"seed={s}", f"model={m}", f"attention={a}"] for s in range(3) for m in "ns" for a in "ABC"]
    assert sorted(in_turns(listed)) == sorted(listed)
