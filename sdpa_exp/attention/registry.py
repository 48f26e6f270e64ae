"""The backends by name, your own by reference, and the one answer to "can it run here?".

conf/attention/*.yaml is the list: its `backend` names a file in backends/, or a function or Backend of your own by
`package.module:name` or `path/file.py:name`. What the authors have not run on a device says so
(`Backend.executed_on`).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdpa_exp.attention.backend import Backend, BackendFunction
from sdpa_exp.attention.requirements import ANYWHERE, Setting, reasons_against
from sdpa_exp.conf_dir import attentions_in, conf_dir, split_reference
from sdpa_exp.errors import BackendUnavailable

_BACKENDS_PACKAGE = "sdpa_exp.attention.backends"


_FOUND: dict[str, Backend] = {}
"""Every backend that was asked for. A plain dict, since torch.compile follows a look-up and stops at a cache."""


def get_backend(name: str) -> Backend:
    """The backend with this name.

    Args:
        name: an option of conf/attention, or `package.module:name` or `path/file.py:name` of a Backend or a function.

    Raises:
        BackendUnavailable: there is no such backend, it can't be imported, or it is neither a Backend nor a function
            that can be called as f(q, k, v, scale).
    """
    found = _FOUND.get(name)
    if found is None:
        found = _FOUND[name] = _load(name)
    return found


def check(backend: str | Backend, *settings: Setting, confirms: bool = True) -> list[str]:
    """Every reason why a backend can't run in these settings, each once; an empty list means that it can in all.

    That there is no such backend, or that its code can't be imported here, is a reason too. Without `confirms` only
    stated requirements are held against the settings, and neither PyTorch nor a package is asked.
    """
    try:
        found = get_backend(backend) if isinstance(backend, str) else backend
    except BackendUnavailable as error:
        return [str(error).rstrip(".")]
    reasons: dict[str, None] = {}
    for setting in dict.fromkeys(settings):
        stated = reasons_against(found.requirements, setting)
        reasons.update(dict.fromkeys(stated or (found.confirm(setting) if confirms and found.confirm else [])))
    return list(reasons)


def refusal(arm: str, reasons: list[str], *, nearest: str | None = None) -> str:
    """The sentence about an arm that can't run here."""
    hint = f"Nearest that runs here: attention={nearest}." if nearest else "task=doctor says what can."
    return f"attention={arm} can't run here: {'; '.join(reasons)}. {hint}"


def nearest(settings: Sequence[Setting]) -> str | None:
    """The first fused backend that runs in all these settings; what PyTorch chooses runs nearly anywhere."""
    return next((name for name in ("flash", "efficient", "sdpa") if not check(name, *settings)), None)


def reference_to(function: BackendFunction) -> str:
    """The name under which a function of one's own is found again, in this process and where a checkpoint is loaded.

    Raises:
        BackendUnavailable: it is not at the top of a module.
    """
    name = f"{function.__module__}:{getattr(function, '__qualname__', type(function).__name__)}"
    if split_reference(name) is None or get_backend(name).function is not function:
        raise BackendUnavailable(
            f"the attention {name} can't be found again by that name, which is what a model keeps: expected a function "
            "at the top of a module. Move it there, or give 'package.module:name' or 'path/file.py:name'."
        )
    return name


def _load(name: str) -> Backend:
    options = attentions_in(conf_dir())
    reference = split_reference(options.get(name, name))
    if reference is not None:
        return _own(name, *reference)
    if name not in options:
        raise BackendUnavailable(
            f"attention backend '{name}' is unknown: expected one of {', '.join(options)}, or a function or Backend of "
            "your own as 'package.module:name' or 'path/file.py:name'. See --help attention."
        )
    return _own(name, f"{_BACKENDS_PACKAGE}.{options[name]}", "BACKEND")


def _own(backend: str, place: str, name: str) -> Backend:
    """What stands in a module or file under a name, as a Backend."""
    try:
        found = getattr(_import(place), name)
    except Exception as error:  # the file is the user's: it may raise anything
        raise BackendUnavailable(
            f"attention backend '{backend}' can't be imported: {type(error).__name__}: {error}. Correct it; "
            "--help attention says what is expected."
        ) from error
    if isinstance(found, Backend):
        return found
    if not callable(found) or inspect.isclass(found) or not _takes_four(found):
        raise BackendUnavailable(
            f"attention backend '{backend}' is a {type(found).__name__}: expected a function f(q, k, v, scale) -> out, "
            "or a Backend. See --help attention."
        )
    summary = (inspect.getdoc(found) or "").partition("\n")[0] or f"{name} of {place}"
    return Backend(name=name, summary=summary, function=found, requirements=ANYWHERE, is_softmax=False)


def _import(place: str) -> Any:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).expanduser().resolve()
    module_name = f"_sdpa_exp_own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _takes_four(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None, None, None, 1.0)
    except TypeError:
        return False
    except ValueError:  # a function in C says nothing about its arguments
        return True
    return True


BACKENDS: dict[str, Backend] = {name: get_backend(name) for name in attentions_in(conf_dir())}
"""All options of conf/attention."""
