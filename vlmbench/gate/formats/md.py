"""Writes a comparison as a comment on a pull request: the verdict, a table, and foldable details.

``vlmbench compare --format md`` uses it, and ``github`` for its summary.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from vlmbench.gate import figures, sentences
from vlmbench.gate.outcome import ClassChange, Comparison, SampleFlip, TaskComparison
from vlmbench.gate.registry import GateFormat
from vlmbench.markup import escape_markdown

MOST = 65_000
"""Characters: GitHub refuses a comment of more than 65,536."""
_SIGNS = {"regressed": "❌", "failed": "❌", "not comparable": "⛔", "inconclusive": "❔", "passed": "✅"}
_STEPS = ((10, 10), (5, 5), (3, 2), (0, 0))
"""The number of classes and samples to show for a task; fewer if the page would be too long."""
_ROWS = (1000, 200, 50, 20)
_REST = "… the rest is too long for a comment; it is in the other formats."
_CALL = re.compile(r"(?<!\w)@(?=\w)|#(?=\d)")
_CLASSES = ("class", "samples", "baseline %", "candidate %", "change in points")
_SAMPLES = ("sample", "truth", "baseline", "candidate", "")


def to_markdown(comparison: Comparison) -> str:
    """At most :data:`MOST` characters; names are text, never markup."""
    for rows in _ROWS:
        for classes, samples in _STEPS:
            blocks = _blocks(comparison, rows, classes, samples)
            if len(text := _page(blocks)) <= MOST:
                return text
    return _page(_first(blocks))


def escape(text: str) -> str:
    """The text without markup and without mentions of users."""
    return escape_markdown(_quiet(text))


def _quiet(text: str) -> str:
    """Break @ and #: a name with @ would notify a user, and #12 would link to an issue."""
    return _CALL.sub(lambda sign: f"{sign[0]}\u2060", text)


def _page(blocks: Sequence[str]) -> str:
    return "\n\n".join(blocks) + "\n"


def _first(blocks: Sequence[str]) -> list[str]:
    """The beginning of a page that fits. Tables and lists are cut between lines; foldable parts stay whole or go."""
    kept: list[str] = []
    room = MOST - len(f"\n\n{_REST}\n")
    for block in blocks:
        lines = [block] if block.startswith("<details>") else block.split("\n")
        ends = accumulate(len(line) + 1 for line in lines)
        fitting = sum(end + 1 <= room for end in ends)
        room -= sum(len(line) + 1 for line in lines[:fitting]) + 1
        kept += ["\n".join(lines[:fitting])] * bool(fitting)
        if fitting < len(lines):
            break
    return [*kept, _REST]


def _blocks(comparison: Comparison, rows: int, classes: int, samples: int) -> list[str]:
    tasks = figures.worst_first(comparison)
    shown = tasks[:rows]
    blocks = [
        f"### {_SIGNS[comparison.verdict]} {escape(sentences.headline(comparison))}",
        escape(f"{sentences.compared(comparison)}."),
        _table(shown, several=figures.of_several_models(comparison)),
        *_lines(f"… and {len(tasks) - rows:,} more tasks" if len(tasks) > rows else ""),
        *_lines(*(f"- **{escape(names)}**: {escape(said)}" for names, said in sentences.paragraphs(comparison)[:rows])),
        *_over_draws(comparison),
        *_lines(escape(" ".join(sentences.remedies(comparison)))),
        *_overridden(comparison),
        *(_details(task, classes, samples) for task in shown if _has_details(task, classes, samples)),
        *_notes(comparison),
        _reproduce(comparison),
    ]
    return [block for block in blocks if block]


def _table(tasks: Sequence[TaskComparison], *, several: bool) -> str:
    head, rule = [*figures.HEADINGS], ["---"] * 3 + ["---:"] * 5
    rows = [figures.cells(task) for task in tasks]
    if several:
        head, rule = ["model", *head], ["---", *rule]
        rows = [[figures.models(task), *row] for task, row in zip(tasks, rows, strict=True)]
    return "\n".join([_line(head), _line(rule), *(_line(map(escape, row)) for row in rows)])


def _over_draws(comparison: Comparison) -> Iterator[str]:
    lines = sentences.of_draws(comparison)
    if lines:
        yield "\n".join(["**Over draws** of adapted models:", "", *(f"- {escape(line)}" for line in lines)])


def _overridden(comparison: Comparison) -> Iterator[str]:
    lines = sentences.overridden(comparison)
    if lines:
        yield "\n".join(["**Overridden** with --allow:", "", *(f"- {escape(line)}" for line in lines)])


def _has_details(task: TaskComparison, classes: int, samples: int) -> bool:
    quiet = task.verdict == "unchanged" and figures.is_fine(
        task
    )  # forty foldable parts without news would hide the one that matters
    return not quiet and bool(task.classes[:classes] or task.samples[:samples])


def _details(task: TaskComparison, classes: int, samples: int) -> str:
    name = html.escape(_quiet(figures.title(task)), quote=False)  # Markdown's escapes do not work inside HTML
    parts = [f"<details><summary>{name}: classes and samples that flipped most</summary>"]
    if task.classes[:classes]:
        rows = [_class_row(change) for change in ends(task.classes, classes)]
        parts.append("\n".join([_line(_CLASSES), _line(["---", *["---:"] * 4]), *rows]))
    if task.samples[:samples]:
        rows = [_sample_row(flip) for flip in task.samples[:samples]]
        parts.append("\n".join([_line(_SAMPLES), _line(["---"] * 5), *rows]))
    return "\n\n".join([*parts, "</details>"])


def ends(changes: Sequence[ClassChange], most: int) -> list[ClassChange]:
    """The first and the last items of a list that is too long: the largest losses and gains."""
    if len(changes) <= most:
        return list(changes)
    last = most // 3
    return [*changes[: most - last], *changes[len(changes) - last :]]


def _class_row(change: ClassChange) -> str:
    lost = " (more than allowed)" if change.broken else ""
    numbers = [
        f"{100 * change.baseline:.1f}",
        f"{100 * change.candidate:.1f}",
        f"{100 * change.change:+.1f}{lost}".replace("-", "−"),
    ]
    return _line([escape(figures.short(change.name)), f"{change.n:,}", *numbers])


def _sample_row(flip: SampleFlip) -> str:
    cells = (flip.sample, flip.truth, flip.baseline, flip.candidate)
    return _line([*(escape(figures.short(cell)) for cell in cells), "lost" if flip.lost else "gained"])


def _notes(comparison: Comparison) -> Iterator[str]:
    notes = comparison.notes
    if notes:
        shown = [f"- {escape(figures.short(note, 400))}" for note in notes[:20]]
        rest = [f"- … and {len(notes) - 20:,} more"] if len(notes) > 20 else []
        yield "\n".join(["<details><summary>Notes</summary>", "", *shown, *rest, "", "</details>"])


def _reproduce(comparison: Comparison) -> str:
    command = figures.short(comparison.command, 2000).replace("`", "'")  # only this ends a block of code
    legend = f"{figures.LEGEND} vlmbench {comparison.vlmbench}."
    return f"<details><summary>How to reproduce</summary>\n\n```sh\n{command}\n```\n\n{escape(legend)}\n\n</details>"


def _lines(*lines: str) -> Iterator[str]:
    found = [line for line in lines if line]
    if found:
        yield "\n".join(found)


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"


FORMAT = GateFormat("md", to_markdown)
