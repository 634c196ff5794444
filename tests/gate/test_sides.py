"""What an argument of a comparison stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate_cases import answers, labels, table, write

from vlmbench.errors import UsageError
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.gate.sides import read_side, side_at, side_label
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for model in ("a", "b"):
        write(tmp_path / "runs", table(answers(10), labels(10)), model, "t")
    ResultStore(tmp_path / "runs").write_failure(make_failure("b", "other", "no disk"), "plan")
    (tmp_path / "runs" / "a" / "t" / "torn.json").write_text("{")
    return tmp_path / "runs"


def models(path: Path) -> list[str]:
    return sorted(entry.record.model.name for entry in side_at(path).entries)


def test_a_folder_of_results_of_a_model_of_a_pair_and_a_record_are_sides(runs: Path) -> None:
    assert models(runs) == ["a", "b"] and models(runs / "a") == models(runs / "a" / "t") == ["a"]
    (record,) = (path for path in (runs / "b" / "t").glob("*.json"))
    assert models(record) == ["b"]


def test_its_failures_and_what_cannot_be_read_are_kept(runs: Path) -> None:
    side = side_at(runs, label="mine")
    assert side.label == "mine" and [failure.message for failure in side.failures] == ["no disk"]
    (note,) = side.notes
    assert note.startswith("left out: ") and "torn.json" in note


def test_of_a_folder_whose_records_were_all_renamed_each_is_left_out_by_name(runs: Path) -> None:
    for number, record in enumerate(sorted(runs.glob("*/*/????????????????.json"))):
        record.rename(record.with_name(f"renamed {number}.json"))
    side = side_at(runs)
    assert not side.entries and sum("renamed" in note for note in side.notes) == 2
    with pytest.raises(UsageError, match=r"renamed 0\.json: it is a copy or was renamed"):
        read_side(str(runs))


def test_answers_are_read_only_when_they_are_asked_for(runs: Path) -> None:
    for file in runs.glob("*/*/*.parquet"):
        file.unlink()
    first, *_ = side_at(runs).entries
    with pytest.raises(Exception, match="cannot be read"):
        first.table()


def test_a_path_comes_before_a_baseline_of_that_name(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = runs.parent / "baselines"
    save_baseline("main", [entry for entry in side_at(runs).entries if entry.record.model.name == "a"], root)
    monkeypatch.chdir(runs.parent)
    assert [entry.record.model.name for entry in read_side("main", baselines=root).entries] == ["a"]
    runs.rename(runs.parent / "main")
    assert len(read_side("main", baselines=root).entries) == 2
    assert models(root / "main") == ["a"], "and by its path, one record alone too"
    assert models(root / "main" / "t.json") == ["a"]


@pytest.mark.parametrize(
    ("name", "said"), [(" ", "is empty"), ("mian", "Did you mean 'main'"), ("nowhere", "baseline save NAME")]
)
def test_what_is_no_side_says_what_to_do(name: str, said: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = runs.parent / "baselines"
    save_baseline("main", side_at(runs / "a").entries, root)
    monkeypatch.chdir(runs.parent)
    with pytest.raises(UsageError) as error:
        read_side(name, baselines=root)
    assert said in f"{error.value} {error.value.hint}" or (name == "nowhere" and "Known: main" in str(error.value.hint))


def test_a_folder_where_all_failed_says_why(tmp_path: Path) -> None:
    ResultStore(tmp_path / "runs").write_failure(make_failure("m", "t", "no weights"), "plan")
    with pytest.raises(UsageError, match="t failed: no weights"):
        read_side(str(tmp_path / "runs"))


def test_bytes_that_are_no_text_can_be_written_down() -> None:
    assert side_label("a\udcff") == "a?"
