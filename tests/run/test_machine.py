"""What computes: the processor's name, and the peak of memory during a stretch of work."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vlmbench.features.workers import usable_cores
from vlmbench.run.machine import PeakMemory, processor_name

BLOCK = 300 * 2**20


def use_and_give_back(size: int) -> None:
    """Memory of the system's own, which another test may have told the C library to keep."""
    with mmap.mmap(-1, size) as block:
        pages = np.frombuffer(block, dtype=np.uint8)
        pages[:] = 1
        del pages


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of resident memory")
def test_earlier_peaks_are_not_counted_and_freed_memory_is() -> None:
    use_and_give_back(BLOCK)
    low = PeakMemory("cpu")
    calm = low.peak()
    use_and_give_back(BLOCK)
    high = low.peak()
    if calm is None or high is None:
        pytest.skip("this system does not let a process reset its peak")
    assert BLOCK * 0.9 < high - calm < BLOCK * 1.2


def test_where_the_system_does_not_tell_there_is_no_number(tmp_path: Path) -> None:
    assert PeakMemory("cpu", tmp_path / "none").peak() is None
    (tmp_path / "clear_refs").touch()
    assert PeakMemory("cpu", tmp_path).peak() is None
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n")
    assert PeakMemory("cpu", tmp_path).peak() == 2 * 2**20
    assert (tmp_path / "clear_refs").read_text() == "5"
    (tmp_path / "clear_refs").unlink()
    (tmp_path / "clear_refs").mkdir()  # as where a sandbox forbids it: the peak would be of earlier work
    assert PeakMemory("cpu", tmp_path).peak() is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason=f"no CUDA device here ({sys.platform})")
def test_a_cuda_device_counts_its_tensors() -> None:
    memory = PeakMemory("cuda")
    held = torch.empty(BLOCK, dtype=torch.uint8, device="cuda")
    del held
    peak = memory.peak()
    assert peak is not None and peak >= BLOCK


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
