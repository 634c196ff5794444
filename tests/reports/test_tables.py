"""Ranking, coverage, one model, one task, and the survey's lists."""

from __future__ import annotations

from dataclasses import replace

import pytest
from make_record import make_failure
from report_cases import NoCards, answered, entries, numbers

from vlmbench.errors import UnknownNameError, UsageError
from vlmbench.reports.cells import Label, Score, plain
from vlmbench.reports.coverage import coverage_table
from vlmbench.reports.entries import Entries, gather
from vlmbench.reports.facts import FACTS, ModelFacts, count
from vlmbench.reports.one_model import model_table
from vlmbench.reports.one_task import task_table
from vlmbench.reports.published import Published, survey_datasets, survey_methods
from vlmbench.reports.ranking import ranking_table
from vlmbench.reports.results import results_table
from vlmbench.reports.survey_lists import datasets_table, methods_table
from vlmbench.reports.table import Table
from vlmbench.reports.tables import TABLES, check_table
from vlmbench.reports.view import View


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
    table = ranking_table(three_models(), View(), NoCards())
    assert texts(table, "rank", "model", "mean %", "mean rank", "Borda %") == [
        ["1–2", "best", "90.0", "1.5", "75.0"],
        ["1–2", "near", "89.5", "1.5", "75.0"],
        ["3", "far", "20.0", "3.0", "0.0"],
    ]
    assert table.notes[0] == "tasks: cifar10, imagenet1k; 1 others lack a model and do not count"


def test_ranking_over_chosen_tasks_names_who_lacks_them() -> None:
    table = ranking_table(three_models(), View(), NoCards(), tasks=["dtd", "cifar10"])
    assert texts(table, "model") == [["far"]]
    assert "left out: best lacks dtd" in table.notes and "left out: near lacks dtd" in table.notes


def test_ranking_does_not_count_what_answers_another_question() -> None:
    part = answered("part", "cifar10", 0.99, limit=10)
    table = ranking_table(gather([part, answered("whole", "cifar10", 0.5)]), View(), NoCards())
    assert texts(table, "model") == [["whole"]]


def test_ranking_without_a_common_task_says_so() -> None:
    table = ranking_table(gather([answered("a", "x", 0.5), answered("b", "y", 0.5)]), View(), NoCards())
    assert table.rows == [] and "no task is common to all models" in table.notes[0]


def test_coverage_counts_and_names_what_is_not_done() -> None:
    found = gather(
        [
            answered("a", "cifar10", 0.5),
            answered("a", "dtd", 0.5),
            make_failure("b", "cifar10", "no weights\nat all"),
            make_failure("b", "dtd").model_copy(update={"status": "unsupported"}),
        ]
    )
    table = coverage_table(found, View(), models=["c"], tasks=["sun397"])
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
    table = model_table("ours-base", entries(), known, View(), NoCards())
    assert texts(table, "task", "measured", "published", "difference") == [
        ["imagenet1k", "71.0", "90.0", ""],
        ["cifar10", "91.0", "91.2", "-0.2"],
        ["my-photos", "50.0", "–", ""],
        ["dtd", "–", "40.0", ""],
    ]
    assert "another split" in table.footnotes, "a flagged number is marked, and no difference is made of it"
    with pytest.raises(UnknownNameError, match="'ours-bse'") as error:
        model_table("ours-bse", entries(), known, View(), NoCards())
    assert "ours-base" in str(error.value)


def test_a_models_failures_are_rows() -> None:
    table = model_table("ours-large", entries(), [], View(), NoCards())
    assert texts(table, "task", "measured")[-1] == ["my-photos", "failed"]
    assert "the disk is full" in table.footnotes


def test_a_failure_without_words_is_named_by_its_kind_in_every_table() -> None:
    silent = gather([make_failure("m", "t", message=""), make_failure("m", "u", message="\n \n")])
    assert [row[-1] for row in task_table("t", silent, [], View(), NoCards()).rows] == ["ModelError"]
    assert list(model_table("m", silent, [], View(), NoCards()).footnotes) == ["ModelError"]
    assert list(coverage_table(silent, View()).footnotes) == ["t: ModelError", "u: ModelError"]
    assert [row[-1] for row in results_table(silent).rows] == ["ModelError", "ModelError"]
    (datum,) = task_table("t", silent, [], View(), NoCards()).data
    assert datum == {"model": "m", "task": "t", "status": "failed", "reason": "ModelError"}


def test_a_task_ranks_its_own_question_only() -> None:
    table = task_table("cifar10", entries(), numbers(), View(), NoCards())
    assert texts(table, "rank", "model", "acc1 %", "remarks") == [
        ["–", "ours-large", "99.0", "subset of 10, bf16"],
        ["–", "PaperNet", "95.7", "A Survey, Table 6"],
        ["–", "ours-base", "91.2", "a model zoo"],
        ["1", "ours-base", "91.0", ""],
        ["–", "Other & Net", "50.0", "A Survey, Table 6"],
    ]
    origins = [row[1].origin for row in table.rows if isinstance(row[1], Label)]
    assert origins == ["measured", "published", "published", "measured", "published"]
    assert [row[2].place for row in table.rows if isinstance(row[2], Score)] == [0, 1, 2, 0, 0]
    with pytest.raises(UnknownNameError, match="'cifar11'"):
        task_table("cifar11", entries(), numbers(), View(), NoCards())


def test_datasets_are_grouped_and_name_their_cards() -> None:
    table = datasets_table(survey_datasets(), gather([answered("a", "mnist", 0.9)]), View())
    assert list(table.sections.values())[:2] == ["Image Classification", "Image-Text Retrieval"]
    assert texts(table, "dataset", "task card", "models run")[:2] == [
        ["MNIST", "mnist", "1"],
        ["Caltech-101", "caltech101", ""],
    ]
    assert len(table.rows) == 40 and len(datasets_table(survey_datasets(), Entries(), View(tasks=["cifar*"])).rows) == 2


def test_methods_by_objective() -> None:
    table = methods_table(survey_methods(), NoCards(), View(group_by="objective", filters=[("objective", "Con*")]))
    assert next(iter(table.sections.values())) == "Con" and "GLIP" not in [row[0] for row in texts(table, "method")]
    assert len(methods_table(survey_methods(), NoCards(), View()).rows) == 35
    assert len(methods_table(survey_methods(), NoCards(), View(), "transfer").rows) == 37
    with pytest.raises(UsageError, match="no list of methods 'transfr'"):
        methods_table(survey_methods(), NoCards(), View(), "transfr")


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


def test_intervals_can_be_left_out() -> None:
    shown = ranking_table(three_models(), View(), NoCards())
    hidden = ranking_table(three_models(), replace(View(), intervals=False), NoCards())
    assert any(isinstance(cell, Score) and cell.spread for row in shown.rows for cell in row)
    assert not any(isinstance(cell, Score) and cell.spread for row in hidden.rows for cell in row)
