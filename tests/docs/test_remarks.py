"""The page of remarks says what the code does."""

from remarks_table import PAGE, page


def test_the_table_is_made_from_the_codes() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python docs/remarks_table.py"
