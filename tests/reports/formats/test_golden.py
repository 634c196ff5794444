"""Every format of one small table, letter by letter.

After a change that is meant: VLMBENCH_WRITE_GOLDEN=1 pytest tests/reports/formats/test_golden.py; read the difference.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_cases import HOSTILE, answered, asked, entries, numbers
from rich.console import Console

from vlmbench.reports.builders.results import results_table
from vlmbench.reports.builders.survey_lists import datasets_table
from vlmbench.reports.builders.survey_results import survey_results_table
from vlmbench.reports.formats.html import to_html
from vlmbench.reports.formats.latex import to_latex
from vlmbench.reports.formats.md import to_markdown
from vlmbench.reports.formats.terminal.render import TerminalTable
from vlmbench.reports.published import published
from vlmbench.reports.registry import FORMATS
from vlmbench.reports.table_data import Table
from vlmbench.reports.table_view import TableView
from vlmbench.reports.tables.classification import SURVEY as CLASSIFICATION

GOLDEN = Path(__file__).parent / "golden"
SUFFIX = {"latex": "tex", "text": "txt"}


def classification(view: TableView | None = None) -> Table:
    return survey_results_table(CLASSIFICATION, asked(entries(), view or TableView(), numbers=numbers()))


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(TerminalTable(table, width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def check(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("VLMBENCH_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("format", sorted(set(FORMATS) - {"text"}))
def test_a_comparison_in_every_format(format: str) -> None:
    check(f"classification.{SUFFIX.get(format, format)}", FORMATS.get(format).write(classification()))


@pytest.mark.parametrize("width", [60, 100])
def test_a_comparison_in_a_window(width: int) -> None:
    text = printed(classification(), width)
    assert max(map(len, text.splitlines())) <= width
    check(f"classification-{width}.txt", text)


@pytest.mark.parametrize("format", ["md", "csv", "json"])
def test_results_in_every_format(format: str) -> None:
    check(f"results.{format}", FORMATS.get(format).write(results_table(entries())))


def hostile() -> Table:
    return results_table([answered(name, name[::-1], 0.5) for name in HOSTILE], title=HOSTILE[0])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_hostile_names_are_text_in_html() -> None:
    page = to_html(hostile())
    parser = Tags()
    parser.feed(page)
    assert not parser.tags & {"script", "a", "img", "link", "iframe"}
    assert not any(name.startswith("on") for name in parser.attributes) and "href" not in parser.attributes
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")
    assert "<script>alert(1)</script>" in parser.text and "\u202e" not in page


def test_hostile_names_stay_in_their_cells_in_markdown() -> None:
    lines = to_markdown(hostile()).splitlines()
    assert len(lines) == 2 + len(HOSTILE)
    unescaped = [line.replace("\\|", "") for line in lines]
    assert {line.count("|") for line in unescaped} == {10}
    text = "\n".join(lines)
    assert "<script" not in text and r"\[link\](javascript" in text and r"\*star\*" in text and r"\_under\_" in text


def test_hostile_names_fit_a_window() -> None:
    text = printed(hostile(), 80)
    assert max(map(len, text.splitlines())) <= 80 and "\x1b" not in text and "\u202e" not in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex (texlive-latex-recommended) here")
@pytest.mark.parametrize("table", ["hostile", "classification", "survey", "datasets", "long"])
def test_latex_compiles(table: str, tmp_path: Path) -> None:
    made = {
        "hostile": hostile,
        "classification": classification,
        "survey": lambda: survey_results_table(CLASSIFICATION, asked(entries(), numbers=published())),
        "datasets": lambda: datasets_table(asked(entries(), TableView(filters=[("kind", "Image*")]))),
        "long": lambda: results_table([answered(f"m{number}", "[t]", 0.5) for number in range(60)]),
    }[table]()
    (tmp_path / "table.tex").write_text(to_latex(made), encoding="utf-8")
    needs = "".join(re.findall(r"\\usepackage\{\w+\}", to_latex(made).splitlines()[0]))
    assert ("longtable" in needs) == (table == "long")
    document = rf"\documentclass{{article}}{needs}\begin{{document}}\input{{table}}\end{{document}}"
    (tmp_path / "document.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout and (tmp_path / "document.pdf").is_file()
    assert "Float too large" not in done.stdout
    if table != "long":
        assert "Overfull" not in done.stdout, "it is as wide as the page at most"
