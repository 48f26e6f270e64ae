"""The RAPL probe on folders laid out as Linux's powercap does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdpa_exp.telemetry.rapl import RaplProbe

RANGE_UJ = 262_143_328_850


def zone(folder: Path, place: str, name: str, energy_uj: int) -> Path:
    where = folder / place
    where.mkdir(parents=True)
    (where / "name").write_text(f"{name}\n", encoding="ascii")
    (where / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n", encoding="ascii")
    (where / "energy_uj").write_text(f"{energy_uj}\n", encoding="ascii")
    return where / "energy_uj"


def test_packages_are_summed_and_their_parts_and_doubles_are_not(tmp_path: Path) -> None:
    first = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    others = [
        zone(tmp_path, "intel-rapl:0:0", "backend", 0),
        zone(tmp_path, "intel-rapl:2", "psys", 0),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
    ]
    probe = RaplProbe(tmp_path)
    assert probe.read() == {"cpu_package_energy_j": 0.0}
    first.write_text("3500000", encoding="ascii")
    second.write_text("8000000", encoding="ascii")
    for other in others:
        other.write_text("99000000", encoding="ascii")
    assert probe.read() == {"cpu_package_energy_j": 3.5}
    assert probe.unavailable() == {}


def test_a_counter_that_starts_again_at_0_goes_on_counting(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE_UJ - 2_000_000)
    probe = RaplProbe(tmp_path)
    for energy_uj in (RANGE_UJ - 1_000_000, 4_000_000, 5_000_000):
        counter.write_text(str(energy_uj), encoding="ascii")
        last = probe.read()
    assert last["cpu_package_energy_j"] == pytest.approx(7.0)


def test_a_machine_without_counters_says_so_with_the_next_step(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        probe = RaplProbe(folder)
        assert probe.read() == {"cpu_package_energy_j": None}
        assert "sudo modprobe intel_rapl_msr" in probe.unavailable()["cpu_package_energy_j"]


def test_counters_for_root_only_give_none_with_the_command_that_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    read_text = Path.read_text

    def refuse(path: Path, encoding: str | None = None) -> str:  # root, as in a container, may read everything
        if path == counter:
            raise PermissionError(13, "Permission denied", str(path))
        return read_text(path, encoding)

    monkeypatch.setattr(Path, "read_text", refuse)
    probe = RaplProbe(tmp_path)
    assert probe.read() == {"cpu_package_energy_j": None}
    reason = probe.unavailable()["cpu_package_energy_j"]
    assert f"only root may read {counter}" in reason
    assert "sudo chmod a+r" in reason


def test_a_counter_that_vanishes_is_not_trusted_again(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    probe = RaplProbe(tmp_path)
    counter.unlink()
    assert probe.read() == {"cpu_package_energy_j": None}
    counter.write_text("9000000", encoding="ascii")
    assert probe.read() == {"cpu_package_energy_j": None}
    assert "stopped answering: FileNotFoundError" in probe.unavailable()["cpu_package_energy_j"]
