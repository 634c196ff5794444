"""Toy models, toy data and conformance checks. Authors of plugins use them in their tests, with or without pytest.

>>> from vlmbench.testing import check_model
>>> check_model("demo-clip")  # doctest: +SKIP

A check asks an object for everything that its protocol promises. It returns a :class:`Conformance`, or raises a
:class:`ConformanceError` that lists every broken promise. Names are imported when they are used, as in
:mod:`vlmbench`: ``import vlmbench.testing`` imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vlmbench.testing.checks.executors import check_executor
    from vlmbench.testing.checks.models import check_model
    from vlmbench.testing.checks.sources import check_source
    from vlmbench.testing.checks.tables import check_report_table
    from vlmbench.testing.checks.tasks import check_task
    from vlmbench.testing.checks.transfer import check_transfer
    from vlmbench.testing.conformance import Broken, Conformance, ConformanceError
    from vlmbench.testing.one_entry import registered
    from vlmbench.testing.toy_colours import ColourModel
    from vlmbench.testing.toy_data import ToyClips, ToyImages, ToyMasks, toy_clips, toy_dataset, write_image_folder
    from vlmbench.testing.toy_models import ToyModel, toy_model
    from vlmbench.testing.toy_parts import ToyDetector, ToyPatches, ToySegmenter
    from vlmbench.testing.toy_records import make_failure, make_record
    from vlmbench.testing.toy_tokens import ToyTokens
    from vlmbench.testing.toy_vectors import ToyVectors

_LAZY = {
    **dict.fromkeys(("Broken", "Conformance", "ConformanceError"), "conformance"),
    "check_executor": "checks.executors",
    "check_model": "checks.models",
    "check_report_table": "checks.tables",
    "check_source": "checks.sources",
    "check_task": "checks.tasks",
    "check_transfer": "checks.transfer",
    "registered": "one_entry",
    "ColourModel": "toy_colours",
    **dict.fromkeys(
        ("ToyClips", "ToyImages", "ToyMasks", "toy_clips", "toy_dataset", "write_image_folder"), "toy_data"
    ),
    **dict.fromkeys(("ToyModel", "toy_model"), "toy_models"),
    **dict.fromkeys(("ToyDetector", "ToyPatches", "ToySegmenter"), "toy_parts"),
    "ToyTokens": "toy_tokens",
    "ToyVectors": "toy_vectors",
    **dict.fromkeys(("make_failure", "make_record"), "toy_records"),
}

__all__ = [
    "Broken",
    "ColourModel",
    "Conformance",
    "ConformanceError",
    "ToyClips",
    "ToyDetector",
    "ToyImages",
    "ToyMasks",
    "ToyModel",
    "ToyPatches",
    "ToySegmenter",
    "ToyTokens",
    "ToyVectors",
    "check_executor",
    "check_model",
    "check_report_table",
    "check_source",
    "check_task",
    "check_transfer",
    "make_failure",
    "make_record",
    "registered",
    "toy_clips",
    "toy_dataset",
    "toy_model",
    "write_image_folder",
]


def __getattr__(name: str) -> Any:
    """Import a part when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module 'vlmbench.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vlmbench.testing.{_LAZY[name]}"), name)
