"""Puts objects into words, for a model's identity: modules, transforms and tokenizers of classes that are unknown here.

The adapters of open_clip and of models in memory use it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ID_LENGTH = 16


def one_line_repr(value: object) -> str:
    """``repr`` on one line, without addresses in memory, which differ from run to run."""
    return _ADDRESS.sub("", " ".join(repr(value).split()))


def described(value: object) -> str:
    """An object in words: its class, its ``repr`` and a hash of the code that it runs.

    Two objects have the same words if they differ only in content that ``repr`` does not show.
    """
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{_place(value)} code_sha256={_code(value)}"
    return f"{_place(type(value))} {one_line_repr(value)} code_sha256={_code(type(value))}"


def described_shortly(value: object) -> str:
    """As :func:`described`, with a hash in place of the ``repr``, which is thousands of lines for a large network."""
    text = sha256(one_line_repr(value).encode()).hexdigest()[:_ID_LENGTH]
    return f"{_place(type(value))} repr_sha256={text} code_sha256={_code(type(value))}"


def _place(value: type | Callable[..., Any]) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', repr(value))}"


def _code(value: Any) -> str:
    """A hash of the source; "" without a source, as for compiled code or code typed into a notebook."""
    try:
        return sha256(inspect.getsource(value).encode()).hexdigest()[:_ID_LENGTH]
    except (OSError, TypeError):
        return ""
