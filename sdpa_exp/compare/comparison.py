"""What a comparison comes to, as plain values; `report/schema.py` writes it, tables and reports show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sdpa_exp.compare.accuracy_facts import AccuracyFacts
    from sdpa_exp.compare.answer.judge import Judged
    from sdpa_exp.compare.answer.recommend import Recommendation
    from sdpa_exp.compare.findings.finding import Finding
    from sdpa_exp.compare.load.groups import GroupRuns, Seed
    from sdpa_exp.compare.load.run import Run
    from sdpa_exp.compare.noise_floor import NoiseFloor
    from sdpa_exp.compare.statistics.paired import Description, PairedTest
    from sdpa_exp.compare.verdict import Question, Verdict

STAGES = ("train_forward", "train_backward", "val_forward", "best_pt_forward")


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """One arm inside one comparison group.

    Attributes:
        copy_of: the arm that this one repeats, for an A/A copy: it gets no verdict, and gives the noise floor.
        num_planned: runs that the sweep planned or the user named; failed and missing ones are among them.
        described: metric -> mean, SD, CV and range over the finished runs that measured it.
        kernels: stage -> kernel -> number of layers; None where no run of the arm attested. Runs of an arm that
            disagree are a finding, and the first one stands here.
        not_finished: the runs that do not count, with their reasons.
    """

    name: str
    is_baseline: bool
    copy_of: str | None
    num_planned: int
    num_finished: int
    described: Mapping[str, Description]
    kernels: Mapping[str, Mapping[str, int]] | None
    not_finished: tuple[Run, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric of an arm minus the baseline, paired by seed."""

    arm: str
    metric: str
    seeds: tuple[Seed, ...]
    test: PairedTest


@dataclass(frozen=True, kw_only=True)
class Group:
    """Arms that differ in nothing else, compared.

    Attributes:
        label: what sets the group apart from the others, such as `imgsz=160`; empty where it is alone.
        judged: speed and memory, measured side by side in fresh processes; the verdicts are then about the rest.
        recommendation: what follows from both; None without `judged`.
    """

    runs: GroupRuns
    arms: tuple[ArmSummary, ...]
    differences: tuple[Difference, ...]
    verdicts: tuple[Verdict, ...]
    accuracy: AccuracyFacts
    noise_floors: tuple[NoiseFloor, ...] = ()
    label: str = ""
    judged: Judged | None = None
    recommendation: Recommendation | None = None

    @property
    def group_id(self) -> str:
        """The digest of the settings that all runs share."""
        return self.runs.group_id

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those settings, with the labels of the first run."""
        return self.runs.settings

    def arm(self, name: str) -> ArmSummary | None:
        """An arm by name."""
        return next((arm for arm in self.arms if arm.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The whole answer. `folder` is where it is written; run folders are named relative to it where possible."""

    name: str
    folder: Path
    headline: str
    baseline: str
    alpha: float
    questions: tuple[Question, ...]
    groups: tuple[Group, ...]
    findings: tuple[Finding, ...]
    runs: tuple[Run, ...]
    command: str = ""
    preflight: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_answer(self) -> bool:
        """Whether anything could be compared: a pair of arms, an arm with its copy, or arms side by side."""
        pairs = any(verdict.test is not None for verdict in self.verdicts)
        return pairs or any(group.noise_floors or group.judged is not None for group in self.groups)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Verdicts of all comparison groups."""
        return tuple(verdict for group in self.groups for verdict in group.verdicts)
