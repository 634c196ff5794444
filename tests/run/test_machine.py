"""What computes: the processor's name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vlmbench.features.workers import usable_cores
from vlmbench.run.machine import processor_name


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
