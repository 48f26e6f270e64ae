"""Energy of the machine's CPU packages, from the counters that Linux shows as RAPL, on Intel and AMD alike.

They count whole packages: every process of the machine is in them, memory and the rest of the board are not. AMD's
counters (Zen and newer) come under the same `intel-rapl` names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sdpa_exp.telemetry.energy import CPU_ENERGY

POWERCAP = Path("/sys/class/powercap")
_ZONE = re.compile(r"intel-rapl:\d+")  # not its parts (intel-rapl:0:0), not the same package again (intel-rapl-mmio:0)
_NO_COUNTERS = (
    "no RAPL counters in {folder}: a virtual machine, a container, or a system other than Linux; on a Linux machine "
    "of your own try: sudo modprobe intel_rapl_msr"
)
_NO_PERMISSION = (
    "only root may read {path} (Linux closed it against CVE-2020-8694); until the next boot: "
    "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
)


@dataclass(kw_only=True)
class _Package:
    """One counter. It starts again at 0 when it has reached `range_uj`, about every half hour under load."""

    file: Path
    range_uj: int
    last_uj: int
    total_uj: int = 0

    def advance(self) -> None:
        now_uj = int(self.file.read_text(encoding="ascii"))
        self.total_uj += now_uj - self.last_uj + (self.range_uj if now_uj < self.last_uj else 0)
        self.last_uj = now_uj


class RaplProbe:
    """Samples `cpu_package_energy_j`: joules of all CPU packages since the probe was made, without the jumps to 0.

    Args:
        folder: where the kernel shows the counters.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._reason: str | None = None
        self._packages: list[_Package] = []
        try:
            self._packages = [_open(zone) for zone in _package_zones(folder)]
        except PermissionError as error:
            self._reason = _NO_PERMISSION.format(path=error.filename)
        except (OSError, ValueError) as error:
            self._reason = f"the RAPL counters can't be read: {type(error).__name__}: {error}"
        else:
            if not self._packages:
                self._reason = _NO_COUNTERS.format(folder=folder)

    def read(self) -> dict[str, float | None]:
        """One sample; None for good once a counter can't be read, since a part of its way is then lost."""
        if self._reason is None:
            try:
                for package in self._packages:
                    package.advance()
            except (OSError, ValueError) as error:
                self._reason = f"a RAPL counter stopped answering: {type(error).__name__}: {error}"
        if self._reason is not None:
            return {CPU_ENERGY: None}
        return {CPU_ENERGY: sum(package.total_uj for package in self._packages) / 1e6}

    def unavailable(self) -> dict[str, str]:
        """The reason for None, with the next step where there is one."""
        return {} if self._reason is None else {CPU_ENERGY: self._reason}

    def close(self) -> None:
        """Nothing is held."""


def _package_zones(folder: Path) -> list[Path]:
    """The zones called package-N; `psys`, the whole board on some laptops, would count the packages twice."""
    if not folder.is_dir():
        return []
    zones = sorted(place for place in folder.iterdir() if _ZONE.fullmatch(place.name))
    return [zone for zone in zones if (zone / "name").read_text(encoding="ascii").startswith("package")]


def _open(zone: Path) -> _Package:
    file = zone / "energy_uj"
    return _Package(
        file=file,
        range_uj=int((zone / "max_energy_range_uj").read_text(encoding="ascii")),
        last_uj=int(file.read_text(encoding="ascii")),
    )
