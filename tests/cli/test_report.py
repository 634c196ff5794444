"""``vlmbench report`` as a user calls it."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from command_line import Finished, command
from report_cases import answered

from vlmbench.cli.console import stdout, write_output
from vlmbench.reports.formats.terminal.render import TerminalTable
from vlmbench.reports.table_data import Column, Table
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import ROWS, make_failure


def report(*arguments: object, where: Path, code: int = 0, columns: str = "200") -> Finished:
    return command("report", *arguments, where=where, code=code, width=int(columns))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Records of three models, a failure, and files that are no records."""
    store = ResultStore(tmp_path / "runs")
    for model, task, value in (
        ("ours-base", "cifar10", 0.7),
        ("ours-base", "imagenet1k", 0.6),
        ("ours-large", "cifar10", 0.8),
        ("ours-large", "imagenet1k", 0.65),
    ):
        store.write(answered(model, task, value), ROWS)
    store.write_failure(make_failure("broken", "cifar10", "no weights"), "plan")
    folder = store.folder("ours-base", "cifar10")
    (folder / "foreign.json").write_text("{}")
    (folder / "torn.json").write_text('{"schema": "vlmbench.rec')
    (folder / "newer.json").write_text('{"schema": "vlmbench.record/99"}')
    return store.root


def test_tables_of_the_literature_need_no_results_folder(tmp_path: Path) -> None:
    shown = report("classification", where=tmp_path)
    assert "Florence" in shown.stdout and "95.1*" in shown.stdout and shown.stderr == ""
    found = json.loads(report("ovd", "-f", "json", "--no-flagged", where=tmp_path).stdout)
    assert {row["table"] for row in found} == {"survey-10"} and not any(row["flag"] for row in found)


def test_an_empty_folder_and_none_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for arguments in (["results"], ["ranking"], ["coverage"]):
        empty = report(*arguments, "--results", "runs", where=tmp_path, code=2)
        assert "no records in 'runs'" in empty.stderr and "vlmbench run" in empty.stderr
        assert "vlmbench demo" in report(*arguments, where=tmp_path, code=2).stderr
    data = report("results", "--results", "runs", "-f", "json", where=tmp_path)
    assert json.loads(data.stdout) == [] and "note: no records in 'runs'" in data.stderr
    assert report("results", "--results", "runs", "-f", "csv", where=tmp_path).stdout == ""
    for page in ("md", "html", "latex"):
        assert "vlmbench run" in report("results", "--results", "runs", "-f", page, where=tmp_path).stdout


def test_a_folder_of_broken_files_names_them(tmp_path: Path) -> None:
    (tmp_path / "runs" / "m" / "t").mkdir(parents=True)
    (tmp_path / "runs" / "m" / "t" / "torn.json").write_text("{")
    said = report("results", "--results", "runs", where=tmp_path, code=2).stderr
    assert "torn.json" in said and "no records in 'runs'" in said


@pytest.mark.parametrize("columns", ["0", "30", "60"])
def test_no_window_is_so_narrow_that_anything_is_cut_off(columns: str, results: Path) -> None:
    shown = report("classification", "--results", results, "--published", "none", where=results, columns=columns).stdout
    words = " ".join(shown.split())
    for whole in ("survey's Table 6)", "60.0+ ±1.0", "65.0* ±1.0", "failed", "ours-large"):
        assert whole in words


def test_what_no_row_matches_is_said(results: Path) -> None:
    said = report("results", "--results", results, "-m", "nobody", where=results, code=2).stderr
    assert "no result matches these options" in said and "--models" in said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_an_output_that_lacks_our_signs_gets_their_nearest(
    encoding: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    stdout().print(TerminalTable(Table("", (Column("a"),), [["● ᵃ – ─ 猫 é −1→2"]], [])))
    out.flush()
    line = out.buffer.getvalue().decode(encoding).splitlines()[3]
    assert line.split()[:3] == ["#", "a", "-"] and line.split()[4] == "?" and line.split()[5] in ("e", "é")
    assert line.split()[6] == "-1>2", "a loss never loses its sign"
    write_output("● é\n", None)
    out.flush()
    assert out.buffer.getvalue().endswith("● é\n".encode()), "formats for programs are UTF-8 wherever they go"


def test_files_that_are_no_records_are_named_and_skipped(results: Path) -> None:
    shown = report("results", "--results", results, where=results)
    assert shown.stdout.count("ours-") == 4 and "failed" in shown.stdout and "no weights" in shown.stdout
    for name in ("foreign.json", "torn.json", "newer.json"):
        assert name in shown.stderr
    page = report("results", "--results", results, "-f", "html", where=results).stdout
    assert "torn.json" in page


def test_options_narrow_order_and_shape_a_table(results: Path) -> None:
    found = report(
        *("classification", "--results", results, "-f", "csv", "--published", "none"),
        *(
            "--tasks",
            "survey-classification",
            "--models",
            "OURS-*",
            "--sort",
            "cifar 10",
            "--columns",
            "model,task,value",
        ),
        where=results,
    )
    assert list(csv.reader(io.StringIO(found.stdout))) == [
        ["model", "task", "value"],
        ["ours-large", "imagenet1k", "0.65"],
        ["ours-large", "cifar10", "0.8"],
        ["ours-base", "imagenet1k", "0.6"],
        ["ours-base", "cifar10", "0.7"],
    ]
    shown = report(
        *("classification", "--results", results, "-f", "md", "--no-intervals", "--digits", 0),
        *("--filter", "objective=–", "--columns", "model,CIFAR-10"),
        where=results,
    ).stdout
    assert shown.splitlines()[2:5] == [
        "| broken | failed<sup>a</sup> |",
        "| ours-base | <u>70</u> |",
        "| ours-large | **80** |",
    ]


def test_coverage_of_a_suite_and_of_models_that_were_never_run(results: Path) -> None:
    shown = report("coverage", "--results", results, "-t", "survey-classification", "-m", "demo-clip", where=results)
    assert "0 of 11 pairs" in shown.stdout and "missing: caltech101" in shown.stdout


def test_one_model_and_one_task(results: Path) -> None:
    assert "cifar10" in report("model", "ours-base", "--results", results, where=results).stdout
    task = json.loads(report("task", "cifar10", "--results", results, "-f", "json", where=results).stdout)
    assert [(row["model"], row["rank_first"]) for row in task if row.get("rank_first")] == [
        ("ours-large", 1),
        ("ours-base", 2),
    ]
    assert "Did you mean 'ours-base'" in report("model", "ours-bas", "--results", results, where=results, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results", "--published", "al"], "Did you mean 'all'"),
        (["classification", "--sort", "colour"], "unknown column 'colour'"),
        (["classification", "--filter", "objective"], "COLUMN=PATTERN"),
        (["classification", "-f", "json", "--columns", "colour"], "unknown column 'colour'"),
        (["model"], "needs a name"),
        (["results", "x"], "takes no name"),
    ],
)
def test_wrong_use_is_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "results" / "runs").mkdir(parents=True)
    assert said in report(*arguments, where=tmp_path, code=2).stderr


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    report("ovs", "-o", "table.txt", where=tmp_path)
    assert "A-847" in (tmp_path / "table.txt").read_text()
    assert "cannot write" in report("ovs", "-o", "no/where.txt", where=tmp_path, code=2).stderr
