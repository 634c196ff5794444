"""A small fixed set of records, failures and published numbers, from which the golden files are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlmbench.records import MetricValue, Record
from vlmbench.reports.entries import Entries, gather
from vlmbench.reports.facts import ModelFacts
from vlmbench.reports.published import Published
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.table_view import TableView
from vlmbench.testing.toy_records import make_failure, make_record

HOSTILE = (
    "<script>alert(1)</script>",
    "../../x",
    "a|b",
    "Tom & Jerry",
    "100%",
    "🐈 猫",
    "x" * 300,
    "=SUM(A1)",
    "two\nlines",
    "\x1b[31mred\u202e",
    r"\input{/etc/passwd} $x_1^2$ #~{}",
    "*star* [link](javascript:alert(1)) `code` _under_",
    '" onmouseover="alert(1)',
    "Łódź, Ångström, naïve, ñ, ß",
)


def answered(model: str, task: str, value: float, metric: str = "acc1", spread: float = 0.01, **run: object) -> Record:
    """A record of one metric."""
    record = make_record(model, task, **run)
    score = MetricValue(value=value, ci95=(value - spread, value + spread / 2), n=1000, chance=0.1)
    return record.model_copy(update={"metrics": {metric: score}, "main_metric": metric})


def entries() -> Entries:
    """Three models on two of the survey's tasks and one of their own; one part run on a subset, one pair failed."""
    return gather(
        [
            answered("ours-base", "imagenet1k", 0.71),
            answered("ours-base", "cifar10", 0.91),
            answered("ours-base", "my-photos", 0.5),
            answered("ours-large", "imagenet1k", 0.76),
            answered("ours-large", "cifar10", 0.99, limit=100, precision="bf16"),
            make_failure("ours-large", "my-photos", "the disk is full"),
        ]
    )


def numbers() -> list[Published]:
    """Two papers' rows and another source's row of a model that was run."""
    note = "each method's best number"
    return [
        Published(
            "PaperNet", "imagenet1k", "acc1", 0.762, "A Survey, Table 6", note, "", "survey-6", {"data_size": "400M"}
        ),
        Published(
            "PaperNet", "cifar10", "acc1", 0.957, "A Survey, Table 6", note, "", "survey-6", {"data_size": "400M"}
        ),
        Published("Other & Net", "imagenet1k", "acc1", 0.8, "A Survey, Table 6", note, "a misprint", "survey-6"),
        Published("Other & Net", "cifar10", "acc1", 0.5, "A Survey, Table 6", note, "", "survey-6"),
        Published("ours-base", "cifar10", "acc1", 0.912, "a model zoo", "", "", "zoo"),
        Published("elsewhere", "cifar10", "acc1", 0.999, "a model zoo", "", "", "zoo"),
    ]


class NoCards(ModelFacts):
    """Facts without the shipped cards, so that a new card changes no golden file."""

    def card(self, model: str) -> None:
        return None


def asked(
    found: Entries | None = None, view: TableView | None = None, *, numbers: Sequence[Published] = (), **more: Any
) -> TableRequest:
    """A table as it is asked for, by default of nothing and without cards; ``more`` are the request's other fields."""
    return TableRequest(
        **{"name": "", "facts": NoCards(), **more},
        entries=found or Entries(),
        view=view or TableView(),
        published=lambda: numbers,
    )
