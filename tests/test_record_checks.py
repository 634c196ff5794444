"""Keys that stand twice in a record's file are found, and looking for them costs next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmbench import record_checks
from vlmbench.errors import RecordError
from vlmbench.record_parts.transfer import TransferCost, TransferInfo
from vlmbench.records import ClassResult, Record
from vlmbench.reports.entries import is_adapted
from vlmbench.store import ResultStore, Unreadable, parse_record
from vlmbench.testing.toy_records import make_record
from vlmbench.transfer.asked import transfer_key


def normal() -> Record:
    """A record whose protocol and seconds have the names of keys too, as every run's."""
    record = make_record()
    rows = [ClassResult(name=f"class {n}, “[x]”", n=5, values={"recall": 0.5}, ci95=(0.4, 0.6)) for n in range(50)]
    names = ["metrics", record.main_metric]
    task = record.task.model_copy(update={"protocol": {"metrics": names, "main_metric": record.main_metric}})
    run = record.run.model_copy(update={"seconds": {"metrics": 0.1, "total": 1.0}})
    return record.model_copy(update={"per_class": rows, "task": task, "run": run})


@pytest.mark.parametrize("indent", [1, None])
def test_the_whole_of_a_normal_record_is_not_read_a_second_time(
    indent: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[bytes] = []
    monkeypatch.setattr(record_checks, "_refuse_doubled", calls.append)
    store, record = ResultStore(tmp_path), normal()
    path = store.write(record, None)
    path.write_text(record.model_dump_json(by_alias=True, indent=indent))
    assert list(store) == [record] and not isinstance(next(store.summaries()), Unreadable)
    assert calls == []


TEXT = normal().model_dump_json(by_alias=True)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace('"main_metric"', '"main_metric":"x","main_metric"', 1),
        TEXT.replace('"metrics":{', '"m\\u0065trics":{},"metrics":{', 1),
        TEXT[:-1] + ',"metrics":' + json.dumps(json.loads(TEXT)["metrics"]) + "}",
        TEXT[:-1] + " \n, " + TEXT[TEXT.index('"per_class"') :],
        TEXT.replace('"per_class"', '"extra":{"per_class":[1]},"id":"0123456789abcdef","per_class"', 1),
        TEXT.replace('"extra', '"').replace('"seconds":{', '"seconds":{"total":2,"x\\u0022":0,', 1),
    ],
    ids=["before", "escaped", "after the classes", "the classes", "classes within", "deep"],
)
def test_a_key_that_stands_twice_is_found_wherever_it_stands(text: str) -> None:
    with pytest.raises(RecordError, match="is there twice"):
        parse_record(text.encode(), "r.json")


def test_a_record_says_in_one_way_how_its_model_was_adapted(tmp_path: Path) -> None:
    asked = {"shots": 2, "draw": 0, "track": "no-validation"}
    how = TransferInfo(method="knn", version=1, cost=TransferCost(fit_seconds=1.0), **asked)
    task = make_record().task.model_copy(update={"protocol": {"transfer": "knn", **asked}})
    sound = make_record().model_copy(update={"task": task, "transfer": how})
    assert parse_record(sound.model_dump_json(by_alias=True).encode(), "r.json") == sound
    old = make_record().model_copy(update={"task": task.model_copy(update={"protocol": {"transfer": "mine"}})})
    assert parse_record(old.model_dump_json(by_alias=True).encode(), "r.json") == old, "before the part about transfer"
    of_others = {"protocol": {"shots": ["a", "b"], "track": 7}}  # another kind of task, with fields of the same names
    other = make_record().model_copy(update={"task": task.model_copy(update=of_others)})
    assert parse_record(other.model_dump_json(by_alias=True).encode(), "r.json") == other
    assert transfer_key(other.task.protocol) == transfer_key({})
    alone = make_record().model_copy(update={"transfer": how})
    assert is_adapted(sound) and is_adapted(old) and is_adapted(alone) and not is_adapted(other)
    with pytest.raises(RecordError, match=r"part 'transfer', but task\.protocol does not state its method"):
        parse_record(alone.model_dump_json(by_alias=True).encode(), "r.json")
    leaky = sound.model_copy(update={"transfer": how.model_copy(update={"track": "leaky"})})
    with pytest.raises(RecordError, match=r"transfer\.track is 'leaky', but task\.protocol states 'no-validation'"):
        parse_record(leaky.model_dump_json(by_alias=True).encode(), "r.json")


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_class_has_finite_numbers(number: str) -> None:
    for old, new in (('"recall":0.5', f'"recall":{number}'), ("[0.4,", f"[{number},")):
        with pytest.raises(RecordError, match="finite"):
            parse_record(TEXT.replace(old, new, 1).encode(), "r.json")
