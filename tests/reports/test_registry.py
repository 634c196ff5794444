"""Ranking, coverage, one model, one task, and the survey's lists."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from report_cases import answered, asked, entries, numbers
from rich.console import Console

from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.records import Imported
from vlmbench.reports.builders.coverage import coverage_table
from vlmbench.reports.builders.one_model import model_table
from vlmbench.reports.builders.one_task import task_table
from vlmbench.reports.builders.ranking import ranking_table
from vlmbench.reports.builders.results import results_table
from vlmbench.reports.builders.survey_lists import datasets_table, methods_table
from vlmbench.reports.builders.survey_results import survey_results_table
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.entries import Entries, gather
from vlmbench.reports.facts import FACTS, ModelFacts, count
from vlmbench.reports.formats.terminal.render import TerminalTable
from vlmbench.reports.published import Published
from vlmbench.reports.registry import OPTIONS, TABLES, check_options, check_table
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.reports.tables.classification import SURVEY as CLASSIFICATION
from vlmbench.testing.toy_records import make_failure


def texts(table: Table, *headings: str) -> list[list[str]]:
    names = [column.name for column in table.columns]
    return [[plain(row[names.index(heading)]) for heading in headings] for row in table.rows]


def three_models() -> Entries:
    return gather(
        [
            *(answered("best", task, 0.9) for task in ("cifar10", "imagenet1k")),
            *(answered("near", task, 0.895) for task in ("cifar10", "imagenet1k")),
            *(answered("far", task, 0.2) for task in ("cifar10", "imagenet1k", "dtd")),
        ]
    )


def test_ranking_is_over_common_tasks_with_ties_said() -> None:
    table = ranking_table(asked(three_models()))
    assert texts(table, "rank", "model", "mean %", "mean rank", "Borda %") == [
        ["1–2", "best", "90.0", "1.50", "75.0"],
        ["1–2", "near", "89.5", "1.50", "75.0"],
        ["3", "far", "20.0", "3.00", "0.0"],
    ]
    assert table.notes[0] == "tasks: cifar10 and imagenet1k; 1 other task does not count: some model lacks it"


def test_ranking_over_chosen_tasks_names_who_lacks_them() -> None:
    table = ranking_table(asked(three_models(), tasks=["dtd", "cifar10"]))
    assert texts(table, "model") == [["far"]]
    assert "left out: best lacks dtd" in table.notes and "left out: near lacks dtd" in table.notes


def test_ranking_does_not_count_what_answers_another_question() -> None:
    part = answered("part", "cifar10", 0.99, limit=10)
    table = ranking_table(asked(gather([part, answered("whole", "cifar10", 0.5)])))
    assert texts(table, "model") == [["whole"]]


def test_ranking_says_where_models_were_not_asked_the_same_and_what_has_no_interval() -> None:
    a, b, c = (answered(name, "cifar10", value) for name, value in (("a", 0.9), ("b", 0.5), ("c", 0.1)))
    assert not any("not the same" in note for note in ranking_table(asked(gather([a, b]))).notes)
    data = b.task.dataset.model_copy(update={"fingerprint": "other"})
    other = b.model_copy(update={"task": b.task.model_copy(update={"dataset": data, "version": "2.1"})})
    exact = c.model_copy(update={"metrics": {"acc1": c.main.model_copy(update={"ci95": None})}})
    found = gather([a, other, exact])
    notes = ranking_table(asked(found)).notes
    assert "cifar10: not the same samples, version for all models" in notes
    assert "number without an interval, which counts as exact: c" in notes
    assert "not the same samples, version for all models" in task_table(asked(found, name="cifar10")).notes


def test_ranking_says_which_of_a_models_numbers_are_imported() -> None:
    imported = Imported.model_validate({"from": "clip_benchmark", "file": "x.csv", "sha256": "0"})
    mixed = [answered("mixed", task, 0.5) for task in ("cifar10", "dtd")]
    for order in (mixed, mixed[::-1]):
        records = [order[0].model_copy(update={"imported": imported}), order[1]]
        table = ranking_table(asked(gather(records)))
        (label,) = [cell for cell in table.rows[0] if isinstance(cell, Label)]
        assert label.origin == "imported"
        assert label.notes == (f"imported: {order[0].task.name}; the others are measured here",)
    whole = ranking_table(asked(gather([mixed[0].model_copy(update={"imported": imported})])))
    assert [cell.notes for cell in whole.rows[0] if isinstance(cell, Label)] == [()]


def test_columns_that_nothing_fills_are_not_shown() -> None:
    def headings(table: Table) -> list[str]:
        return [column.name for column in table.columns]

    published = task_table(asked(Entries(), name="cifar10", numbers=numbers()))
    assert headings(published) == ["model", "acc1 %"]
    assert headings(model_table(asked(Entries(), name="elsewhere", numbers=numbers()))) == [
        "task",
        "kind",
        "metric",
        "published",
    ]
    measured = model_table(asked(entries(), name="ours-base"))
    assert headings(measured) == ["task", "kind", "metric", "measured"]


def test_ranking_without_a_common_task_says_so() -> None:
    table = ranking_table(asked(gather([answered("a", "x", 0.5), answered("b", "y", 0.5)])))
    assert table.rows == [] and "the models have no task in common" in table.notes[0]


def test_coverage_counts_and_names_what_is_not_done() -> None:
    found = gather(
        [
            answered("a", "cifar10", 0.5),
            answered("a", "dtd", 0.5),
            make_failure("b", "cifar10", "no weights\nat all"),
            make_failure("b", "dtd").model_copy(update={"status": "unsupported"}),
        ]
    )
    table = coverage_table(asked(found, models=["c"], tasks=["sun397"]))
    assert table.title.startswith("Coverage: 2 of 9 pairs")
    assert texts(table, "model", "done", "failed", "unsupported", "missing", "not done") == [
        ["a", "2", "–", "–", "1", "missing: sun397"],
        ["b", "–", "1", "1", "1", "failed: cifar10; unsupported: dtd; missing: sun397"],
        ["c", "–", "–", "–", "3", "missing: cifar10, dtd, sun397"],
    ]
    assert list(table.footnotes) == ["cifar10: no weights"]
    assert len(table.data) == 9 and {"model": "c", "task": "dtd", "status": "missing"} in table.data


def test_a_model_beside_what_is_published_of_it() -> None:
    known = [
        *numbers(),
        Published("ours-base", "imagenet1k", "acc1", 0.9, "s", flag="another split"),
        Published("ours-base", "dtd", "acc1", 0.4, "s"),
    ]
    table = model_table(asked(entries(), name="ours-base", numbers=known))
    assert texts(table, "task", "measured", "published", "difference") == [
        ["imagenet1k", "71.0", "90.0", ""],
        ["cifar10", "91.0", "91.2", "-0.2"],
        ["my-photos", "50.0", "–", ""],
        ["dtd", "–", "40.0", ""],
    ]
    assert {"s", "a model zoo"} <= table.footnotes.keys(), "each number says where it was read"
    assert "another split" in table.footnotes, "a flagged number is marked, and no difference is made of it"
    with pytest.raises(UnknownNameError, match="'ours-bse'") as error:
        model_table(asked(entries(), name="ours-bse", numbers=known))
    assert "ours-base" in str(error.value)


def test_rows_of_one_task_keep_their_metrics_in_any_window() -> None:
    known = [Published("m", "cifar10", metric, 0.9, "a" * 60) for metric in ("acc1", "acc5", "mean_per_class_recall")]
    out = io.StringIO()
    Console(file=out, width=50).print(TerminalTable(model_table(asked(Entries(), name="m", numbers=known)), 50))
    assert all(metric in out.getvalue() for metric in ("acc1", "acc5", "mean_per_class_"))


def test_a_models_failures_are_rows() -> None:
    table = model_table(asked(entries(), name="ours-large"))
    assert texts(table, "task", "measured")[-1] == ["my-photos", "failed"]
    assert "the disk is full (run of 2026-01-01 00:00)" in table.footnotes


def test_a_failure_without_words_is_named_by_its_kind_in_every_table() -> None:
    silent = gather([make_failure("m", "t", message=""), make_failure("m", "u", message="\n \n")])
    silent_row = "ModelError (run of 2026-01-01 00:00)"
    assert [row[-1] for row in task_table(asked(silent, name="t")).rows] == [silent_row]
    assert list(model_table(asked(silent, name="m")).footnotes) == [silent_row]
    assert list(coverage_table(asked(silent)).footnotes) == ["t: ModelError", "u: ModelError"]
    assert [row[-1] for row in results_table(silent).rows] == [silent_row] * 2
    (datum,) = task_table(asked(silent, name="t")).data
    started = "2026-01-01T00:00:00+00:00"
    assert datum == {"model": "m", "task": "t", "status": "failed", "reason": "ModelError", "started": started}


def test_a_task_ranks_its_own_question_only() -> None:
    table = task_table(asked(entries(), name="cifar10", numbers=numbers()))
    assert texts(table, "rank", "model", "acc1 %", "remarks") == [
        ["–", "ours-large", "99.0", "subset of 10, bf16"],
        ["–", "PaperNet", "95.7", ""],
        ["–", "ours-base", "91.2", ""],
        ["1", "ours-base", "91.0", ""],
        ["–", "Other & Net", "50.0", ""],
    ]
    assert [row[1].notes for row in table.rows if isinstance(row[1], Label)] == [
        (),
        ("A Survey, Table 6",),
        ("a model zoo",),
        (),
        ("A Survey, Table 6",),
    ]
    origins = [row[1].origin for row in table.rows if isinstance(row[1], Label)]
    assert origins == ["measured", "published", "published", "measured", "published"]
    assert [row[2].place for row in table.rows if isinstance(row[2], Score)] == [0, 1, 2, 0, 0]
    with pytest.raises(UnknownNameError, match="'cifar11'"):
        task_table(asked(entries(), name="cifar11", numbers=numbers()))
    with pytest.raises(UsageError, match=r"options leave out all .* of the task 'cifar10'") as caught:
        task_table(asked(entries(), TableView(models=["nobody"]), name="cifar10", numbers=numbers()))
    assert not isinstance(caught.value, UnknownNameError)


def test_datasets_are_grouped_and_name_their_cards() -> None:
    table = datasets_table(asked(gather([answered("a", "mnist", 0.9)])))
    assert list(table.sections.values())[:2] == ["Image Classification", "Image-Text Retrieval"]
    assert texts(table, "dataset", "task card", "models run")[:2] == [
        ["MNIST", "mnist", "1"],
        ["Caltech-101", "caltech101", ""],
    ]
    assert len(table.rows) == 40 and len(datasets_table(asked(Entries(), TableView(tasks=["cifar*"]))).rows) == 2


def test_methods_by_objective() -> None:
    table = methods_table(asked(Entries(), TableView(group_by="objective", filters=[("objective", "Con*")])))
    assert next(iter(table.sections.values())) == "Con" and "GLIP" not in [row[0] for row in texts(table, "method")]
    assert len(methods_table(asked()).rows) == 35
    assert len(methods_table(asked(Entries(), name="transfer")).rows) == 37
    with pytest.raises(UsageError, match="no list of methods is named 'transfr'"):
        methods_table(asked(Entries(), name="transfr"))


def test_facts_come_from_the_paper_then_the_card_then_the_record() -> None:
    facts, record = ModelFacts(), answered("demo-clip", "t", 0.5)
    place = {name: FACTS.index(name) for name in FACTS}
    row = facts.row("demo-clip", variant={"image_encoder": "printed"}, info=record.model)
    assert row[place["image encoder"]] == "printed" and row[place["objective"]] == "contrastive"
    assert facts.row("nobody", variant={}, info=record.model)[place["parameters"]] == "1"
    assert facts.title("demo-clip") == "Demo CLIP" and facts.title("nobody") == "nobody"
    assert [count(n) for n in (999, 1_500, 151_277_313, 1_800_000_000)] == ["999", "1.5k", "151M", "1.8B"]


def test_names_of_tables_are_checked() -> None:
    for name in TABLES:
        check_table(name, "x" if name in ("model", "task") else "")
    for table, name, said in (
        ("clasification", "", "Did you mean 'classification'"),
        ("model", "", "needs a name"),
        ("results", "x", "takes no name"),
    ):
        with pytest.raises(UsageError) as error:
            check_table(table, name)
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("models", ["a"]),
        ("tasks", ["a"]),
        ("intervals", False),
        ("digits", 2),
        ("published", "none"),
        ("flagged", False),
        ("paired", False),
    ],
)
def test_an_option_that_changes_nothing_is_refused_and_the_others_are_not(option: str, value: object) -> None:
    view = TableView(**{option: value})  # type: ignore[arg-type]
    for name in TABLES:
        check_options(name, TableView())
        if option in TABLES.get(name).options:
            check_options(name, view)
        else:
            with pytest.raises(UsageError, match=f"{OPTIONS[option]} changes nothing in the table '{name}'"):
                check_options(name, view)


def test_each_option_changes_the_tables_that_have_it() -> None:
    changes = {
        "models": ["*base"],
        "tasks": ["cifar10"],
        "intervals": False,
        "digits": 3,
        "published": "none",
        "flagged": False,
    }
    known = [*numbers(), Published("ours-base", "imagenet1k", "acc1", 0.9, "s", flag="another split")]

    def made(name: str, view: TableView) -> Table:
        found = entries()
        return {
            "results": lambda: results_table(found, published=known if view.published != "none" else [], view=view),
            "ranking": lambda: ranking_table(asked(found, view)),
            "coverage": lambda: coverage_table(asked(found, view)),
            "model": lambda: model_table(asked(found, view, name="ours-base", numbers=known)),
            "task": lambda: task_table(asked(found, view, name="imagenet1k", numbers=known)),
            "datasets": lambda: datasets_table(asked(found, view)),
            "methods": lambda: methods_table(asked(Entries(), view)),
            "classification": lambda: survey_results_table(CLASSIFICATION, asked(found, view, numbers=known)),
        }[name]()

    def shown(table: Table) -> tuple[object, ...]:
        return table.columns, [[(plain(c), getattr(c, "spread", "")) for c in row] for row in table.rows]

    for name in ("results", "ranking", "coverage", "model", "task", "datasets", "methods", "classification"):
        for option in TABLES.get(name).options & changes.keys():
            view = TableView(**{option: changes[option]})  # type: ignore[arg-type]
            assert shown(made(name, view)) != shown(made(name, TableView())), (name, option)


def test_intervals_can_be_left_out() -> None:
    shown = ranking_table(asked(three_models()))
    hidden = ranking_table(asked(three_models(), replace(TableView(), intervals=False)))
    assert any(isinstance(cell, Score) and cell.spread for row in shown.rows for cell in row)
    assert not any(isinstance(cell, Score) and cell.spread for row in hidden.rows for cell in row)
