"""`python -m sdpa_exp.tasks.doctor.probe`: imports what a run imports, in a process that may die of it.

Reads a request on stdin ({"modules": [...], "plan": {...} or null}) and prints one JSON line per thing found out:
"try" before an import, "import" after it, then "torch", "environment", "fit" and "matrix". A line on stderr marks whose
noise follows.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from typing import Any

MARK = "\x1e"
"""Before a module's name on stderr: what follows was written while it was imported."""


def main() -> int:
    """Answer the request; whatever happens is a line."""
    request = json.load(sys.stdin)
    broken = [name for name in request["modules"] if not _try(name)]
    if "torch" in broken or "torch" not in request["modules"]:
        return 0
    _say(torch=_torch_facts())
    if request["plan"] is not None and not broken:
        _say_plan(request["plan"])
    return 0


def _try(name: str) -> bool:
    _say(**{"try": name})
    sys.stderr.write(f"{MARK}{name}\n")
    sys.stderr.flush()
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - an import may raise anything, SystemExit too
        _say(**{"import": name, "error": f"{type(error).__name__}: {error}"})
        return False
    version = getattr(module, "__version__", None)
    _say(**{"import": name, "error": None, "version": str(version) if version else None})
    return True


def _torch_facts() -> dict[str, Any]:
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_available = torch.cuda.is_available()
    gpus = []
    for index in range(torch.cuda.device_count() if is_available else 0):
        properties = torch.cuda.get_device_properties(index)
        memory_gib = properties.total_memory / 2**30
        gpus.append(
            {"name": properties.name, "capability": [properties.major, properties.minor], "memory_gib": memory_gib}
        )
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "is_available": is_available,
        "why_not": " ".join(str(warning.message) for warning in caught) or None,
        "architectures": torch.cuda.get_arch_list() if is_available else [],
        "gpus": gpus,
        "cudnn": torch.backends.cudnn.version() if is_available else None,
    }


def _say_plan(content: dict[str, Any]) -> None:
    from sdpa_exp.config.plan import from_dict
    from sdpa_exp.errors import SdpaExpError
    from sdpa_exp.runs.environment import collect_environment
    from sdpa_exp.tasks.doctor.matrix import availability, fit_of

    _say(environment=collect_environment())
    try:
        plan = from_dict(content)
        _say(fit=fit_of(plan))
        _say(matrix=availability(plan))
    except SdpaExpError as error:
        _say(refused=str(error))


def _say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
