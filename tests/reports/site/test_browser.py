"""The site in a browser: what a reader does, by mouse, by keyboard and by link. The fixture watches the console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from reports.site.browser import Page
from reports.site.records_of_many import fill, make_answer

from vlmbench.reports.published import Published
from vlmbench.reports.site import build_site
from vlmbench.store import ResultStore

NUMBER = Published("PaperNet", "cifar10", "acc1", 0.95, "A Paper, Table 1", table="det")
QUICK_MS = 1500
"""Far above what a sort of 200 rows takes on a quiet machine, and below what a reader would take for broken."""
CLIPS = ("clip-vit-b-32-openai", "clip-vit-l-14-openai", "demo-clip", "conse-efficientnet-lite2")


class Quiet(SimpleHTTPRequestHandler):
    """A web server that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models with cards on four tasks, one answer missing, and published numbers."""
    root = tmp_path_factory.mktemp("site")
    store = ResultStore(root / "results")
    for place, model in enumerate(CLIPS):
        for shift, task in enumerate(("cifar10", "food101", "imagenet1k", "imagenet-v2")):
            if (model, task) != ("demo-clip", "food101"):
                store.write(*make_answer(model, task, 0.9 - 0.2 * place - 0.05 * shift))
    numbers = [NUMBER, replace(NUMBER, task="food101", value=0.8), replace(NUMBER, task="ov-coco", metric="ap50")]
    build_site(store.root, root / "site", published=numbers)
    return root / "site"


def sorted_by(page: Page) -> dict[str, str]:
    found: dict[str, str] = page.run(
        "return Object.fromEntries([...document.querySelectorAll('#board th[aria-sort]')]"
        ".map(th => [th.querySelector('button').dataset.sort, th.getAttribute('aria-sort')]))"
    )
    return found


def test_the_best_mean_comes_first_and_a_heading_sorts_both_ways(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    assert sorted_by(page) == {"mean": "descending"}
    page.click("[data-sort='task:cifar10']")
    assert sorted_by(page) == {"task:cifar10": "descending"}
    down = page.rows()
    assert down[0] == "PaperNet"  # 95.0
    page.click("[data-sort='task:cifar10']")
    assert sorted_by(page) == {"task:cifar10": "ascending"}
    assert page.rows() == down[::-1]


def test_what_has_no_number_is_last_in_either_direction(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    for _ in range(2):
        page.click("[data-sort='task:imagenet1k']")
        assert page.rows()[-1] == "PaperNet"


def test_search_finds_by_name_and_encoder_and_says_how_many(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    field = page.driver.find_element("css selector", "#f-q")
    field.send_keys("conse MiniLM")
    page.wait("document.querySelectorAll('#board tbody tr').length === 1")
    assert page.rows() == ["ConSE (EfficientNet-Lite2, MiniLM)"]
    assert page.run("return document.getElementById('count').textContent") == "1 of 5 rows"
    assert page.run("return location.hash") == "#q=conse+MiniLM"


def test_filters_narrow_and_reset_brings_all_back(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    page.choose("#f-origin", "published")
    assert page.rows() == ["PaperNet"]
    page.click("#reset")
    assert len(page.rows()) == 5
    assert page.run("return location.hash") == ""


def test_a_view_hides_other_tasks_and_rows_without_an_answer(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    page.choose("#f-view", "task-imagenet1k")
    assert "PaperNet" not in page.rows()
    shown = page.run(
        "return [...document.querySelectorAll('#board thead th')].filter(th => getComputedStyle(th).display !== 'none')"
        ".map(th => th.querySelector('button')?.dataset.sort)"
    )
    assert [name for name in shown if name and name.startswith("task:")] == ["task:imagenet1k"]


def test_a_deep_link_says_what_is_shown_and_survives_nonsense(page: Page, site: Path) -> None:
    page.open(site / "index.html", "#objective=contrastive&sort=task:cifar10%2B&view=task-cifar10")
    assert sorted_by(page) == {"task:cifar10": "ascending"}
    assert page.run("return document.getElementById('f-objective').value") == "contrastive"
    assert "ConSE (EfficientNet-Lite2, MiniLM)" not in page.rows()
    page.open(site / "index.html", "#sort=nothing-&view=gone&objective=%3Cscript%3E&q=")
    assert len(page.rows()) == 5


def test_a_link_of_the_table_opens_the_models_page_and_back(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    page.click("a[href='models/demo-clip.html']")
    assert page.run("return document.querySelector('h1').textContent") == "Demo CLIP"
    page.click(".trail a")
    assert page.run("return document.title").startswith("Leaderboard")


def test_a_link_to_an_answer_opens_it(page: Page, site: Path) -> None:
    page.open(site / "models/demo-clip.html", "#task-cifar10")
    assert page.run("return document.getElementById('task-cifar10').open") is True
    assert page.run("return document.querySelectorAll('details.answer[open]').length") == 1
    assert page.run("return document.querySelector('.reliability circle') !== null")


def test_the_keyboard_is_enough(page: Page, site: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(site / "index.html")
    active = page.driver.switch_to.active_element
    active.send_keys(Keys.TAB)
    skip = page.driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip" and skip.location["x"] >= 0
    skip.send_keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "content"
    page.run("document.querySelector(\"[data-sort='task:cifar10']\").focus()")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert sorted_by(page) == {"task:cifar10": "descending"}
    outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_what_a_screen_reader_needs_is_there(page: Page, site: Path) -> None:
    pages = ("index", "published", "tasks", "plots", "about", "models/demo-clip", "tasks/cifar10")
    for name in pages:
        page.open(site / f"{name}.html")
        if name == "plots":
            page.wait("document.querySelectorAll('#plot-cost .point').length > 0")
        problems = page.run_file("accessibility.js")
        assert problems == [], name


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(page: Page, site: Path, dark: bool) -> None:
    """WCAG 2.1, 1.4.3: at least 4.5 to 1."""
    page.resize(1280, 900, dark=dark)
    page.open(site / "index.html")
    ratios = page.run_file("contrast.js")
    assert {selector: ratio for selector, ratio in ratios.items() if ratio < 4.5} == {}


def test_the_theme_is_the_systems_until_one_is_chosen(page: Page, site: Path) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    page.resize(1280, 900, dark=True)
    page.open(site / "index.html")
    dark = page.run(ground)
    page.resize(1280, 900, dark=False)
    light = page.run(ground)
    assert light != dark
    page.click("#theme")  # light
    page.click("#theme")  # dark
    assert page.run(ground) == dark
    page.open(site / "tasks.html")
    assert page.run(ground) == dark
    page.run("localStorage.clear()")


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "published.html",
        "tasks.html",
        "plots.html",
        "about.html",
        "models/demo-clip.html",
        "tasks/cifar10.html",
    ],
)
def test_no_page_is_wider_than_a_phone(page: Page, site: Path, name: str) -> None:
    page.resize(390, 844)
    page.open(site / name)
    assert page.run("return document.documentElement.scrollWidth") <= 390


def test_a_phone_shows_what_the_rows_are_sorted_by(page: Page, site: Path) -> None:
    page.resize(390, 844)
    page.open(site / "index.html")
    box = page.run("return document.querySelector(\"[data-sort='mean']\").getBoundingClientRect().toJSON()")
    assert sorted_by(page) == {"mean": "descending"}
    assert box["width"] > 0 and box["right"] <= 390


def test_the_way_back_leads_to_the_table_as_it_was(page: Page, site: Path) -> None:
    page.open(site / "index.html")
    page.choose("#f-origin", "measured")
    page.click("[data-sort='model']")
    shown = page.rows()
    page.click("a[href='models/demo-clip.html']")
    page.driver.back()
    page.wait("document.querySelector('#board th[aria-sort]') !== null")
    assert sorted_by(page) == {"model": "ascending"} and page.rows() == shown
    assert page.run("return document.getElementById('f-origin').value") == "measured"


def test_a_web_server_shows_the_same(page: Page, site: Path) -> None:
    handler = partial(Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        page.driver.get(f"{address}/index.html#origin=published")
        assert page.rows() == ["PaperNet"]
        page.driver.get(f"{address}/plots.html")
        page.wait("document.querySelectorAll('#plot-cost .point').length > 0")
        server.shutdown()


def test_plots_draw_follow_their_fields_and_the_theme(page: Page, site: Path) -> None:
    page.open(site / "plots.html")
    page.wait("document.querySelectorAll('#plot-cost .point').length > 0")
    front = page.run("return document.getElementById('front').textContent")
    assert "On the Pareto front" in front
    page.choose("#p-y", "task-cifar10")
    assert page.run("return location.hash") == "#y=task-cifar10"
    for plot, mark in (("plot-heat", ".hm"), ("plot-shift", ".point")):  # drawn when the reader comes near
        page.run(f"document.getElementById('{plot}').scrollIntoView()")
        page.wait(f"document.querySelectorAll('#{plot} {mark}').length > 0")
    titles = page.run("return [...document.querySelectorAll('.modebar-btn')].map(button => button.dataset.title)")
    assert titles and not [title for title in titles if "share" in title.lower() or "cloud" in title.lower()]
    ink = "return document.querySelector('#plot-cost .xtick text').style.fill"
    before = page.run(ink)
    page.click("#theme")
    page.click("#theme")
    assert page.run(ink) != before
    page.run("localStorage.clear()")


def test_no_animation_where_none_is_wanted(page: Page, site: Path) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    )
    page.open(site / "index.html")
    assert page.run("return getComputedStyle(document.querySelector('a')).transitionDuration") == "0s"


def test_hostile_names_run_nothing(page: Page, put: Callable[..., str], build: Callable[..., Path]) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>"
    for place, name in enumerate((evil, "../../x", "a|b & %", "🐈", "x" * 300)):
        put(name, "cifar10", 0.5 + place / 20)
        put(name, evil, 0.5)
    root = build([replace(NUMBER, model=evil, source=evil, note=evil)])
    for path in sorted(root.rglob("*.html")):
        page.open(path)
        if path.name == "plots.html":
            page.wait("document.querySelectorAll('#plot-cost .point').length > 0")
        assert page.run("return document.title") != "owned", path
        assert page.run("return document.querySelectorAll('img[onerror]').length") == 0, path
    page.open(root / "tasks" / "cifar10.html")
    score = page.run("return document.querySelector('tbody td.num').getBoundingClientRect().right")
    assert score <= 1280  # no name pushes the numbers away


def test_two_hundred_models_beside_the_published_ones_are_quick(
    page: Page, store: ResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vlmbench.storage.disk._sync", lambda path: None)  # sixteen hundred files of no value
    fill(store, 200, 4, rows=20, per_class=[])  # it is the table that is large, not the answers
    build_site(store.root, tmp_path / "site")
    page.open(tmp_path / "site" / "index.html")
    assert len(page.rows()) == 200
    spent = page.run_file("timings.js")
    assert max(spent.values()) < QUICK_MS, spent
