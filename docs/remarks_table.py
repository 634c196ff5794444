"""Writes the table of remarks into ``docs/remarks.md``, from the codes: ``python docs/remarks_table.py``."""

from __future__ import annotations

from pathlib import Path

from vlmbench.remarks.codes import CODES

PAGE = Path(__file__).with_name("remarks.md")
BEGIN, END = "<!-- made by remarks_table.py: begin -->", "<!-- end -->"


def table() -> str:
    """A row a code, in the order of the file that declares them."""
    lines = ["| code | when a result has it | out of rankings | `--strict` |", "| --- | --- | --- | --- |"]
    for code in CODES.values():
        strict = f"passes: {code.not_strict}" if code.not_strict else "fails"
        lines.append(f"| `{code.name}` | {code.meaning} | {'yes' if code.unranked else ''} | {strict} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
