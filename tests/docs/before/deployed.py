"""The guide needs packages of extras, which its reader has installed."""

from __future__ import annotations

from pathlib import Path

import pytest


def prepare(here: Path) -> None:
    """The reader needs no files, but the packages of the extra."""
    for package in ("onnxruntime", "onnx"):
        pytest.importorskip(package, reason="pip install 'vlmbench[test]'")
