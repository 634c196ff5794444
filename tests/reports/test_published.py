"""Published numbers: their reader, and what a flag does in a table. The files themselves: tests/published/."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from published_numbers import NUMBERS

from vlmbench.errors import DataError
from vlmbench.reports.cells import Score
from vlmbench.reports.entries import Entries
from vlmbench.reports.published import COLUMNS, Published, published
from vlmbench.reports.registry import TableRequest, make_table
from vlmbench.reports.table_view import TableView

HEAD = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("table", ["classification", "segmentation", "detection", "transfer", "ovd", "ovs"])
def test_a_flagged_number_is_never_best_and_changes_no_other_s_place(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says: flagged numbers that beat all others leave every mark where it was."""

    def marks(numbers: list[Published]) -> list[list[int]]:
        monkeypatch.setattr("vlmbench.reports.published.published", lambda: numbers)
        made = make_table(table, TableRequest("", Entries(), TableView(published="all")))
        scores = [[cell for cell in row if isinstance(cell, Score)] for row in made.rows]
        assert not any(cell.place for row in scores for cell in row if not cell.comparable)
        return [[cell.place for cell in row] for row in scores]

    extreme = [replace(number, value=1.0) if number.flag else number for number in NUMBERS]
    assert any(number.flag for number in NUMBERS)
    found = marks(NUMBERS)
    assert any(place for row in found for place in row)
    assert marks(extreme) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "m,t,acc1,50,s,,,x,\n", "line 2: value 50 is not a fraction"),
        (HEAD + "m,t,acc1,nan,s,,,x,\n", "line 2: value nan is not a fraction"),
        (HEAD + "m,t,acc1,half,s,,,x,\n", "line 2: could not convert"),
        (HEAD + "m,t,acc1,0.5,s,,,x,[1]\n", "line 2: variant '[1]' is not a JSON object"),
        (HEAD + "m,t,acc1,0.5\n", "line 2: the row has more or fewer fields"),
        (HEAD + "m,t,acc1,0.5,s,,,x,,more\n", "line 2: the row has more or fewer fields"),
        ("a,b\n1,2\n", "the columns are a, b"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(DataError) as raised:
        published(tmp_path)
    assert str(path) in raised.value.message and said in raised.value.message


def test_numbers_of_one_s_own_are_read_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(HEAD + 'a|b,"<t>",acc1,0.5,here,n,f,x,"{""backbone"": ""R&D""}"\n')
    assert published(tmp_path) == [Published("a|b", "<t>", "acc1", 0.5, "here", "n", "f", "x", {"backbone": "R&D"})]
    with pytest.raises(DataError, match="no folder of published numbers"):
        published(tmp_path / "missing")
