"""The metrics that only the parent can give: energy and cost, from the summary of a run's telemetry.

Their definitions are in runs/metrics.py; a value of None has its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs.record import Record

Measured = tuple[dict[str, float | None], dict[str, str]]
"""Values by name, and why a value is None."""

_J_PER_KWH = 3.6e6
_OF_GPU = ("energy_j", "net_energy_j", "energy_per_epoch_j", "energy_per_image_j", "mean_gpu_power_w")
_OF_ALL = (*_OF_GPU, "cpu_energy_j")


def energy_metrics(plan: Plan, record: Record, summary: Mapping[str, Any] | None, num_epochs: int) -> Measured:
    """Energy of the train phase, which is what train_s times.

    Args:
        plan: as it was run, with the device resolved.
        record: the worker's.
        summary: of telemetry.jsonl, None where nothing was sampled.
        num_epochs: epochs in the train phase.
    """
    train = ((summary or {}).get("phases") or {}).get("train")
    why_nothing = _why_nothing(record, summary, train)
    if why_nothing is not None or train is None:
        return dict.fromkeys(_OF_ALL), dict.fromkeys(_OF_ALL, str(why_nothing))
    values: dict[str, float | None] = {name: train[name] for name in ("net_energy_j", "mean_gpu_power_w")}
    values = {"energy_j": train["energy_j"], **values, "cpu_energy_j": train["cpu_energy_j"]}
    reasons = {name: train["unmeasured"][name] for name, value in values.items() if value is None}
    images = (record.metrics.get("images_per_s") or 0.0) * (record.metrics.get("train_s") or 0.0)
    for name, count in (("energy_per_epoch_j", num_epochs), ("energy_per_image_j", images)):
        values[name] = values["energy_j"] / count if values["energy_j"] is not None and count else None
        if values[name] is None:
            reasons[name] = reasons.get("energy_j", "no epoch after the first was finished")
    why_no_gpu = _why_no_gpu(plan)
    if why_no_gpu is not None:
        values.update(dict.fromkeys(_OF_GPU))
        reasons.update(dict.fromkeys(_OF_GPU, why_no_gpu))
    return values, reasons


def cost_metric(plan: Plan, record: Record, summary: Mapping[str, Any] | None) -> Measured:
    """Hours at the price of a GPU hour, plus energy at the price of a kWh: what has a price, or nothing at all."""
    prices = plan.hardware
    if prices.price_per_gpu_hour is None and prices.price_per_kwh is None:
        return _no_cost("no price is set: hardware.price_per_gpu_hour or hardware.price_per_kwh, with its currency")
    cost = 0.0
    if prices.price_per_gpu_hour is not None:
        total_s = record.metrics.get("total_s")
        if total_s is None:
            return _no_cost("the run ended before its time was taken")
        if not _is_on_gpu(plan):
            return _no_cost(
                f"hardware.price_per_gpu_hour is the price of a GPU, and the run used {plan.hardware.device}; "
                f"set it to null there"
            )
        cost += total_s / 3600 * prices.price_per_gpu_hour * prices.devices
    if prices.price_per_kwh is not None:
        energy_j, reason = _whole_energy(plan, summary)
        if energy_j is None:
            return _no_cost(f"hardware.price_per_kwh is set, but the energy was not measured: {reason}")
        cost += energy_j / _J_PER_KWH * prices.price_per_kwh
    return {"cost": cost}, {}


def _whole_energy(plan: Plan, summary: Mapping[str, Any] | None) -> tuple[float | None, str | None]:
    """Joules of what the run used, from its first to its last sample: GPU and CPU packages, or a CPU's packages."""
    overall = (summary or {}).get("overall")
    if overall is None:
        return None, "nothing was sampled"
    if not _is_on_gpu(plan):
        return overall["cpu_energy_j"], overall["unmeasured"].get("cpu_energy_j")
    if overall["energy_j"] is None:
        return None, overall["unmeasured"]["energy_j"]
    return overall["energy_j"] + (overall["cpu_energy_j"] or 0.0), None


def _why_nothing(record: Record, summary: Mapping[str, Any] | None, train: Mapping[str, Any] | None) -> str | None:
    if summary is None:
        return "nothing was sampled: telemetry.enabled is false, or telemetry.jsonl could not be written"
    if record.status != "FINISHED":
        return f"the run ended {record.status}"
    return "fewer than two epochs were finished, and the first is warm-up" if train is None else None


def _why_no_gpu(plan: Plan) -> str | None:
    if not _is_on_gpu(plan):
        return f"the run used {plan.hardware.device}, and energy is read from NVIDIA GPUs"
    return None if plan.telemetry.gpu else "telemetry.gpu is false: the GPU was not read"


def _is_on_gpu(plan: Plan) -> bool:
    return plan.hardware.device.startswith("cuda")


def _no_cost(reason: str) -> Measured:
    return {"cost": None}, {"cost": reason}
