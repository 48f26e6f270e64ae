"""What is written again because Hydra has no public way to it, held against Hydra's own."""

from __future__ import annotations

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser

from sdpa_exp.config.arguments import FLAGS
from sdpa_exp.config.sweep import combinations
from sdpa_exp.errors import ConfigError


@pytest.mark.parametrize(
    "lines",
    [
        ["attention=stock,sdpa", "seed=0,42", "train.epochs=2"],
        ["seed=0,42", "attention=stock,sdpa", "seed=7"],
        ["seed=range(0,3)", "+x=choice(a,b)", "~compare", "name='a,b'"],
        ["bench.arms=[stock,sdpa],[stock]"],
        [],
    ],
)
def test_jobs_are_those_of_hydras_basic_sweeper_in_its_order(lines: list[str]) -> None:
    overrides = OverridesParser.create().parse_overrides(lines)
    assert [combinations(overrides)] == BasicSweeper.split_arguments(overrides, None)


def test_an_interval_is_refused_by_name() -> None:
    overrides = OverridesParser.create().parse_overrides(["train.lr0=interval(0.1,0.2)"])
    with pytest.raises(ConfigError, match=r"train\.lr0=interval\(0\.1,0\.2\) has no jobs that can be counted"):
        combinations(overrides)


def test_the_options_of_the_command_line_are_hydras() -> None:
    assert {flag for action in get_args_parser()._actions for flag in action.option_strings} == FLAGS
