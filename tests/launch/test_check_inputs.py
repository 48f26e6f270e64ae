"""What a command names and is not there is said before a folder is made, with the key that named it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sdpa_exp.errors import ConfigError, DatasetError
from sdpa_exp.launch.check_inputs import require_named
from tests.config.composing import compose_plan
from tests.launch.conftest import sdpa_exp


def test_files_that_are_no_checkpoint_are_named_by_the_key_that_named_them(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "best.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "cut.pt").write_bytes((tmp_path / "best.pt").read_bytes()[:200])
    (tmp_path / "data.yaml").write_text("names: [a]\n", encoding="utf-8")
    plans = [compose_plan(f"model.weights={tmp_path / name}") for name in ("best.pt", "old.pt")]
    require_named([*plans, compose_plan("model.weights=yolo12n.pt"), compose_plan("model.weights=yolov5nu.pt")])
    for name in ("cut.pt", "data.yaml"):
        with pytest.raises(ConfigError, match=rf"model\.weights=\S+{name} is no checkpoint of PyTorch"):
            require_named([*plans, compose_plan(f"model.weights={tmp_path / name}")])
    with pytest.raises(
        ConfigError, match=r"model\.weights=bset\.pt is no file: expected a checkpoint, or a name that"
    ) as no:
        require_named([compose_plan("model.weights=bset.pt")])
    assert "Set model.weights to the train/weights/best.pt of a run folder; a relative path starts in" in str(no.value)
    with pytest.raises(ConfigError, match=r"verify\.weights=\S+data.yaml is no checkpoint"):
        require_named([compose_plan("task=verify", f"verify.weights={tmp_path / 'data.yaml'}")])


def test_a_split_or_a_device_that_is_not_there_is_found_without_torch(tmp_path: Path) -> None:
    (tmp_path / "images/train").mkdir(parents=True)
    data = f"dataset.path={tmp_path}"
    with pytest.raises(DatasetError, match=r"images"):
        require_named([compose_plan("dataset=yolo_dir", data)])
    require_named([compose_plan("task=doctor", "dataset=yolo_dir", data), compose_plan("hardware=cpu")])
    with pytest.raises(ConfigError, match=r"hardware\.device=cuda:99 is not there: the NVIDIA driver shows \d+ CUDA"):
        require_named([compose_plan("hardware.device=cuda:99")])


def test_a_data_set_that_is_not_there_leaves_no_folder_behind(tmp_path: Path) -> None:
    done = sdpa_exp("dataset=yolo_dir", "dataset.path=nowhere.yaml", cwd=tmp_path)
    assert done.returncode == DatasetError.exit_code
    assert done.stderr.count("\n") == 1
    assert f"dataset.path={tmp_path / 'nowhere.yaml'} does not exist" in done.stderr
    assert list(tmp_path.iterdir()) == []
