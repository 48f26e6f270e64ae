"""Roboflow's data sets are fetched once, with a key that nothing shows, or not at all and with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdpa_exp.config.schema import RoboflowDataset
from sdpa_exp.data import roboflow
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import ConfigError, DatasetError
from tests.config.composing import compose_plan
from tests.data.local_server import KEY, PROJECT, Answers, nobody, roboflow_export, serving

VARIABLE = "ROBOFLOW_API_KEY"


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return Answers(files={"/export.zip": roboflow_export(tmp_path)})


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    monkeypatch.setattr(roboflow, "_PERIOD_S", 0.0)


def weeds(api: str, **changed: object) -> RoboflowDataset:
    settings: dict[str, object] = {"project": "weeds-nxe1w", "num_train_images": 3, "num_val_images": 2, "api": api}
    return RoboflowDataset(name="weeds3", workspace="augmented-startups", version=3, **(settings | changed))  # type: ignore[arg-type]


def load(dataset: RoboflowDataset, cache: Path) -> PreparedDataset:
    return prepare(dataset, cache_dir=cache)


def test_a_version_is_fetched_once_and_used_without_network_and_key_from_then_on(
    answers: Answers, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    answers.num_waits = 2
    with serving(answers) as api:
        prepared = load(weeds(api), cache)
    assert (prepared.num_train_images, prepared.num_val_images, prepared.class_names) == (3, 2, ("crop", "weed"))
    assert answers.asked == [f"GET {PROJECT}"] * 3 + ["GET /export.zip"]
    assert f"3 train and 2 val images; dataset.digest={prepared.digest} makes sure of the same elsewhere" in caplog.text
    assert KEY not in caplog.text
    assert not [path for path in cache.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not list(cache.rglob("*.zip"))
    monkeypatch.delenv(VARIABLE)
    assert load(weeds(api), cache) == prepared
    with serving(answers) as api:
        assert load(weeds(api), cache).digest == prepared.digest
    assert len(answers.asked) == 4


def test_the_digest_of_the_setting_is_what_must_come(answers: Answers, cache: Path, tmp_path: Path) -> None:
    with serving(answers) as api:
        digest = load(weeds(api), cache).digest
        assert load(weeds(api, digest=digest), tmp_path / "second").digest == digest
        with pytest.raises(DatasetError, match=f"came with the digest {digest}: expected 0123. Nothing was kept"):
            load(weeds(api, digest="0123"), tmp_path / "third")
        with pytest.raises(DatasetError, match=rf"has the digest {digest}: expected dataset\.digest=0123\. Remove"):
            load(weeds(api, digest="0123"), cache)
    assert not list((tmp_path / "third/roboflow").glob("*/"))


def _never_ready(answers: Answers, patch: pytest.MonkeyPatch) -> None:
    answers.num_waits = 99
    patch.setattr(roboflow, "_MAX_WAIT_S", -1.0)


HARMS: dict[str, tuple[Callable[[Answers, pytest.MonkeyPatch], object], dict[str, object], str]] = {
    "no key": (
        lambda answers, patch: patch.delenv(VARIABLE),
        {},
        "ROBOFLOW_API_KEY is not set, and augmented-startups/weeds-nxe1w, version 3 of Roboflow is not in the cache",
    ),
    "wrong key": (
        lambda answers, patch: patch.setenv(VARIABLE, "pl4nted-wrong"),
        {},
        "Roboflow refuses the key in ROBOFLOW_API_KEY (it says: This API key does not exist (or has been",
    ),
    "wrong project": (
        lambda answers, patch: None,
        {"project": "weeds"},
        "Roboflow has no augmented-startups/weeds, version 3, for this key (it says: Unsupported get request.",
    ),
    "wrong counts": (
        lambda answers, patch: None,
        {"num_train_images": 3664},
        "came with 3 train images: expected 3,664. Nothing was kept",
    ),
    "broken zip": (
        lambda answers, patch: answers.files.update({"/export.zip": answers.files["/export.zip"][:-300]}),
        {},
        "what came can't be unpacked: File is not a zip file. Expected a whole zip file: fetch it again.",
    ),
    "cut connection": (
        lambda answers, patch: setattr(answers, "cuts_after", 500),
        {},
        "cut the connection after 500 of",
    ),
    "no file": (
        lambda answers, patch: answers.files.clear(),
        {},
        "version 3 of Roboflow wasn't fetched: 127.0.0.1",
    ),
    "no file in time": (
        _never_ready,
        {},
        "Roboflow is still making its zip file",
    ),
}


@pytest.mark.parametrize("name", HARMS)
def test_what_goes_wrong_is_one_sentence_and_leaves_nothing_behind(
    name: str, answers: Answers, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm, changed, sentence = HARMS[name]
    harm(answers, monkeypatch)
    with serving(answers) as api, pytest.raises(DatasetError) as caught:
        load(weeds(api, **changed), cache)
    said = str(caught.value)
    assert sentence in said
    assert "\n" not in said
    assert "pl4nted" not in said
    assert not list((cache / "roboflow").glob("*/"))


def test_without_network_the_sentence_says_what_to_fetch_elsewhere(cache: Path) -> None:
    with nobody() as api, pytest.raises(DatasetError) as caught:
        load(weeds(api), cache)
    said = str(caught.value)
    assert "can't be reached (" in said
    assert (
        "Or fetch it elsewhere, as a zip file in the format YOLOv8, from universe.roboflow.com/augmented-startups"
        in said
    )
    assert "/weeds-nxe1w/dataset/3, and use dataset=yolo_dir dataset.path=THE_ZIP_FILE." in said


def test_the_counts_of_weeds3_are_those_of_the_published_comparison_and_the_key_is_no_setting() -> None:
    dataset = compose_plan("dataset=weeds3").dataset
    assert isinstance(dataset, RoboflowDataset)
    assert (dataset.num_train_images, dataset.num_val_images) == (3664, 359)
    with pytest.raises(ConfigError, match=r"dataset\.name holds the value of a secret variable of the environment"):
        compose_plan("dataset=weeds3", f"dataset.name={KEY}")
    with pytest.raises(
        ConfigError, match=r"dataset\.api=http://a\.org can't work: expected https, since it gets your key"
    ):
        compose_plan("dataset=weeds3", "dataset.api=http://a.org")
