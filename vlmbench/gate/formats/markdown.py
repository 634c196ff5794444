"""A comparison as a comment on a pull request: the verdict, a table, and the rest folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vlmbench.gate import words
from vlmbench.gate.comparison import ClassChange, Comparison, SampleFlip, TaskComparison
from vlmbench.markup import escape_markdown

MOST = 65_000
"""Characters: GitHub refuses a comment of more than 65,536."""
_SIGNS = {"regressed": "❌", "failed": "❌", "not comparable": "⛔", "inconclusive": "❔", "passed": "✅"}
_ORDER = ("regressed", "not comparable", "inconclusive", "improved", "unchanged")
_STEPS = ((10, 10), (5, 5), (3, 2), (0, 0))
"""Classes and samples of a task that are shown; fewer where all would be too long."""
_ROWS = (1000, 200, 50, 20)
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_CLASSES = ("class", "samples", "baseline", "candidate", "change")
_SAMPLES = ("sample", "truth", "baseline", "candidate", "")


def to_markdown(comparison: Comparison) -> str:
    """At most :data:`MOST` characters; names are text, never markup."""
    for rows in _ROWS:
        for classes, samples in _STEPS:
            text = _page(comparison, rows, classes, samples)
            if len(text) <= MOST:
                return text
    return text[:MOST]


def escape(text: str) -> str:
    """Text that is no markup, and calls nobody: a name that begins with @ would notify whoever bears it."""
    return escape_markdown(_MENTION.sub("@\u2060", text))


def _page(comparison: Comparison, rows: int, classes: int, samples: int) -> str:
    tasks = sorted(comparison.tasks, key=lambda task: (words.is_fine(task), _ORDER.index(task.verdict)))
    shown = tasks[:rows]
    blocks = [
        f"### {_SIGNS[comparison.verdict]} {escape(words.headline(comparison))}",
        escape(f"{words.compared(comparison)}."),
        _table(shown),
        *_lines(f"… and {len(tasks) - rows:,} more tasks" if len(tasks) > rows else ""),
        *_lines(*(f"- **{escape(names)}**: {escape(said)}" for names, said in words.paragraphs(comparison)[:rows])),
        *_overridden(comparison),
        *(_details(task, classes, samples) for task in shown if _has_details(task, classes, samples)),
        *_notes(comparison),
        _reproduce(comparison),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _table(tasks: Sequence[TaskComparison]) -> str:
    several = len({words.models(task) for task in tasks}) > 1
    head = ["task", "metric", "baseline", "candidate", "difference [95%]", "p (Holm)", "flips", "verdict"]
    rule = ["---", "---", "---:", "---:", "---:", "---:", "---:", "---"]
    rows = [_row(task) for task in tasks]
    if several:
        head, rule = ["model", *head], ["---", *rule]
        rows = [[words.models(task), *row] for task, row in zip(tasks, rows, strict=True)]
    return "\n".join([_line(head), _line(rule), *(_line(map(escape, row)) for row in rows)])


def _row(task: TaskComparison) -> list[str]:
    return [
        words.title(task),
        words.metric(task),
        words.value(task, task.baseline),
        words.value(task, task.candidate),
        words.difference(task),
        words.p_value(task),
        words.flips(task),
        words.verdict(task),
    ]


def _overridden(comparison: Comparison) -> Iterator[str]:
    lines = words.overridden(comparison)
    if lines:
        yield "\n".join(["**Overridden** with --allow:", "", *(f"- {escape(line)}" for line in lines)])


def _has_details(task: TaskComparison, classes: int, samples: int) -> bool:
    return bool(task.classes[:classes] or task.samples[:samples])


def _details(task: TaskComparison, classes: int, samples: int) -> str:
    name = f"{escape(words.title(task))}: classes and samples that flipped most"
    parts = [f"<details><summary>{name}</summary>"]
    if task.classes[:classes]:
        rows = [_class_row(change) for change in ends(task.classes, classes)]
        parts.append("\n".join([_line(_CLASSES), _line(["---", *["---:"] * 4]), *rows]))
    if task.samples[:samples]:
        rows = [_sample_row(flip) for flip in task.samples[:samples]]
        parts.append("\n".join([_line(_SAMPLES), _line(["---"] * 5), *rows]))
    return "\n\n".join([*parts, "</details>"])


def ends(changes: Sequence[ClassChange], most: int) -> list[ClassChange]:
    """The first and the last of a list that is too long, which are its greatest losses and gains."""
    if len(changes) <= most:
        return list(changes)
    last = most // 3
    return [*changes[: most - last], *changes[len(changes) - last :]]


def _class_row(change: ClassChange) -> str:
    lost = " (more than allowed)" if change.broken else ""
    figures = [f"{100 * change.baseline:.1f}", f"{100 * change.candidate:.1f}", f"{100 * change.change:+.1f}{lost}"]
    return _line([escape(words.short(change.name)), f"{change.n:,}", *figures])


def _sample_row(flip: SampleFlip) -> str:
    cells = (flip.sample, flip.truth, flip.baseline, flip.candidate)
    return _line([*(escape(words.short(cell)) for cell in cells), "lost" if flip.lost else "gained"])


def _notes(comparison: Comparison) -> Iterator[str]:
    notes = comparison.notes
    if notes:
        shown = [f"- {escape(words.short(note, 400))}" for note in notes[:20]]
        rest = [f"- … and {len(notes) - 20:,} more"] if len(notes) > 20 else []
        yield "\n".join(["<details><summary>Notes</summary>", "", *shown, *rest, "", "</details>"])


def _reproduce(comparison: Comparison) -> str:
    command = words.short(comparison.command, 2000).replace("`", "'")  # nothing else ends a block of code
    legend = (
        "p: of a loss beyond the tolerance, or of a gain, adjusted over all tasks (Holm). "
        f"Flips: wrong in the baseline and right in the candidate, and the reverse. vlmbench {comparison.vlmbench}."
    )
    return f"<details><summary>How to reproduce</summary>\n\n```sh\n{command}\n```\n\n{escape(legend)}\n\n</details>"


def _lines(*lines: str) -> Iterator[str]:
    found = [line for line in lines if line]
    if found:
        yield "\n".join(found)


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"
