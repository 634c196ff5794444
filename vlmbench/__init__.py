"""vlmbench: zero-shot evaluation of vision-language models. Python users import every public name from here.

>>> import vlmbench
>>> records = vlmbench.evaluate("demo-clip", "demo-scenes")  # doctest: +SKIP
>>> print(records[0].main.value)  # doctest: +SKIP

``evaluate`` takes names, and models and datasets in memory that ``as_model`` and ``as_task`` make ready.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlmbench._version import __version__

if TYPE_CHECKING:
    from vlmbench.api import EvaluationError, as_model, as_task, evaluate, load_model, load_task
    from vlmbench.frames.predictions import predictions_frame
    from vlmbench.frames.results import results_frame
    from vlmbench.gate.compare import compare
    from vlmbench.records import Record

_LAZY = {
    "EvaluationError": "vlmbench.api",
    "as_model": "vlmbench.api",
    "as_task": "vlmbench.api",
    "compare": "vlmbench.gate.compare",
    "evaluate": "vlmbench.api",
    "load_model": "vlmbench.api",
    "load_task": "vlmbench.api",
    "predictions_frame": "vlmbench.frames.predictions",
    "results_frame": "vlmbench.frames.results",
    "Record": "vlmbench.records",
}

__all__ = [
    "EvaluationError",
    "Record",
    "__version__",
    "as_model",
    "as_task",
    "compare",
    "evaluate",
    "load_model",
    "load_task",
    "predictions_frame",
    "results_frame",
]


def __getattr__(name: str) -> Any:
    """Import torch and friends only when they are used: ``vlmbench --help`` must answer at once."""
    if name not in _LAZY:
        raise AttributeError(f"module 'vlmbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
