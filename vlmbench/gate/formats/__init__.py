"""Comparisons for programs and forges. How a terminal shows one is the command line's matter."""

from __future__ import annotations

from collections.abc import Callable

from vlmbench.gate.formats.github import to_annotations
from vlmbench.gate.formats.junit import to_junit
from vlmbench.gate.formats.markdown import to_markdown
from vlmbench.gate.formats.plain_data import to_json
from vlmbench.gate.outcome import Comparison

FORMATS: dict[str, Callable[[Comparison], str]] = {
    "md": to_markdown,
    "junit": to_junit,
    "json": to_json,
    "github": to_annotations,
}
