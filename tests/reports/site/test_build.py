"""The pages as files: what they say, and that no name or broken file harms them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from command_line import command
from report_cases import HOSTILE
from reports.site.records_of_many import CLASSES, make_answer

from vlmbench.records import ClassResult, Imported
from vlmbench.reports.published import Published
from vlmbench.reports.site import assets as site_assets
from vlmbench.reports.site import build_site
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure

NUMBER = Published("PaperNet", "cifar10", "acc1", 0.9, "A Paper, Table 1", "with prompts of its own", table="det")
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x07\x00\x00\x00\x05\x08"


class Reader(HTMLParser):
    """Elements, links and the texts of scripts."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.data = ""
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.data += data
        else:
            self.text += data


def read(path: Path) -> Reader:
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == [], path
    return reader


def check_links(root: Path) -> None:
    """Every page is well formed, and every link of a page leads to a file of the site or to a web page."""
    for page in root.rglob("*.html"):
        for link in read(page).links:
            place = link.partition("#")[0]
            if place and not place.startswith(("https://", "http://", "data:")):
                assert (page.parent / place).resolve().is_relative_to(root.resolve()), (page, link)
                assert (page.parent / place).is_file(), (page, link)


def test_every_page_is_there_and_every_link_leads_somewhere(
    store: ResultStore, put: Callable[..., str], build: Callable[..., Path]
) -> None:
    put("a", "cifar10", 0.5)
    put("b", "cifar10", 0.6)
    store.write_failure(make_failure("b", "food101", "no such file <b>"), "plan")
    root = build([NUMBER, replace(NUMBER, task="ov-coco", flag="known to be wrong")])
    pages = {str(path.relative_to(root)) for path in root.rglob("*.html")}
    assert pages == {
        *("index.html", "published.html", "tasks.html", "plots.html", "about.html"),
        *("models/a.html", "models/b.html", "models/PaperNet.html"),
        *("tasks/cifar10.html", "tasks/food101.html", "tasks/ov-coco.html"),
    }
    check_links(root)
    assert "no such file <b>" in read(root / "about.html").text


def test_a_models_page_has_all_that_is_known(
    store: ResultStore, put: Callable[..., str], build: Callable[..., Path]
) -> None:
    record, predictions = make_answer("a", "cifar10", 0.5)
    store.write(record, predictions)
    store.write_visuals(record, {"samples.png": PNG})
    root = build()
    said = read(root / "models/a.html")
    for text in ("50.0", "ece", "vlmbench run", "-m toy:", "Environment 1", "platform", "Calibration", record.id):
        assert text in said.text
    assert f"../pictures/{record.id}/samples.png" in said.links
    assert (root / "pictures" / record.id / "samples.png").read_bytes() == PNG
    with (root / "classes" / f"{record.id}.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASSES and rows[3]["class"] == "class 3"
    assert said.text.count("class ") < CLASSES  # the page has the best and the worst


def test_a_tasks_page_has_its_ranking_dataset_and_protocol(put: Callable[..., str], build: Callable[..., Path]) -> None:
    put("a", "cifar10", 0.5)
    put("b", "cifar10", 0.9)
    few = replace(NUMBER, model="TunedNet", value=0.99, variant={"setup": "Few-shot Sup."})
    root = build([NUMBER, replace(NUMBER, model="WrongNet", flag="known to be wrong"), few])
    text = read(root / "tasks/cifar10.html").text
    outside = text.index("Published numbers outside the ranking")
    assert text.index("PaperNet") < outside < text.index("WrongNet")
    assert outside < text.index("TunedNet") and "not zero-shot: after transfer (Few-shot Sup.)" in text
    assert "90.0" in text and "with prompts of its own" in text and "known to be wrong" in text
    assert "10,000" in text and "a photo of" in text


def test_an_imported_record_is_marked_and_asks_for_no_command(store: ResultStore, build: Callable[..., Path]) -> None:
    source = Imported(program="open_clip", file="results.csv", sha256="0" * 64)
    record, _ = make_answer("a", "cifar10", 0.5, imported=source, predictions=None)
    store.write(record, None)
    text = read(build() / "models/a.html").text
    assert "open_clip: results.csv" in text and "vlmbench run" not in text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(
    store: ResultStore, put: Callable[..., str], build: Callable[..., Path], name: str
) -> None:
    bad = ClassResult(name=name, n=1, values={"recall": 0.5}, ci95=(0.1, 0.9))
    put(name, name, 0.5, per_class=[bad], warnings=[name])
    put("plain", "cifar10", 0.5)
    store.write_failure(make_failure(name, "other", name), "plan")
    number = Published(name, name, "acc1", 0.5, name, name, name, "det", {"backbone": name})
    root = build([number, replace(number, flag="", metric="acc1")])
    for path in root.rglob("*.html"):
        page = read(path)
        assert page.handlers == [], path
        assert page.tags.count("script") == path.read_text(encoding="utf-8").count("<script"), path
        assert not [link for link in page.links if link.casefold().startswith("javascript")], path
        assert "alert(1)" not in page.data or json.loads(page.data.strip()), path
        assert not set("\x1b\u202e") & set(page.text), path
    check_links(root)
    index = read(root / "index.html")
    assert json.loads(index.data)["rows"][0]["title"] in {name, "plain"}
    outside = {path.name for path in root.parent.iterdir()}
    assert outside == {"results", "site"}


def test_files_that_are_no_records_are_named_and_skipped(
    store: ResultStore, put: Callable[..., str], build: Callable[..., Path]
) -> None:
    put("a", "cifar10", 0.5)
    folder = store.folder("a", "cifar10")
    (folder / "broken.json").write_text('{"schema": "vlmbench.record/1", ')
    (folder / "newer.json").write_text('{"schema": "vlmbench.record/9"}')
    (folder / "foreign.json").write_text("[1, 2]")
    about = read(build() / "about.html").text
    for name in ("broken.json", "newer.json", "foreign.json"):
        assert f"a/cifar10/{name}" in about
    assert str(store.root) not in about


def test_a_record_that_names_files_elsewhere_leads_nowhere(store: ResultStore, build: Callable[..., Path]) -> None:
    record, predictions = make_answer("a", "cifar10", 0.5)
    path = store.write(record, predictions)
    outside = store.root.parent / "outside.visuals"
    outside.mkdir()
    (outside / "secret.png").write_bytes(PNG)
    hostile = record.model_copy(update={"id": "../../../outside"})
    path.write_text(hostile.model_dump_json(by_alias=True))
    root = build()
    assert not list(root.rglob("*.png"))
    check_links(root)


def test_an_empty_folder_makes_a_helpful_page(build: Callable[..., Path]) -> None:
    root = build()
    index = read(root / "index.html")
    assert "No results yet" in index.text and "vlmbench run -m MODEL -t TASK" in index.text
    check_links(root)


def test_published_numbers_alone_have_their_page(build: Callable[..., Path]) -> None:
    root = build([NUMBER])
    assert "published.html" in read(root / "index.html").links
    assert "PaperNet" in read(root / "published.html").text
    check_links(root)


def test_the_same_records_make_the_same_site(put: Callable[..., str], store: ResultStore, tmp_path: Path) -> None:
    put("a", "cifar10", 0.5)
    put("b", "food101", 0.6)
    for name in ("one", "two"):
        build_site(store.root, tmp_path / name, published=[NUMBER])
    ours = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(ours) > 10
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in ours)


def test_scripts_have_no_source_maps_to_ask_for() -> None:
    found = site_assets.assets()
    assert {"table-core.js", "plotly.min.js", "site.css", "leaderboard.js"} <= found.keys()
    assert not [name for name, content in found.items() if b"sourceMappingURL=" in content[-200:]]


def test_what_is_copied_from_others_comes_with_its_licence(build: Callable[..., Path]) -> None:
    root = build()
    for name, holder in (("table-core", "Tanner Linsley"), ("plotly", "Plotly, Inc.")):
        licence = (root / "assets" / f"{name}.LICENSE.txt").read_text()
        assert holder in licence and "Permission is hereby granted" in licence
        assert f"assets/{name}.LICENSE.txt" in read(root / "about.html").links


def test_without_plotly_all_but_the_charts_is_built(
    monkeypatch: pytest.MonkeyPatch, build: Callable[..., Path]
) -> None:
    with_charts = {path.name for path in (build() / "assets").iterdir()}
    monkeypatch.setattr(site_assets, "find_spec", lambda name: None)
    site = build()
    found = {path.name for path in (site / "assets").iterdir()}
    assert with_charts - found == {"plotly.min.js", "plots.js", "plotly.LICENSE.txt"} and found < with_charts
    page = (site / "plots.html").read_text(encoding="utf-8")
    assert "pip install &#39;vlmbench[site]&#39;" in page and "plots.js" not in page


def test_the_command_prints_where_the_site_is(put: Callable[..., str], store: ResultStore, tmp_path: Path) -> None:
    put("a", "cifar10", 0.5)
    (store.folder("a", "cifar10") / "broken.json").write_text("{")
    output = tmp_path / "out"
    done = command("leaderboard", "--results", store.root, "-o", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(output / "index.html")
    assert "broken.json" in done.stderr
    assert (output / "published.html").is_file()
    refused = command("leaderboard", "--results", store.root, "-o", store.root)
    assert refused.returncode == 2 and "is not a site of vlmbench" in refused.stderr


def test_the_command_needs_a_results_folder(tmp_path: Path) -> None:
    done = command("leaderboard", "--results", tmp_path / "no", "-o", tmp_path / "site")
    assert done.returncode == 2 and "no results folder" in done.stderr
    assert not (tmp_path / "site").exists()
