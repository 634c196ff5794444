"""The packages that the tests of this folder need. Without one, this test is skipped and the others are left out."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

MISSING = [name for name in ("onnxruntime", "onnx", "transformers", "tokenizers") if find_spec(name) is None]


def test_the_packages_are_installed() -> None:
    if MISSING:
        pytest.skip(f"the other tests of this folder need {', '.join(MISSING)}: pip install 'vlmbench[test]'")
    import onnxruntime

    assert "CPUExecutionProvider" in onnxruntime.get_available_providers()
