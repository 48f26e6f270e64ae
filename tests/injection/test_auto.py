"""auto times what can run, chooses per kind of layer, keeps its choice, and stays one arm in the attestation."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sdpa_exp import attest, inject
from sdpa_exp.attention.requirements import Setting
from sdpa_exp.errors import InjectionError
from sdpa_exp.injection.auto import choose
from sdpa_exp.injection.auto_choice import AutoChoice
from sdpa_exp.injection.build import build_network
from sdpa_exp.injection.dispatch import ATTRIBUTE
from sdpa_exp.injection.inject import check_injected
from sdpa_exp.injection.layers import find_layers

TRAINING = Setting(device_type="cpu", capability=None, dtype=torch.float32, head_dim_qk=0, head_dim_v=0)
IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_network("yolo12n.yaml", 3)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdpa_exp.injection.auto.BUDGET_S", 0.0)  # the fewest rounds


def chosen(network: nn.Module, folder: Path | None = None, setting: Setting = TRAINING) -> AutoChoice:
    return choose(network, setting, device=torch.device("cpu"), batch=2, imgsz=64, folder=folder)


def test_the_fastest_of_all_that_can_run_is_chosen_for_each_kind_of_layer(network: nn.Module) -> None:
    choice = chosen(network)
    assert [len(key.layers) for key in choice.keys] == [4, 4]
    assert set(choice.backends) == {layer.name for layer in find_layers(network)}
    for key in choice.keys:
        assert [timing.backend for timing in key.timings] == ["eager", "flash", "math", "stock"]
        steps = {timing.backend: timing.step_ms for timing in key.timings if timing.step_ms is not None}
        assert key.backend == min(steps, key=steps.__getitem__)
        assert key.refused["sdpa"] == ["it is flash here, which is timed under that name"]
        assert key.refused["efficient"] == ["it has no CPU kernel (it runs on CUDA)"]
        assert set(key.refused) == {"sdpa", "efficient", "cudnn", "flash_attn", "flex", "identity", "xformers"}


def test_without_gradients_the_forward_alone_decides(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdpa_exp.attention.requirements.shutil.which", lambda program: None)  # flex compiles for long
    monkeypatch.delenv("CXX", raising=False)
    choice = chosen(network, setting=dataclasses.replace(TRAINING, needs_grad=False))
    for key in choice.keys:
        assert all(timing.step_ms is None for timing in key.timings)
        assert key.backend == min(key.timings, key=lambda timing: timing.forward_ms).backend


def test_a_choice_is_kept_for_this_machine_and_these_shapes(network: nn.Module, tmp_path: Path) -> None:
    first = chosen(network, tmp_path)
    again = chosen(network, tmp_path)
    assert (first.was_kept, again.was_kept) == (False, True)
    assert (again.backends, again.keys, again.machine) == (first.backends, first.keys, first.machine)
    strict = dataclasses.replace(TRAINING, deterministic=True)
    assert not chosen(network, tmp_path, strict).was_kept
    (path, _) = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    content = json.loads(path.read_text())
    assert content["machine"]["torch"] == torch.__version__
    assert content["backends"] == first.backends


def test_choosing_leaves_the_network_as_it_was(network: nn.Module) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    chosen(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_attestation_says_auto_and_what_it_chose_layer_by_layer(network: nn.Module) -> None:
    layers = [layer.name for layer in find_layers(network)]
    backends = {layer: ("math" if number < 4 else "flash") for number, layer in enumerate(layers)}
    inject(network, "auto", choices=backends)
    attestation = attest(network, IMAGES, dtype="fp32")
    assert attestation.ok
    assert attestation.requested == "auto"
    assert attestation.summary()["choices"] == backends
    assert attestation.executed()["train_backward"] == {"math": 4, "flash": 4}


def test_a_copy_that_lost_one_of_autos_choices_is_found(network: nn.Module) -> None:
    layers = tuple(layer.name for layer in find_layers(network))
    backends = dict.fromkeys(layers, "flash")
    inject(network, "auto", choices=backends)
    changed = copy.deepcopy(network)
    check_injected(changed, "auto", expected=layers, choices=backends)
    setattr(changed.get_submodule(layers[3]), ATTRIBUTE, "stock")
    with pytest.raises(
        InjectionError, match=rf"auto was injected at 7 of 8 layers of yolo12n; without it: {layers[3]}"
    ):
        check_injected(changed, "auto", expected=layers, choices=backends)


def test_after_auto_another_backend_is_that_backend_alone(network: nn.Module) -> None:
    layers = [layer.name for layer in find_layers(network)]
    inject(network, "auto", choices=dict.fromkeys(layers, "math"))
    inject(network, "flash")
    assert attest(network, IMAGES).requested == "flash"


def test_auto_without_choices_and_choices_without_auto_are_refused(network: nn.Module) -> None:
    with pytest.raises(InjectionError, match="attention=auto was given no choices: expected choices with auto"):
        inject(network, "auto")
    with pytest.raises(InjectionError, match="attention=flash was given choices"):
        inject(network, "flash", choices={})


def test_a_choice_made_for_another_model_is_refused(network: nn.Module) -> None:
    with pytest.raises(InjectionError, match=r"auto chose no backend for model\.6\.m\.0\.0\.attn, .* of yolo12n"):
        inject(network, "auto", choices={"model.10.m.0.attn": "flash"})


def test_a_model_without_layers_gives_nothing_to_choose() -> None:
    with pytest.raises(InjectionError, match="yolov8n has no attention layers, so auto has nothing to choose"):
        chosen(build_network("yolov8n.yaml", 3))
