"""The table of what a run with workers cost."""

from __future__ import annotations

from vlmbench.cli.watching.costs import MOST_PAIRS, costs_table
from vlmbench.cli.watching.hours import Cost, WorkerSeconds


def test_hours_by_pair_with_what_was_lost() -> None:
    spent = WorkerSeconds(
        {("a", "t"): Cost(900, 5400, 0), ("b", "t"): Cost(900, 3600, 1800), ("a", "u"): Cost(0, 1800, 0)},
        starting=180,
        idle=3420,
        workers=8,
        nodes=2,
    )
    table = costs_table(spent)
    assert table.title == "Worker-hours"
    assert [list(row) for row in table.rows] == [
        ["a", "t", "0.25", "1.50", "–", "1.75"],
        ["a", "u", "–", "0.50", "–", "0.50"],
        ["b", "t", "0.25", "1.00", "0.50", "1.75"],
        ["all", "", "0.50", "3.00", "0.50", "4.00"],
    ]
    assert table.notes == ["8 workers on 2 machines: 5.00 hours in all, of which 19% idle and 1% starting"]
    assert table.data[1] == {"model": "b", "task": "t", "loading": 900, "answers": 3600, "lost": 1800}


def test_a_short_run_is_in_minutes() -> None:
    table = costs_table(WorkerSeconds({("a", "t"): Cost(6, 30, 0)}, starting=24, idle=0, workers=1, nodes=1))
    assert table.title == "Worker-minutes"
    assert [list(row) for row in table.rows] == [["a", "t", "0.10", "0.50", "–", "0.60"]]
    assert table.notes == ["1 worker on 1 machine: 1.00 minutes in all, of which 0% idle and 40% starting"]


def test_many_pairs_are_shown_by_model_and_by_task() -> None:
    pairs = {(f"m{model}", f"t{task}"): Cost(working=3600) for model in range(2) for task in range(MOST_PAIRS)}
    table = costs_table(WorkerSeconds(pairs, starting=0, idle=0, workers=1, nodes=1))
    assert table.sections == {0: "by model", 2: "by task", 2 + MOST_PAIRS: "together"}
    assert [row[5] for row in table.rows] == ["24.00"] * 2 + ["2.00"] * MOST_PAIRS + ["48.00"]
    assert len(table.data) == len(pairs)
