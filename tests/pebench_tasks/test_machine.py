from pathlib import Path

import pytest

from pebench_tasks import machine


def test_the_cores_are_those_of_the_smallest_quota_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 16: 8 for the container, 250 % for the group of the process, which are two whole ones, and never none."""
    own = tmp_path / "job" / "part"
    own.mkdir(parents=True)
    (tmp_path / "groups").write_text("9:cpu:/else\n0::/job/part\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "groups")
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(16)))
    assert machine.usable_cores() == 16
    (tmp_path / "cpu.max").write_text("800000 100000\n")
    (own / "cpu.max").write_text("max 100000\n")
    assert machine.usable_cores() == 8
    (tmp_path / "job" / "cpu.max").write_text("250000 100000\n")
    assert machine.usable_cores() == 2
    (own / "cpu.max").write_text("20000 100000\n")
    assert machine.usable_cores() == 1


def test_a_system_without_affinity_has_the_cores_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "none")
    monkeypatch.delattr(machine.os, "sched_getaffinity")
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 10)
    assert machine.usable_cores() == 10


def test_the_maker_of_an_x86_processor_is_known_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "CPU_FACTS", tmp_path / "cpuinfo")
    assert machine.cpu_vendor() == ""  # another operating system
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n")
    assert machine.cpu_vendor() == ""
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n")
    assert machine.cpu_vendor() == "AuthenticAMD"
