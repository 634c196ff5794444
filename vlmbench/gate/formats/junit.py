"""Writes a comparison as JUnit XML: one suite for each model, one test case for each task.

``vlmbench compare --format junit`` uses it.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from vlmbench.gate import figures, sentences
from vlmbench.gate.lone_remarks import remark_notes
from vlmbench.gate.outcome import Comparison, TaskComparison
from vlmbench.gate.registry import GateFormat
from vlmbench.gate.verdict import is_open
from vlmbench.markup import printable

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML 1.0 does not allow, even escaped."""


def to_junit(comparison: Comparison) -> str:
    """Regressed and inconclusive tasks, and demands that are not met, are failures.

    A task that cannot be compared is an error. An inconclusive task that the gate tolerates is skipped.
    """
    root = ET.Element("testsuites", name="vlmbench compare")
    suites: dict[str, list[TaskComparison]] = {}
    for task in comparison.tasks:
        suites.setdefault(figures.models(task), []).append(task)
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for name, tasks in suites.items():
        suite = ET.SubElement(root, "testsuite", name=_text(name))
        properties = ET.SubElement(suite, "properties")
        facts = (
            ("baseline", comparison.baseline.label),
            ("candidate", comparison.candidate.label),
            ("gate", comparison.gate or "default"),
            ("verdict", comparison.verdict),
            *(("overridden", line) for line in sentences.overridden(comparison)),
            *(("remark", line) for line in remark_notes(tasks)),
        )
        for key, fact in facts:
            ET.SubElement(properties, "property", name=key, value=_text(fact))
        outcomes = [_case(suite, name, task) for task in tasks]
        counts = {key: outcomes.count(key) for key in ("failures", "errors", "skipped")} | {"tests": len(tasks)}
        for key, count in counts.items():
            suite.set(key, str(count))
            totals[key] += count
    for key, count in totals.items():
        root.set(key, str(count))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, model: str, task: TaskComparison) -> str:
    """Add the test case of a task. Returns the name of the total that counts it."""
    case = ET.SubElement(suite, "testcase", name=_text(figures.title(task)), classname=_text(f"vlmbench.{model}"))
    said = sentences.of_task(task)
    tag, total = _outcome(task)
    if tag:
        message = said[0] if said else figures.verdict(task)
        child = ET.SubElement(case, tag, message=_text(message), type=_text(figures.verdict(task)))
        child.text = _text("\n".join([*said, sentences.remedy(task)]).rstrip())
    row = (
        f"{figures.verdict(task)}: {figures.metric(task)} {figures.value(task, task.baseline)} → "
        f"{figures.value(task, task.candidate)}, change {figures.difference(task)}, p {figures.p_value(task)}, "
        f"flips {figures.flips(task)}"
    )
    reasons = [] if tag else said
    ET.SubElement(case, "system-out").text = _text("\n".join([row, *reasons, *sentences.passed_over(task)]))
    return total


def _outcome(task: TaskComparison) -> tuple[str, str]:
    if task.verdict == "regressed" or task.unmet:
        return "failure", "failures"
    if task.verdict == "not comparable":
        return "error", "errors"
    if is_open(task):
        return ("skipped", "skipped") if task.tolerated else ("failure", "failures")
    return "", "passed"


def _text(text: str) -> str:
    return _NO_XML.sub("�", printable(text))


FORMAT = GateFormat("junit", to_junit)
