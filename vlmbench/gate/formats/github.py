"""Writes a comparison as annotations of GitHub Actions, and adds it to the page of a step's summary.

``vlmbench compare --format github`` uses it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from vlmbench.errors import OutputError
from vlmbench.gate import figures, sentences
from vlmbench.gate.formats.md import to_markdown
from vlmbench.gate.lone_remarks import remark_notes
from vlmbench.gate.outcome import Comparison, TaskComparison
from vlmbench.gate.registry import GateFormat
from vlmbench.gate.verdict import is_open

MOST = 10
"""The annotations of one level that GitHub keeps for a step. The last one counts the rest."""
_LONGEST = 4000
SUMMARY = "GITHUB_STEP_SUMMARY"


def to_annotations(comparison: Comparison) -> str:
    """One line for each task that is not fine, worst first, and one line with the overall verdict."""
    level = "notice" if comparison.exit_code == 0 else "error"
    lines: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    lines[level].append(
        _line(
            level,
            "vlmbench",
            "\n".join(
                [sentences.headline(comparison), *sentences.remedies(comparison), *sentences.of_fine(comparison)]
            ),
        )
    )
    for task in figures.worst_first(comparison):
        if figures.is_fine(task):
            continue
        own = _level(task)
        text = "\n".join([*sentences.of_task(task), *sentences.passed_over(task)]) or figures.verdict(task)
        lines[own].append(_line(own, f"{figures.title(task)}: {figures.verdict(task)}", text))
    if said := list(remark_notes(comparison.tasks)):
        lines["notice"].insert(0, _line("notice", "vlmbench remarks", "\n".join(said)))
    return "".join(line for name, found in lines.items() for line in _cut(name, found))


def append_summary(comparison: Comparison, environment: Mapping[str, str] = os.environ) -> bool:
    """Add the Markdown page to the step's summary, if there is one.

    Raises:
        OutputError: the file that GitHub names cannot be written.
    """
    path = environment.get(SUMMARY)
    if not path:
        return False
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(to_markdown(comparison) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write the step summary {path!r}: {error.strerror}") from error
    return True


def _level(task: TaskComparison) -> str:
    if task.verdict in ("regressed", "not comparable") or task.unmet:
        return "error"
    if is_open(task):
        return "warning" if task.tolerated else "error"
    return "warning"


def _line(level: str, title: str, message: str) -> str:
    return f"::{level} title={_property(title)}::{_data(message[:_LONGEST])}\n"


def _cut(level: str, lines: list[str]) -> list[str]:
    if len(lines) <= MOST:
        return lines
    rest = len(lines) - (MOST - 1)
    return [*lines[: MOST - 1], _line(level, "vlmbench", f"and {rest:,} more tasks; see the step's summary")]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMAT = GateFormat("github", to_annotations, besides=append_summary)
