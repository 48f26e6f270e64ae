"""What can be searched, by Hydra's own grammar, and what is refused as one."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from sdpa_exp.errors import ConfigError
from sdpa_exp.search.sweeper import is_search, space_of
from tests.config.composing import compose_config


def space(*lines: str) -> dict[str, dict[str, Any]]:
    return space_of(OverridesParser.create().parse_overrides(list(lines)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("train.lr0=interval(0.001,0.1)", {"kind": "float", "low": 0.001, "high": 0.1, "log": False}),
        ("train.lr0=tag(log,interval(0.001,0.1))", {"kind": "float", "low": 0.001, "high": 0.1, "log": True}),
        ("train.epochs=int(interval(5,50))", {"kind": "int", "low": 5, "high": 50, "log": False}),
        ("train.epochs=range(2,10,2)", {"kind": "int", "low": 2, "high": 8, "step": 2}),
        ("train.lr0=range(0.1,0.3,0.1)", {"kind": "float", "low": 0.1, "high": 0.2, "step": 0.1}),
        ("train.optimizer=SGD,AdamW", {"kind": "choice", "choices": ["SGD", "AdamW"]}),
        ("train.imgsz=choice(160,320)", {"kind": "choice", "choices": ["160", "320"]}),
    ],
)
def test_a_setting_is_drawn_from_what_hydras_grammar_says(line: str, expected: dict[str, Any]) -> None:
    assert space(line, "train.momentum=0.9") == {line.partition("=")[0]: expected}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("attention=stock,sdpa", "attention can't be searched, since the best of many trials favours what was lucky"),
        ("attention.backend=eager,flash", "attention.backend can't be searched"),
        ("seed=0,1", "seed can't be searched, since the best seed is nothing but luck: expected one seed"),
        ("train.lr0=0.1", "hydra/sweeper=search has nothing to search: expected settings to choose from."),
    ],
)
def test_what_a_search_cannot_answer_is_refused(line: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(line)
    assert words in str(caught.value)


def test_hydra_knows_the_sweeper_that_the_option_names() -> None:
    config = compose_config("hydra/sweeper=search", with_hydra=True)
    assert is_search(config)
    assert config.hydra.sweeper._target_ in Plugins.instance().class_name_to_class
    assert not is_search(compose_config(with_hydra=True))


def test_hydras_own_sweeper_for_optuna_is_refused_with_the_one_that_works() -> None:
    target = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
    with pytest.raises(ConfigError, match=r"can't be resumed .* expected hydra/sweeper=search"):
        is_search(OmegaConf.create({"hydra": {"sweeper": {"_target_": target}}}))
