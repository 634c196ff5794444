"""The peak of memory during a stretch of work, and during a part of it."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vlmbench.features.peak_memory import PeakMemory, PeakOfPart

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


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of resident memory")
def test_a_part_has_its_own_peak_and_the_whole_keeps_its_peak() -> None:
    whole = PeakMemory("cpu")
    use_and_give_back(BLOCK)
    before = whole.peak()
    with PeakOfPart() as small:
        pass
    with PeakOfPart() as large:
        use_and_give_back(2 * BLOCK)
    if before is None or small.bytes is None or large.bytes is None:
        pytest.skip("this system does not let a process reset its peak")
    after = whole.peak()
    assert after is not None
    assert before - small.bytes > BLOCK * 0.9, "the part does not see what was used before it"
    assert large.bytes - small.bytes > 2 * BLOCK * 0.9
    assert after == large.bytes, "the whole sees what was used in its part"
    with PeakOfPart():
        pass
    assert whole.peak() == after, "and keeps it after another part"


def test_without_a_measurement_a_part_measures_nothing(tmp_path: Path) -> None:
    (tmp_path / "clear_refs").touch()
    (tmp_path / "status").write_text("VmHWM:\t    2048 kB\n")
    whole = PeakMemory("cpu", tmp_path)
    with PeakOfPart() as part:
        (tmp_path / "clear_refs").write_text("untouched")
    assert part.bytes == 2 * 2**20
    del whole
    (tmp_path / "clear_refs").write_text("untouched")
    with PeakOfPart() as part:
        pass
    assert part.bytes is None
    assert (tmp_path / "clear_refs").read_text() == "untouched"
