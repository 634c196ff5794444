"""The tables of docs/models.md are those that the cards make."""

from models_table import PAGE, page


def test_the_tables_are_up_to_date() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python docs/models_table.py"
