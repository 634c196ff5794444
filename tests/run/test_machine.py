"""The processor's name, and the kind of machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from vlmbench.features.workers import usable_cores
from vlmbench.run.machine import machine_kind, processor_name


def test_linux_names_its_processor(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Made-up CPU @ 2.00GHz\n\nprocessor\t: 1\nmodel name\t: another\n")
    name, cores = processor_name("cpu", cpuinfo).rsplit(", ", 1)
    assert name == "Made-up CPU @ 2.00GHz"
    assert cores.split()[0] == str(usable_cores())


@pytest.mark.parametrize("content", ["processor\t: 0\nBogoMIPS\t: 50.00\n", None])
def test_a_system_that_names_none_has_its_own_word(tmp_path: Path, content: str | None) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    if content is not None:
        cpuinfo.write_text(content)
    name, _ = processor_name("cpu", cpuinfo).rsplit(", ", 1)
    assert name.strip()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_has_its_name() -> None:
    assert processor_name("cuda:0") == torch.cuda.get_device_name(0)


def system(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """96 cores and 1,008 GiB, and no GPU that torch sees."""
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 1008 * 2**18, "SC_PAGE_SIZE": 4096}.__getitem__)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("large_machine")
def test_a_machine_without_limits_is_described_whole(tmp_path: Path) -> None:
    gpu = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\n"
    files = {f"proc/driver/nvidia/gpus/0000:{number:02}:00.0/information": gpu for number in range(8)}
    assert machine_kind(system(tmp_path, files)) == "8 × NVIDIA H100 80GB HBM3, 96 cores, 1,008 GiB"


@pytest.mark.usefixtures("large_machine")
@pytest.mark.parametrize(
    "files",
    [
        {  # a Slurm job: its step has no limit of its own, the job has
            "proc/self/cgroup": "0::/slurm/job_7/step_0\n",
            "sys/fs/cgroup/slurm/job_7/step_0/memory.max": "max\n",
            "sys/fs/cgroup/slurm/job_7/memory.max": f"{64 * 2**30}\n",
            "sys/fs/cgroup/slurm/job_7/cpu.max": "1250000 100000\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
        },
        {  # a container of Docker with version 1, which does not see the folder of its own group
            "proc/self/cgroup": "4:memory:/docker/7f\n3:cpu,cpuacct:/docker/7f\n1:name=systemd:/\n0::/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{64 * 2**30}\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
)
def test_limits_of_a_job_or_container_count(tmp_path: Path, files: dict[str, str]) -> None:
    assert machine_kind(system(tmp_path, files)) == "12 cores, 64 GiB"


@pytest.mark.usefixtures("large_machine")
def test_limits_above_the_machine_and_none_at_all(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    assert machine_kind(system(tmp_path, files)) == "96 cores, 1,008 GiB"


def test_this_machine() -> None:
    gib = 2**30
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory, unit = machine_kind().rsplit(", ", 1)[1].split()
    assert unit == "GiB"
    assert 1 <= int(memory.replace(",", "")) <= round(installed / gib)
