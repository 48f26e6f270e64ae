from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config import timm_models
from sdpa_exp.config.plan import read_plan, write_plan
from sdpa_exp.config.schema import YoloDirDataset
from sdpa_exp.config.train_schema import TrainConfig
from sdpa_exp.help import when_to_choose
from tests.config.composing import compose_config, compose_plan

FILES = sorted(conf_dir().glob("*/*.yaml"))
LAUNCHERS = sorted(conf_dir().glob("hydra/launcher/*.yaml"))
OPTIONS = [f"{file.parent.name}={file.stem}" for file in FILES]
NEEDS = {
    "dataset=yolo_dir": ("dataset.path=yolo_dir/data.yaml",),
    "dataset=coco_json": ("dataset.path=coco_json",),
    "dataset=voc_xml": ("dataset.path=voc_xml",),
    "model=timm": ("task=bench",),
    "train=finetune": ("model.weights=yolo12n.pt",),
    "task=detect": ("detect.weights=best.pt",),
    "task=export": ("export.weights=best.pt", "export.format=torchscript"),
}
YAML_1_1_WORDS = ("on", "off", "yes", "no", "null", "true", "false", "y", "n")

# Ultralytics' training arguments that are facts of another group, ours, or Ultralytics' own way of saying things.
ELSEWHERE = {"model", "data", "batch", "workers", "cache", "device", "amp", "channels_last"}
OURS = {"seed", "project", "name", "exist_ok", "resume", "pretrained", "verbose", "profile"}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_every_group_composes_into_a_valid_plan(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_models, "_names", lambda: ["vit_tiny_patch16_224"])  # as if it were installed
    plan = compose_plan(option, *NEEDS.get(option, ()))
    group, _, name = option.partition("=")
    if group not in ("seeds", "experiment"):
        assert getattr(plan, group).name.partition(":")[0] == name


@pytest.mark.parametrize(
    ("overrides", "title"),
    [
        (["attention=flash", "seed=42"], "flash seed 42"),
        (["task=verify"], "verify sdpa seed 0"),
        (["task=bench", "bench.arms=[stock,flash]"], "bench stock, flash seed 0"),
        (["task=bench"], "bench all arms seed 0"),
    ],
)
def test_a_run_is_named_for_what_it_holds(overrides: list[str], title: str) -> None:
    assert compose_plan(*overrides).title == title


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = compose_plan("attention=flash", "hardware=t4", "train.scale=[0.5,1.5]", "baseline=stock")
    plan = dataclasses.replace(plan, job=dataclasses.replace(plan.job, run_dir=str(tmp_path), overrides=("a=1",)))
    write_plan(plan)
    assert read_plan(tmp_path) == plan


@pytest.mark.parametrize("file", [*FILES, *LAUNCHERS], ids=[*OPTIONS, *(file.stem for file in LAUNCHERS)])
def test_every_file_says_first_when_to_choose_it(file: Path) -> None:
    assert len(when_to_choose(file)) > 20
    assert not when_to_choose(file).startswith("@")


@pytest.mark.parametrize("file", [*FILES, *LAUNCHERS, conf_dir() / "config.yaml"], ids=lambda file: file.stem)
def test_every_key_has_a_comment(file: Path) -> None:
    keys = [line for line in file.read_text(encoding="utf-8").splitlines() if re.match(r" *[\w.-]+: *\S", line)]
    bare = [
        line for line in keys if " #" not in line and not re.match(r"name: |hydra:|  job:|    name: sdpa_exp", line)
    ]
    assert bare == []


@pytest.mark.parametrize("file", FILES, ids=OPTIONS)
def test_no_file_has_a_name_that_yaml_or_hydra_reads_as_something_else(file: Path) -> None:
    assert file.stem.lower() not in YAML_1_1_WORDS
    assert isinstance(yaml.safe_load(file.stem), str)


@pytest.mark.parametrize("preset", sorted(conf_dir().glob("experiment/*.yaml")), ids=lambda file: file.stem)
def test_a_preset_with_arms_is_a_sweep_without_m(preset: Path) -> None:
    cfg = compose_config(f"experiment={preset.stem}", with_hydra=True)
    has_arms = "attention" in cfg.hydra.sweeper.params
    assert (str(cfg.hydra.mode) == "RunMode.MULTIRUN") == has_arms
    assert cfg.name == preset.stem


def test_seed_stands_first_among_the_sweep_parameters_so_that_arms_alternate() -> None:
    for preset in conf_dir().glob("experiment/*.yaml"):
        cfg = compose_config(f"experiment={preset.stem}", with_hydra=True)
        assert next(iter(cfg.hydra.sweeper.params)) == "seed"


def test_larger_seed_sets_contain_smaller_ones() -> None:
    sets = {}
    for name in ("pair", "five", "ten"):
        seeds = str(compose_config(f"seeds={name}", with_hydra=True).hydra.sweeper.params.seed).split(",")
        sets[name] = set(seeds)
        assert len(seeds) == len(sets[name]) == {"pair": 2, "five": 5, "ten": 10}[name]
    assert sets["pair"] < sets["five"] < sets["ten"]


def test_train_keys_are_exactly_ultralytics_training_arguments_that_no_other_group_has() -> None:
    spec = importlib.util.find_spec("ultralytics")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "cfg" / "default.yaml").read_text(encoding="utf-8")
    known = set(yaml.safe_load(text))
    training = set()
    for title in ("Train settings", "Segmentation", "Classification", "Val/Test settings", "Hyperparameters"):
        section = text.split(f"# {title}", 1)[1].split("\n\n", 1)[0]
        training |= {match.group(1) for match in re.finditer(r"^(\w+):", section, re.M)}
    assert training < known
    ours = {field.name for field in dataclasses.fields(TrainConfig)} - {"name"}
    assert ours == training - ELSEWHERE - OURS - {"dnn"}  # dnn: ONNX through OpenCV, not a training


def test_relative_paths_are_taken_from_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "start.pt").touch()
    plan = compose_plan(
        "dataset=yolo_dir",
        "dataset.path=../field/data.yaml",
        "tracking.uri=sqlite:///runs/m.db",
        "model.weights=start.pt",
    )
    assert isinstance(plan.dataset, YoloDirDataset)
    assert plan.dataset.path == str(tmp_path.parent / "field" / "data.yaml")
    assert plan.tracking.uri == f"sqlite:///{tmp_path / 'runs' / 'm.db'}"
    assert plan.model.weights == str(tmp_path / "start.pt")


def test_names_and_addresses_are_left_alone() -> None:
    plan = compose_plan("tracking.uri='http://127.0.0.1:5000'", "model.weights=yolo12n.pt")
    assert plan.tracking.uri == "http://127.0.0.1:5000"
    assert plan.model.weights == "yolo12n.pt"
    assert plan.model.architecture == "yolo12n.yaml"


def test_groups_stay_apart_so_that_a_batch_size_never_sits_in_attention() -> None:
    typed = {"attention": {"name", "backend"}, "model": {"name", "architecture", "weights", "trust_weights"}}
    for group, keys in typed.items():
        for file in conf_dir().glob(f"{group}/*.yaml"):
            assert set(yaml.safe_load(file.read_text(encoding="utf-8"))) == keys


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("my/weeds/data.yaml", "weeds"),
        ("my/weeds", "weeds"),
        ("my/weeds.zip", "weeds"),
        ("my/weeds/annotations/instances_val.json", "weeds"),
    ],
)
def test_data_of_ones_own_have_the_name_of_their_folder_and_not_of_their_format(path: str, name: str) -> None:
    for kind in ("yolo_dir", "coco_json"):
        plan = compose_plan(f"dataset={kind}", f"dataset.path={path}")
        assert plan.dataset.name == name
        assert plan.group_id() == compose_plan(f"dataset={kind}", f"dataset.path={path}", "dataset.name=x").group_id()
    assert compose_plan("dataset=yolo_dir", f"dataset.path={path}", "dataset.name=crops").dataset.name == "crops"
