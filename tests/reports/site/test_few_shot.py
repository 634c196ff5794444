"""Adapted models on a task's page: the charts' places, their table, and what a reader and a screen reader find."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from adapted_records import hits, make_adapted, put
from reports.site.browser import Page

from vlmbench.reports.site import build_site
from vlmbench.reports.site.few_shot import HEIGHT, SHAPES, WIDTH, few_shot_parts
from vlmbench.store import ResultStore

START = "1100110000"


def curve(store: ResultStore, method: str, right: dict[int, int], **fields: object) -> list[object]:
    """A method with two draws for each K: so many right answers of ten, and one more."""
    made = [
        make_adapted(method, draw, hits("1" * (n + draw) + "0" * (10 - n - draw)), hits(START), shots=k, **fields)  # type: ignore[arg-type]
        for k, n in right.items()
        for draw in (0, 1)
    ]
    return list(put(store, *made))


def test_points_lie_where_their_numbers_say(store: ResultStore) -> None:
    records = curve(store, "gda", {1: 4, 2: 5, 4: 6}) + curve(store, "knn", {1: 3, 4: 5})
    (part,) = few_shot_parts(records)  # type: ignore[arg-type]
    chart, seconds = part.charts
    first, second = chart.lines
    assert [line.name for line in chart.lines] == ["gda", "knn"] and part.zero_shot == pytest.approx(0.4)
    xs = [mark.x for mark in first.marks]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1]), "K doubles"
    ys = [mark.y for mark in first.marks]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2]) and ys[0] > ys[2], "each ten points, and y grows downwards"
    assert second.marks[0].x != first.marks[0].x, "intervals at one K stand beside each other"
    for line in (*chart.lines, *seconds.lines):
        for mark in line.marks:
            assert 0 <= mark.x <= WIDTH and 0 <= mark.high <= mark.y <= mark.low <= HEIGHT
    level = chart.level
    assert level is not None and level == pytest.approx(first.marks[0].y + (first.marks[0].y - ys[1]) / 2)
    assert "gda, 4 shots: 65.0" in first.marks[2].says


def test_each_model_and_track_has_charts_of_its_own(store: ResultStore) -> None:
    records = curve(store, "gda", {1: 4}) + curve(store, "gda", {1: 4}, track="leaky")
    records += curve(store, "gda", {1: 4}, model="other")
    parts = few_shot_parts(records)  # type: ignore[arg-type]
    assert [(part.model, part.track) for part in parts] == [
        ("m", "no-validation"),
        ("m", "leaky"),
        ("other", "no-validation"),
    ]


def test_no_two_of_forty_methods_look_alike(store: ResultStore) -> None:
    records = [record for n in range(40) for record in curve(store, f"m{n:02d}", {1: 4})]
    (part,) = few_shot_parts(records)  # type: ignore[arg-type]
    looks = {(entry.colour, entry.path) for entry in part.legend}
    assert len(looks) == 40 and len({path for _, path in looks}) == len(SHAPES)


SAME = "The methods of one model and track learnt from the same images."


def test_the_table_names_settings(store: ResultStore, build: Callable[..., Path]) -> None:
    for lr, right in ((1, 4), (2, 6)):
        record, table = make_adapted("coop", 0, hits("1" * right + "0" * (10 - right)), hits(START), options={"lr": lr})
        protocol = {**record.task.protocol, "method_options": {"lr": lr}}
        put(store, (record.model_copy(update={"task": record.task.model_copy(update={"protocol": protocol})}), table))
    html = (build() / "tasks" / "few.html").read_text(encoding="utf-8")
    assert re.findall(r'<th scope="row">(coop[^<]*)</th>', html) == ["coop (lr=1)", "coop (lr=2)"]
    assert SAME in html


@pytest.mark.parametrize("other", [{"images": "other"}, {"draws": 1}])
def test_methods_that_learnt_from_other_images_are_not_called_alike(
    store: ResultStore, build: Callable[..., Path], other: dict[str, Any]
) -> None:
    images = other.get("images", "support")
    put(store, *(make_adapted("gda", draw, hits("1110"), hits("1100")) for draw in (0, 1)))
    draws = range(other.get("draws", 2))
    put(store, *(make_adapted("knn", draw, hits("1110"), hits("1100"), images=images) for draw in draws))
    assert "learnt from the same images" not in (build() / "tasks" / "few.html").read_text(encoding="utf-8")


def test_the_page_has_the_charts_the_table_and_a_warning_on_the_leaky_track(
    store: ResultStore, build: Callable[..., Path]
) -> None:
    curve(store, "gda", {1: 4, 4: 6})
    curve(store, "<b>&", {1: 3}, track="leaky")
    html = (build() / "tasks" / "few.html").read_text(encoding="utf-8")
    assert html.count('class="curves-chart"') == 4 and html.count('class="level"') >= 4
    assert "zero-shot 40.0" in html and "+25.0" in html and "0 of 4" in html
    assert html.count("chosen on the test images") == 1
    assert "<b>&<" not in html and "&lt;b&gt;&amp;" in html
    for label in re.findall(r'<svg class="curves-chart"[^>]*aria-label="([^"]*)"', html):
        assert label.startswith("acc1 against") and label.endswith("The table below has the numbers.")
    assert "No model answered zero-shot here." in html, "no model answered the task itself"


def test_records_of_another_folder_are_shown_and_ranked_nowhere(
    store: ResultStore, put: Callable[..., str], tmp_path: Path
) -> None:
    put("demo-clip", "few", 0.5)
    curve(ResultStore(tmp_path / "few-shot"), "gda", {1: 4})
    build_site(store.root, tmp_path / "site", few_shot=tmp_path / "few-shot")
    html = (tmp_path / "site" / "tasks" / "few.html").read_text(encoding="utf-8")
    assert 'class="curves-chart"' in html
    assert "gda" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_charts_fit_the_window_and_can_be_read(
    page: Page, store: ResultStore, build: Callable[..., Path], theme: str, width: int
) -> None:
    curve(store, "gda", {1: 4, 4: 6, 16: 8})
    curve(store, "nearest-mean", {1: 2, 4: 6, 16: 7})
    page.resize(width, 900, dark=theme == "dark")
    page.open(build() / "tasks" / "few.html")
    boxes = page.run("return [...document.querySelectorAll('.curves-chart')].map(e => e.getBoundingClientRect().right)")
    assert len(boxes) == 2 and all(right <= width for right in boxes)
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run_file("accessibility.js") == []
    ratios = {name: ratio for name, ratio in page.run_file("contrast.js").items() if ratio is not None}
    assert {"tbody td", "tbody td small", "h1"} <= ratios.keys() and min(ratios.values()) >= 4.5, ratios
    strokes = page.run(
        "return [...document.querySelectorAll('.curves-chart polyline, .curves-chart line.level')]"
        ".map(e => [getComputedStyle(e).stroke, getComputedStyle(e.closest('svg')).backgroundColor])"
    )
    assert len(strokes) == 6 and min(contrast(*pair) for pair in strokes) >= 3


def contrast(first: str, second: str) -> float:
    """Of two colours as a browser writes them (WCAG 2.1): lines of charts need 3."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(first), light(second)))
    return (high + 0.05) / (low + 0.05)
