"""Requirements answer with every reason, in words a user can act on."""

from __future__ import annotations

import dataclasses
from importlib import metadata

import pytest
import torch
from torch.nn.attention import _registry, current_flash_attention_impl

from sdpa_exp.attention.precision import HALVES
from sdpa_exp.attention.pytorch_kernels import expected_kernel
from sdpa_exp.attention.registry import BACKENDS, check, get_backend
from sdpa_exp.attention.requirements import FLOATS, Package, Requirements, Setting, reasons_against
from sdpa_exp.errors import BackendUnavailable

CPU = Setting(device_type="cpu", capability=None, dtype=torch.float32, head_dim_qk=32, head_dim_v=32)
A100 = dataclasses.replace(CPU, device_type="cuda", capability=(8, 0), dtype=torch.bfloat16)
T4 = dataclasses.replace(A100, capability=(7, 5), dtype=torch.float16)


def reasons(name: str, setting: Setting) -> list[str]:
    return reasons_against(BACKENDS[name].requirements, setting)


def test_flash_on_cuda_needs_half_precision() -> None:
    assert reasons("flash", dataclasses.replace(A100, dtype=torch.float32)) == [
        "it needs bf16 or fp16 on CUDA, and the precision is fp32"
    ]


def test_flash_needs_ampere_and_says_what_the_t4_has() -> None:
    assert reasons("flash", T4) == ["it needs compute capability 8.0, and this GPU has 7.5"]


def test_efficient_runs_on_a_t4_in_fp16_but_not_in_bf16() -> None:
    assert reasons("efficient", T4) == []
    assert reasons("efficient", dataclasses.replace(T4, dtype=torch.bfloat16)) == [
        "it needs compute capability 8.0 for bf16, and this GPU has 7.5"
    ]


def test_efficient_has_no_cpu_kernel() -> None:
    assert reasons("efficient", CPU) == ["it has no CPU kernel (it runs on CUDA)"]


def test_unequal_and_large_head_dims_are_each_a_reason() -> None:
    setting = dataclasses.replace(A100, head_dim_qk=32, head_dim_v=512)
    unpadded = Requirements(dtypes={"cuda": HALVES}, max_head_dim=256, equal_head_dims=True)
    assert reasons_against(unpadded, setting) == [
        "it needs one head_dim for q, k and v, and the model has 32 for q, k and 512 for v",
        "it takes head_dim up to 256, and the model has 512",
    ]


def test_flash_pads_unequal_head_dims_and_pytorch_confirms_it() -> None:
    psa = dataclasses.replace(CPU, head_dim_qk=32, head_dim_v=64)
    assert check(BACKENDS["flash"], psa) == []
    assert expected_kernel(BACKENDS["flash"], psa) == "flash"


def test_head_dim_multiple_depends_on_the_dtype() -> None:
    odd = dataclasses.replace(A100, head_dim_qk=12, head_dim_v=12)
    assert reasons("efficient", odd) == ["it needs head_dim to be a multiple of 8 in bf16, got 12, 12"]
    assert reasons("efficient", dataclasses.replace(odd, dtype=torch.float32)) == []


@pytest.mark.parametrize("name", ["stock", "eager", "sdpa", "math"])
def test_unfused_backends_run_anywhere(name: str) -> None:
    assert reasons(name, CPU) == reasons(name, T4) == []


def test_pytorch_itself_confirms_that_flash_runs_on_a_cpu() -> None:
    assert check(BACKENDS["flash"], CPU) == []


def test_on_a_cpu_sdpa_is_flash_and_math_where_head_dims_differ() -> None:
    assert expected_kernel(BACKENDS["sdpa"], CPU) == "flash"
    assert expected_kernel(BACKENDS["sdpa"], dataclasses.replace(CPU, head_dim_v=64)) == "math"


def test_a_misspelt_backend_lists_the_known_ones() -> None:
    with pytest.raises(BackendUnavailable, match="'falsh' is unknown: expected one of auto, cudnn, eager, eff"):
        get_backend("falsh")


def test_a_backend_of_ones_own_is_imported_by_name() -> None:
    assert get_backend("sdpa_exp.attention.backends.eager:BACKEND") is BACKENDS["eager"]


def test_a_plain_function_is_a_backend_that_promises_nothing() -> None:
    found = get_backend("sdpa_exp.attention.backends.eager:explicit_attention")
    assert (found.name, found.kernels, found.is_softmax) == ("explicit_attention", None, False)
    assert found.summary.startswith("softmax(q k^T * scale) v")
    assert check(found, CPU) == []


def test_a_name_that_is_no_backend_is_refused() -> None:
    for name in ("sdpa_exp.attention.backend:Backend", "sdpa_exp.attention.requirements:dtype_name"):
        with pytest.raises(BackendUnavailable, match=r"expected a function f\(q, k, v, scale\) -> out, or a Backend"):
            get_backend(name)
    with pytest.raises(BackendUnavailable, match="can't be imported"):
        get_backend("no_such_package:BACKEND")


def test_an_uninstalled_package_is_a_reason_with_the_step_that_installs_it() -> None:
    (reason,) = reasons("flash_attn", A100)
    assert reason.startswith("it needs the flash-attn package from 2.7 on, and it is not installed: pip install flash")


def test_a_package_that_is_too_old_is_a_reason_with_the_version_found() -> None:
    package = Package(name="torch", min_version="99.1", install="pip install -U torch")
    requirements = Requirements(dtypes={"cpu": FLOATS}, packages=(package,))
    (reason,) = reasons_against(requirements, CPU)
    assert reason == (
        f"it needs the torch package from 99.1 on, and {metadata.version('torch')} is installed: pip install -U torch"
    )
    new_enough = dataclasses.replace(requirements, packages=(dataclasses.replace(package, min_version="2.9.10"),))
    assert reasons_against(new_enough, CPU) == []


def test_flash_attn_without_a_gpu_names_the_gpu_first() -> None:
    assert reasons("flash_attn", CPU) == ["it has no CPU kernel (it runs on CUDA)"]


def test_cudnn_is_refused_under_strict_determinism_only() -> None:
    strict = dataclasses.replace(A100, deterministic=True)
    assert reasons("cudnn", A100) == []
    assert reasons("cudnn", strict) == [
        "its backward pass is not known to be deterministic, and determinism=strict was asked for"
    ]
    assert reasons("cudnn", dataclasses.replace(strict, needs_grad=False)) == []
    assert reasons("flash", strict) == []


def test_flex_has_no_backward_pass_on_a_cpu_and_runs_forward_where_there_is_a_compiler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXX", "g++")
    assert reasons("flex", CPU) == ["it has no backward pass on CPU"]
    assert reasons("flex", dataclasses.replace(CPU, needs_grad=False)) == []
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert reasons("flex", dataclasses.replace(CPU, needs_grad=False)) == [
        "it generates code on CPU, and none of g++, clang++ is on the path"
    ]


def test_a_backend_without_a_claim_is_refused_in_a_compiled_model() -> None:
    compiled = dataclasses.replace(A100, compiled=True)
    assert reasons("flash", compiled) == []
    assert (
        reasons("flash_attn", compiled)[-1] == "it does not claim to work with torch.compile, and train.compile is on"
    )


def test_identity_is_for_benchmarks_only() -> None:
    assert reasons("identity", CPU) == [
        "it computes no attention: it is a floor for benchmarks and can't be trained with"
    ]
    assert reasons("identity", dataclasses.replace(CPU, purpose="benchmark")) == []


def test_auto_computes_nothing_until_it_has_chosen() -> None:
    function = get_backend("auto").function
    assert function is not None
    with pytest.raises(BackendUnavailable, match="attention=auto has not chosen yet: expected a concrete backend"):
        function(torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, 2, 4), 1.0)


def test_a_backend_that_the_authors_never_ran_on_a_device_says_so() -> None:
    assert BACKENDS["flash"].caveat("cpu") is None
    assert BACKENDS["flash_attn"].caveat("cuda") == "not yet run by the authors on this device"


H100 = dataclasses.replace(A100, capability=(9, 0))


@pytest.mark.parametrize(
    ("name", "package", "capability"),
    [
        ("flash3", "flash-attn-3 package from 3.0 on", "9.0 to 9.x"),
        ("flash4", "flash-attn-4 package from 4.0 on", "9.0 to 10.x"),
        ("xformers", "xformers package from 0.0.35 on", "8.0"),
    ],
)
def test_the_newest_kernels_name_every_reason_against_them(name: str, package: str, capability: str) -> None:
    assert reasons(name, CPU) == ["it has no CPU kernel (it runs on CUDA)"]
    assert BACKENDS[name].caveat("cuda") == "not yet run by the authors on this device"
    found = reasons(name, dataclasses.replace(T4, dtype=torch.float32, compiled=True))
    assert found[0].startswith(f"it needs the {package}, and it is not installed: ")
    assert found[1:] == [
        "it needs bf16 or fp16 on CUDA, and the precision is fp32",
        f"it needs compute capability {capability}, and this GPU has 7.5",
        "it does not claim to work with torch.compile, and train.compile is on",
    ]


@pytest.mark.parametrize(
    ("name", "capability", "is_refused"),
    [
        ("flash3", (8, 9), True),
        ("flash3", (9, 0), False),
        ("flash3", (10, 0), True),
        ("flash4", (8, 9), True),
        ("flash4", (9, 0), False),
        ("flash4", (10, 0), False),
        ("flash4", (12, 0), True),
        ("xformers", (12, 0), False),
    ],
)
def test_code_of_one_generation_is_refused_on_the_others(
    name: str, capability: tuple[int, int], is_refused: bool
) -> None:
    found = reasons(name, dataclasses.replace(A100, capability=capability))
    assert any("compute capability" in reason for reason in found) is is_refused


def test_a_head_too_wide_for_flash4_is_a_reason() -> None:
    wide = dataclasses.replace(H100, head_dim_qk=192, head_dim_v=192)
    assert "it takes head_dim up to 128, and the model has 192" in reasons("flash4", wide)
    assert not any("head_dim" in reason for reason in reasons("flash3", wide))


def test_pytorch_says_why_it_cannot_activate_a_package_and_the_registry_stays_as_it_was() -> None:
    before = current_flash_attention_impl()
    for name, impl in (("flash3", "FA3"), ("flash4", "FA4")):
        confirm = BACKENDS[name].confirm
        assert confirm is not None
        (reason,) = confirm(H100)
        assert reason.startswith(
            f"PyTorch can't activate {impl} here: ModuleNotFoundError: No module named 'flash_attn"
        )
    assert current_flash_attention_impl() is before is None


def test_flash_and_sdpa_take_the_registry_back_from_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for FA3 that only records, since its package needs a Hopper GPU."""
    log: list[str] = []

    class Handle:
        def remove(self) -> None:
            log.append("removed")

    def register() -> Handle:
        log.append("registered")
        return Handle()

    monkeypatch.setitem(_registry._FLASH_ATTENTION_IMPLS, "FA3", register)
    q = torch.randn(1, 2, 16, 32)
    for name in ("flash3", "flash3", "flash", "flash3", "sdpa", "math"):
        function = BACKENDS[name].function
        assert function is not None
        function(q, q, q, 0.2)
        assert current_flash_attention_impl() == ("FA3" if name == "flash3" else None)
    assert log == ["registered", "removed"] * 2
