"""Memory that a forward pass frees is used again, and not cleared by the system each time."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from vlmbench.demo import allocator

GLIBC = platform.libc_ver()[0] == "glibc"
PAGES_TOUCHED = """
import ctypes, resource, sys
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: a huge page counts as one, however much it holds
from vlmbench.demo.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
import numpy as np
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(100 * 2**20, dtype=np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_touched(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PAGES_TOUCHED, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="only glibc can be told so")
def test_a_block_that_was_freed_is_reused() -> None:
    assert pages_touched("kept") < pages_touched("given back") / 3


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()
