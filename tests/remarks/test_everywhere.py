"""Every code in every place: terminal, record, table, leaderboard, comparison, ``--strict``."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import Finished, command
from data.layouts import image_bytes, write_folder
from remarks.says import QUIET, SENTENCE

from vlmbench.asked import remarks_of
from vlmbench.gate.compare import compare
from vlmbench.gate.formats.github import to_annotations
from vlmbench.gate.formats.junit import to_junit
from vlmbench.gate.formats.md import to_markdown
from vlmbench.gate.outcome import Comparison
from vlmbench.records import Record
from vlmbench.remarks.codes import CODES, FROM_FIELDS, SEVERAL_MODELS, is_strict
from vlmbench.store import ResultStore

SAID = [name for name in CODES if name not in FROM_FIELDS | {SEVERAL_MODELS.name}]
"""Codes that code says; the others are read from a record's fields, or from several records."""
WHOLE = f"{SENTENCE}: a.jpg, b.jpg, …"


@dataclass(frozen=True)
class Places:
    """What came of one run of a model a code."""

    run: Finished
    records: dict[str, Record]
    table: dict[str, dict[str, Any]]
    site: Path
    comparison: Comparison
    strict: Finished
    strict_records: frozenset[str]
    strict_again: Finished


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    top = tmp_path_factory.mktemp("everywhere")
    write_folder(top / "images", {f"{name}/{i}.png": image_bytes(i) for name in ("cat", "dog") for i in range(3)})
    models = [word for name in SAID for word in ("-m", f"says:{name}")]
    task = ("-t", f"imagefolder:{top / 'images'}", "--device", "cpu", "--no-cache")
    QUIET.append(True)
    command("run", *models, *task, "--results", top / "quiet", code=0, width=300)
    QUIET.clear()
    run = command("run", *models, *task, "--results", top / "loud", code=0, width=300)
    table = command("report", "results", "--results", top / "loud", "-f", "json", code=0)
    command("leaderboard", "--results", top / "loud", "-o", top / "site", "--no-published", code=0)
    strict = command("run", *models, *task, "--results", top / "strict", "--strict", code=1, width=300)
    found = command("run", *models, *task, "--results", top / "loud", "--strict", code=1, width=300)
    records = [entry for entry in ResultStore(top / "loud") if isinstance(entry, Record)]
    return Places(
        run=run,
        records={record.model.spec: record for record in records},
        table={row["model"].removeprefix("says:"): row for row in json.loads(table.stdout)},
        site=top / "site",
        comparison=compare(top / "quiet", top / "loud"),
        strict=strict,
        strict_records=frozenset(
            entry.model.spec for entry in ResultStore(top / "strict") if isinstance(entry, Record)
        ),
        strict_again=found,
    )


@pytest.mark.parametrize("name", SAID)
def test_a_remark_is_everywhere(places: Places, name: str) -> None:
    assert f"note: says:{name}: {WHOLE}  [{name}]" in places.run.stderr

    record = places.records[name]
    (said,) = record.remarks
    assert (said.code, said.text, said.count, said.examples) == (name, SENTENCE, 3, ("a.jpg", "b.jpg"))
    assert said.unranked is CODES[name].unranked and record.warnings == [WHOLE]

    row = places.table[name]
    assert row["remarks"] == f"3 of {name}" and row["remark_codes"] == name

    pages = [page.read_text() for page in (places.site / "models").glob("*.html")]
    assert sum(html.escape(WHOLE) in page and f"<code>{name}</code>" in page for page in pages) == 1
    assert "<b>happened</b>" not in "".join(pages)

    (task,) = [each for each in places.comparison.tasks if each.candidate_model == f"says:{name}"]
    assert [(lone.side, lone.code, lone.sentence) for lone in task.remarks] == [("candidate", name, WHOLE)]
    assert any(note.endswith(f"{WHOLE} [{name}]") for note in places.comparison.notes)


@pytest.mark.parametrize("name", SAID)
def test_strict_fails_a_new_pair_and_one_that_was_found_alike(places: Places, name: str) -> None:
    for run, passed in ((places.strict, "✓"), (places.strict_again, "=")):
        lines = [each for each in run.stderr.splitlines() if "· imagefolder" in each and f"says:{name} " in each]
        (line,) = [each for each in lines if not each.startswith("  ")]  # without what to do about several pairs
        if is_strict(places.records[name].remarks[0]):
            assert line.startswith("✗") and f"under --strict: {WHOLE} [{name}]" in line
        else:
            assert line.startswith(passed) and f"3 of {name}" in line
    assert (name in places.strict_records) is not is_strict(places.records[name].remarks[0])


def test_unranked_codes_have_no_place_in_a_ranking(places: Places) -> None:
    for name, record in places.records.items():
        assert any(remark.unranked for remark in remarks_of(record)) is CODES[name].unranked
    assert any(CODES[name].unranked for name in SAID)


def test_every_format_of_a_comparison_names_lone_remarks(places: Places) -> None:
    for name, write in (("junit", to_junit), ("github", to_annotations), ("md", to_markdown)):
        assert "3 things" in write(places.comparison), name
