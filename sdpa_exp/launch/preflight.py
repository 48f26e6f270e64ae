"""`python -m sdpa_exp.launch.preflight <sweep folder>`: looks at the machine once per sweep, in a process of its own.

Reads `preflight_request.json` (a list of plans) and writes `preflight.json`: the hardware resolved for each plan, the
data sets made ready, each arm's kernel or the reasons why it can't run, and groups of arms with the same kernel.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan, from_dict, to_dict
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.launch.process import end_on_signal, end_with_parent, prepare_environment
from sdpa_exp.runs.files import write_json_atomic

REQUEST_FILE = "preflight_request.json"
ANSWER_FILE = "preflight.json"


def main() -> int:
    """Answer the request in the folder given on the command line."""
    sweep_dir = Path(sys.argv[1])
    plans = [from_dict(content) for content in json.loads((sweep_dir / REQUEST_FILE).read_text(encoding="utf-8"))]
    end_on_signal()
    end_with_parent()
    prepare_environment(plans[0])
    try:
        answer = _look(plans)
    except SdpaExpError as error:
        answer = {"error": {"class": type(error).__name__, "message": str(error)}}
    write_json_atomic(sweep_dir / ANSWER_FILE, answer)
    return 0


def _look(plans: list[Plan]) -> dict[str, Any]:
    from sdpa_exp.data.prepare import prepare
    from sdpa_exp.tasks.hardware import resolve_hardware
    from sdpa_exp.tasks.preflight import check_arm, same_kernel
    from sdpa_exp.tasks.preflight import to_dict as check_to_dict

    resolved = [dataclasses.replace(plan, hardware=resolve_hardware(plan.hardware)) for plan in plans]
    warnings: dict[str, None] = {}
    datasets = {json.dumps(to_dict(plan)["dataset"], sort_keys=True): plan.dataset for plan in plans}
    for dataset in datasets.values():
        warnings.update(dict.fromkeys(prepare(dataset).warnings))
    checks: dict[tuple[str, str], Any] = {}
    groups: dict[str, list[Any]] = {}
    for plan in resolved:
        key = (plan.group_id(), plan.arm)
        if key not in checks:
            checks[key] = check_arm(plan)
            groups.setdefault(plan.group_id(), []).append(checks[key])
    return {
        "error": None,
        "hardware": [dataclasses.asdict(plan.hardware) for plan in resolved],
        "arms": [{"group_id": group, **check_to_dict(check)} for (group, _), check in checks.items()],
        "same_kernel": [
            {"group_id": group, "arms": arms} for group, found in groups.items() for arms in same_kernel(found)
        ],
        "warnings": list(warnings),
    }


if __name__ == "__main__":
    sys.exit(main())
