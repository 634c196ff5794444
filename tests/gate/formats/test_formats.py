"""A comparison in every format: readable, valid, and safe whatever the names are."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from vlmbench.errors import OutputError
from vlmbench.gate.formats.github import append_summary, to_annotations
from vlmbench.gate.formats.json import json_schema, to_json
from vlmbench.gate.formats.junit import to_junit
from vlmbench.gate.formats.md import MOST, to_markdown
from vlmbench.gate.outcome import (
    Check,
    ClassChange,
    Comparison,
    Gain,
    Mismatch,
    SampleFlip,
    SideInfo,
    TaskComparison,
)
from vlmbench.gate.registry import FORMATS
from vlmbench.gate.verdict import overall

HOSTILE = (
    "x|y\n## <script>alert('1')</script> [a](b) `c` ``` \x1b[31m\x00\ud800 ::error::%0A ]]> & @everyone #12 \u202e"
)


def gain(value: float, *, low: float, high: float, p: float = 0.5, **fields: object) -> Gain:
    return Gain.model_validate(
        {
            "value": value,
            "ci95": (low, high),
            "p_value": p,
            "p_worse": p,
            "p_better": 1.0,
            "error": 0.004,
            "method": "mcnemar",
            "identical": False,
            "samples": 1000,
            "differing": 40,
            "gained": 10,
            "lost": 30,
            "detectable": 0.012,
            "samples_needed": None,
            **fields,
        }
    )


def task(name: str, verdict: str, **fields: object) -> TaskComparison:
    return TaskComparison.model_validate(
        {
            "task": name,
            "baseline_model": "m",
            "candidate_model": "m",
            "verdict": verdict,
            "metric": "acc1",
            "baseline": 0.763,
            "candidate": 0.743,
            **fields,
        }
    )


WORSE = task(
    "imagenet1k",
    "regressed",
    gain=gain(-0.02, low=-0.032, high=-0.008, p=0.0012),
    classes=[ClassChange(name="crane", n=50, baseline=0.9, candidate=0.5, change=-0.4, broken=True)],
    samples=[SampleFlip(sample="val/1.jpg", truth="crane", baseline="crane", candidate="tow truck", lost=True)],
    checks=[
        Check(demand="max_class_drop", met=False, message="1 of 10 classes lost more than 5 points: crane (-40.0)")
    ],
)
BETTER = task("cifar10", "improved", gain=gain(0.03, low=0.01, high=0.05, p=1, p_better=0.0001))
UNSURE = task(
    "pets",
    "inconclusive",
    gain=gain(-0.004, low=-0.02, high=0.012, samples_needed=3200),
    margin=0.01,
    checks=[Check(demand="min_speed_ratio", met=None, message="speed was not measured: cached")],
)
UNLIKE = task(
    "dtd",
    "not comparable",
    metric=None,
    baseline=None,
    candidate=None,
    mismatches=[
        Mismatch(kind="prompts", field="task.prompts_sha256", baseline="aa", candidate="bb", meaning="Other words.")
    ],
)
OVERRIDDEN = task(
    "food101",
    "unchanged",
    gain=gain(0.0, low=-0.005, high=0.005),
    overridden=[
        Mismatch(kind="precision", field="run.precision", baseline="fp32", candidate="bf16", meaning="Other numbers.")
    ],
)


def comparison(*tasks: TaskComparison, **fields: object) -> Comparison:
    verdict, code = overall(tasks)
    return Comparison.model_validate(
        {
            "vlmbench": "0.1.0",
            "verdict": verdict,
            "exit_code": code,
            "baseline": SideInfo(label="main:ci", models=["m"], records=5),
            "candidate": SideInfo(label="results/runs", models=["m"], records=5),
            "gate": "gate.yaml",
            "allowed": ["precision"],
            "tasks": [found.model_dump() for found in tasks],
            "notes": ["left out: torn.json: broken"],
            "command": "vlmbench compare main:ci results/runs --gate gate.yaml",
            **fields,
        }
    )


ALL = comparison(WORSE, BETTER, UNSURE, UNLIKE, OVERRIDDEN)


def hostile() -> Comparison:
    names = {
        "task": HOSTILE,
        "metric": HOSTILE,
        "baseline_model": HOSTILE,
        "classes": [WORSE.classes[0].model_copy(update={"name": HOSTILE})],
        "samples": [WORSE.samples[0].model_copy(update={"sample": HOSTILE, "truth": HOSTILE})],
        "overridden": [OVERRIDDEN.overridden[0].model_copy(update={"baseline": HOSTILE})],
    }
    side = SideInfo(label=HOSTILE, models=[HOSTILE], records=1)
    return comparison(WORSE.model_copy(update=names)).model_copy(
        update={"baseline": side, "gate": HOSTILE, "notes": [HOSTILE], "command": HOSTILE}
    )


def test_json_keeps_to_its_schema_and_reads_back() -> None:
    schema = json.loads(json_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads(to_json(ALL))
    jsonschema.validate(written, schema)
    assert written["schema"] == "vlmbench.comparison/1" and Comparison.model_validate(written) == ALL
    assert set(schema["required"]) >= {"verdict", "exit_code", "tasks"}
    written["tasks"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, schema)


def test_junit_has_a_case_a_task_under_the_right_totals() -> None:
    root = ET.fromstring(to_junit(ALL))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
    }
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["imagenet1k"].find("failure")
    assert (
        failure is not None and failure.get("type") == "regressed" and "2.00 points" in (failure.get("message") or "")
    )
    assert "crane" in (failure.text or "")
    assert cases["dtd"].find("error") is not None and cases["pets"].find("failure") is not None
    assert [child.tag for child in cases["cifar10"]] == ["system-out"]
    properties = {(found.get("name"), found.get("value")) for found in root.iter("property")}
    assert ("verdict", "regressed") in properties
    assert any(name == "overridden" and "fp32" in (value or "") for name, value in properties)


def test_what_the_gate_tolerates_is_skipped_in_junit_and_a_warning_on_github() -> None:
    tolerated = UNSURE.model_copy(update={"tolerated": True})
    found = comparison(tolerated)
    assert (found.verdict, found.exit_code) == ("inconclusive", 0)
    assert next(ET.fromstring(to_junit(found)).iter("skipped")).get("type") == "inconclusive (tolerated)"
    assert [line.split(" ")[0] for line in to_annotations(found).splitlines()] == ["::warning", "::notice"]
    assert "which the gate tolerates" in to_markdown(found)


def test_markdown_has_the_verdict_the_table_and_the_rest_folded_away() -> None:
    text = to_markdown(ALL)
    lines = text.splitlines()
    assert lines[0].startswith("### ❌ REGRESSED: 5 tasks: 1 regressed, 1 not comparable, 1 inconclusive")
    rows = [line for line in lines if line.startswith("| ")]
    assert rows[2].startswith(
        "| imagenet1k | regressed | acc1 | 76.30% | 74.30% | −2.00 \\[−3.20, −0.80\\] | 0.001 | +10 −30 |"
    )
    assert text.index("| dtd") < text.index("| pets") < text.index("| cifar10"), "worst first"
    for said in ("crane", "tow truck", "fp32", "bf16", "--gate gate.yaml", "torn.json", "about 3,200 would settle it"):
        assert said in text
    assert text.count("<details>") == text.count("</details>") == 3
    quiet = WORSE.model_copy(update={"task": "quiet", "verdict": "unchanged", "checks": []})
    assert "quiet: classes" not in to_markdown(comparison(quiet))


def test_what_is_said_of_several_tasks_is_said_once() -> None:
    many = [UNLIKE.model_copy(update={"task": f"task-{place:02d}"}) for place in range(12)]
    text = to_markdown(comparison(*many))
    assert text.count("Different task.prompts_sha256") == 1
    assert "task-07 and 4 more" in text


def test_what_to_do_is_said_once_however_many_tasks() -> None:
    many = comparison(
        *(found.model_copy(update={"task": f"t{place}"}) for place in range(5) for found in (WORSE, UNSURE))
    )
    for name in ("md", "github"):
        text = FORMATS.get(name).write(many)
        assert text.count("a tolerance in the gate file") == text.count("widen the margin") == 1, name
    for case in ET.fromstring(to_junit(many)).iter("failure"):  # each is shown alone
        assert (case.text or "").splitlines()[-1].endswith("in the gate file.")
    assert "in the gate file." not in to_markdown(comparison(BETTER, UNLIKE))


def test_what_is_missing_has_no_values_to_show() -> None:
    lost = Mismatch(kind="missing", field="task", baseline="a record", candidate="no record", meaning="Run it.")
    torn = Mismatch(kind="answers", field="predictions", baseline="–", candidate="–", meaning="\x1b[31mtorn")
    neither = Mismatch(kind="answers", field="metrics.x", baseline="not there", candidate="not there", meaning="See y.")
    text = FORMATS.get("github").write(comparison(UNLIKE.model_copy(update={"mismatches": [lost, torn, neither]})))
    assert "::Run it.%0AThe answers cannot be paired: [31mtorn%0Ametrics.x, on both sides: not there. See y.\n" in text


def test_a_comment_never_is_longer_than_github_takes() -> None:
    names = [f"task-{place:03d}-{'x' * 120}" for place in range(400)]
    many = [
        WORSE.model_copy(
            update={
                "task": name,
                "classes": WORSE.classes * 20,
                "samples": [WORSE.samples[0].model_copy(update={"sample": "s" * 5000})] * 15,
            }
        )
        for name in names
    ]
    text = to_markdown(comparison(*many))
    assert len(text) <= MOST and "more tasks" in text and text.count("<details>") == text.count("</details>")
    few = to_markdown(comparison(*many[:40]))
    assert len(few) <= MOST and names[39] in few and names[0] in few


def test_a_page_that_is_cut_leaves_nothing_open() -> None:
    long = HOSTILE.replace("x", "<" * 150)
    many = [
        task(
            f"{place}{long}",
            "not comparable",
            metric=long,
            baseline_model=f"{place % 7}{long}",
            classes=WORSE.classes,
            mismatches=[UNLIKE.mismatches[0].model_copy(update={"meaning": f"{place}{long}"})],
        )
        for place in range(60)
    ]
    text = to_markdown(comparison(*many, notes=[long * 10] * 100))
    assert MOST - 10_000 < len(text) <= MOST and "the rest is too long" in text.splitlines()[-1]
    assert text.count("<details>") == text.count("</details>") and text.count("```") % 2 == 0


def test_annotations_are_one_line_each_and_escaped() -> None:
    lines = to_annotations(ALL).splitlines()
    assert all(line.startswith(("::error title=", "::warning title=", "::notice title=")) for line in lines)
    assert lines[0].startswith("::error title=vlmbench::REGRESSED")
    assert "::error title=imagenet1k%3A regressed::" in lines[1] and "%0A" in lines[1] and "95%25" in lines[1]
    assert any(line.startswith("::warning title=food101%3A unchanged") for line in lines)
    assert not any("cifar10%3A" in line for line in lines)
    many = to_annotations(comparison(*(WORSE.model_copy(update={"task": f"t{place}"}) for place in range(30))))
    errors = many.splitlines()
    assert len(errors) == 10 and "and 22 more" in errors[-1]


def test_the_summary_goes_where_github_says(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    assert append_summary(ALL, {"GITHUB_STEP_SUMMARY": str(path)})
    assert path.read_text().startswith("before\n### ❌ REGRESSED")
    assert not append_summary(ALL, {})
    with pytest.raises(OutputError, match="step summary"):
        append_summary(ALL, {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_hostile_names_stay_names_in_every_format() -> None:
    found = hostile()
    written = {name: FORMATS.get(name).write(found) for name in FORMATS if name != "json"}
    root = ET.fromstring(written["junit"])
    assert "<script>" in (next(root.iter("testcase")).get("name") or "")
    markdown = written["md"]
    assert "<script>" not in markdown.replace(markdown[markdown.index("```sh") : markdown.rindex("```")], "")
    assert "#12" not in markdown.split("```sh")[0] and "\\" not in markdown.partition("<summary>")[2].partition("</")[0]
    assert "\n## " not in markdown and "@everyone" not in markdown.split("```sh")[0]
    rows = [line.replace("\\|", "") for line in markdown.splitlines() if line.startswith("| x")]
    assert rows and all(row.count("|") in (6, 9, 10) for row in rows)
    code = markdown[markdown.index("```sh") :]
    assert code.count("```") == 2 and [line[:3] for line in markdown.splitlines()].count("```") == 2
    lines = written["github"].splitlines()
    assert len(lines) == 2 and all(line.startswith("::error title=") for line in lines)
    assert "::" not in lines[1].removeprefix("::error title=").partition("::")[0], "a title cannot end early"
    for text in written.values():
        assert "\x1b" not in text and "\x00" not in text and "\u202e" not in text
        text.encode()


def test_what_was_overridden_is_in_every_format() -> None:
    for name in FORMATS:
        write = FORMATS.get(name).write
        text = write(ALL)
        assert "bf16" in text and "precision" in text, name
