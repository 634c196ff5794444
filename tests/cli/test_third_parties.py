"""What other packages register is treated as what is built in: from the command line, in every room."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import counting
import pytest
import yaml
from command_line import command

from vlmbench.cards import TaskCard
from vlmbench.gate.compare import compare
from vlmbench.gate.registry import FORMATS as GATE_FORMATS
from vlmbench.gate.registry import GateFormat
from vlmbench.interchange.registry import EXPORTERS, IMPORTERS, Exporter, Importer
from vlmbench.interchange.results import Result
from vlmbench.kinds import KINDS
from vlmbench.reports.registry import FORMATS, TABLES, ReportFormat, ReportTable
from vlmbench.reports.site.calibration import reliability
from vlmbench.reports.table_data import Column, Table
from vlmbench.testing.one_entry import registered

N = 400
COUNTS = [row for row in range(N)]
RIGHT_OF_OLD = [count if count % 10 else count + 1 for count in COUNTS]
RIGHT_OF_NEW = [count if count % 4 else count + 3 for count in COUNTS]


@pytest.fixture(autouse=True)
def counting_kind() -> Iterator[None]:
    with registered(KINDS, "counting", counting.KIND):
        yield


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    counting.write(tmp_path / "runs", "good", RIGHT_OF_OLD, COUNTS)
    counting.write(tmp_path / "runs", "poor", RIGHT_OF_NEW, COUNTS)
    return tmp_path


def test_a_card_of_the_kind_needs_no_metrics() -> None:
    card = TaskCard(name="jars", plugin="counting", sources=[{"kind": "imagefolder", "location": "x"}])
    assert (card.metrics, card.main_metric) == (["exact"], "exact")


def test_its_records_are_in_every_table_of_records(runs: Path) -> None:
    assert "exact" in command("report", "results", "--results", "runs", where=runs, code=0).stdout
    assert "counting" in command("report", "model", "good", "--results", "runs", where=runs, code=0).stdout
    ranked = json.loads(command("report", "task", "jars", "--results", "runs", "-f", "json", where=runs, code=0).stdout)
    assert [(row["model"], row["rank_first"]) for row in ranked] == [("good", 1), ("poor", 2)]
    assert command("report", "ranking", "--results", "runs", where=runs, code=0).stdout.count("100.0") == 1


def test_its_samples_tell_models_apart_where_intervals_do_not(tmp_path: Path) -> None:
    nearly = [count if row > 9 else count + 1 for row, count in enumerate(COUNTS)]
    counting.write(tmp_path / "runs", "good", COUNTS, COUNTS)
    counting.write(tmp_path / "runs", "near", nearly, COUNTS)
    ask = ("report", "task", "jars", "--results", "runs", "-f", "json")
    paired = json.loads(command(*ask, where=tmp_path, code=0).stdout)
    apart = json.loads(command(*ask, "--no-paired", where=tmp_path, code=0).stdout)
    assert [row["rank_last"] for row in paired] == [1, 2] and [row["rank_last"] for row in apart] == [2, 2]


def test_its_truth_pairs_samples_and_the_gate_judges_and_names_them(runs: Path) -> None:
    found = compare(runs / "runs" / "good", runs / "runs" / "poor")
    (task,) = found.tasks
    assert (task.verdict, task.metric, found.exit_code) == ("regressed", "exact", 1)
    assert task.gain is not None and task.gain.method == "mcnemar" and task.gain.samples == N
    assert (task.gain.gained, task.gain.lost) == (20, 80)
    first = task.samples[0]
    assert first.lost and (first.truth, first.baseline, first.candidate) == ("4 things", "4 things", "7 things")


def test_a_baseline_of_it_keeps_what_pairing_needs(runs: Path) -> None:
    command("baseline", "save", "main", "--results", "runs", "-m", "good", where=runs, code=0)
    with (runs / "results" / "baselines" / "main" / "jars.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["sample:string", "content:string", "count:int32", "guess:int32"]
    assert "good" in command("baseline", "list", where=runs, code=0).stdout
    assert "exact" in command("baseline", "show", "main", where=runs, code=0).stdout
    same = command("compare", "main", "runs/good", "-f", "json", where=runs, code=0).stdout
    assert json.loads(same)["tasks"][0]["gain"]["identical"]
    assert "REGRESSED" in command("compare", "main", "runs/poor", where=runs, code=1).stdout


def test_the_leaderboard_has_its_column_its_heading_and_its_curve(runs: Path) -> None:
    command("leaderboard", "--results", "runs", "-o", "site", "--no-published", where=runs, code=0)
    assert "Counting things" in (runs / "site" / "tasks.html").read_text()
    page = (runs / "site" / "models" / "good.html").read_text()
    assert "exact" in page and "cannot be read" not in page
    record, _ = counting.answered("good", RIGHT_OF_OLD, COUNTS)
    curve = reliability(record, runs / "runs" / "good" / "jars")
    assert curve is not None
    assert [(bin.n, bin.confidence, bin.accuracy) for bin in curve.bins if bin.n] == [(N, 0.75, pytest.approx(0.9))]


def test_the_hub_knows_it_by_its_own_name(runs: Path) -> None:
    text = command("export", "-f", "model-index", "--results", "runs", "-m", "good", where=runs, code=0).stdout
    (result,) = yaml.safe_load(text)["model-index"][0]["results"]
    assert result["task"] == {"type": "object-counting", "name": "Object Counting"}
    assert [(metric["type"], metric["name"]) for metric in result["metrics"]] == [
        ("exact_match", "exact"),
        ("ece", "ece"),
    ]
    rows = csv.DictReader(command("export", "--results", "runs", where=runs, code=0).stdout.splitlines())
    assert {row["kind"] for row in rows} == {"counting"}


def test_a_table_and_its_format_work_by_their_names(runs: Path) -> None:
    own = ReportTable(
        "sizes", "how many records there are", lambda r: Table("", [Column("n")], [[str(len(r.entries.records))]], [])
    )
    plain = ReportFormat("lines", lambda table: "".join(f"{cell}\n" for row in table.rows for cell in row))
    with registered(TABLES, "sizes", own), registered(FORMATS, "lines", plain):
        assert command("report", "sizes", "--results", "runs", "-f", "lines", where=runs, code=0).stdout == "2\n"
        shown = command("report", "--help", where=runs, code=0).stdout
        assert "sizes: how many records there are" in shown and "latex, lines, md" in shown
        assert "Did you mean 'sizes'" in command("report", "size", where=runs, code=2).stderr
        assert "Did you mean 'lines'" in command("report", "-f", "line", where=runs, code=2).stderr
    assert "unknown table 'sizes'" in command("report", "sizes", where=runs, code=2).stderr


def test_a_format_of_comparisons_works_by_its_name(runs: Path) -> None:
    seen: list[str] = []
    own = GateFormat("word", lambda found: found.verdict, besides=lambda found: seen.append(found.verdict))
    with registered(GATE_FORMATS, "word", own):
        shown = command("compare", "runs/good", "runs/poor", "-f", "word", "--write", "word:w", where=runs, code=1)
        assert shown.stdout == "regressed" == (runs / "w").read_text() and seen == ["regressed"]
        assert "word" in command("compare", "--help", where=runs, code=0).stdout
        assert "Did you mean 'word'" in command("compare", "a", "b", "-f", "wrd", where=runs, code=2).stderr


def test_programs_are_read_and_written_by_their_names(runs: Path) -> None:
    reads = Importer(
        "abacus", "its .json", lambda path, cards, model: iter([Result("m", "jars", "counting", {"exact": 0.5})])
    )
    writes = Exporter("names", "the models", lambda records: "".join(f"{record.model.name}\n" for record in records))
    (runs / "a.json").write_text("{}")
    with registered(IMPORTERS, "abacus", reads), registered(EXPORTERS, "names", writes):
        command("import", "abacus", "a.json", "--results", "runs", where=runs, code=0)
        assert command("export", "-f", "names", "--results", "runs", where=runs, code=0).stdout == "good\nm\npoor\n"
        assert "abacus: its .json." in command("import", "--help", where=runs, code=0).stdout
        assert "names: the models" in command("export", "--help", where=runs, code=0).stdout
    assert "unknown importer 'abacus'" in command("import", "abacus", "a.json", where=runs, code=2).stderr
