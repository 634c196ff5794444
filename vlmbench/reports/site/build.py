"""The site from a results folder: one pass over the records for the leaderboard, one for the models' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.cards import TaskCard
from vlmbench.reports.published import Published
from vlmbench.reports.site.assets import assets
from vlmbench.reports.site.board import KIND_TITLES, Board, Row, board
from vlmbench.reports.site.collect import Collected, collect
from vlmbench.reports.site.data import filters, plot_data, table_data
from vlmbench.reports.site.facts import TaskFacts
from vlmbench.reports.site.folder import SiteFolder
from vlmbench.reports.site.model_page import ClassTable, ModelPage, model_page
from vlmbench.reports.site.names import page_names
from vlmbench.reports.site.render import Renderer, count
from vlmbench.reports.site.task_page import TEMPLATES_SHOWN, task_page
from vlmbench.reports.table import Table, to_csv
from vlmbench.store import ResultStore


@dataclass(frozen=True)
class Built:
    """What was written.

    Attributes:
        index: the page to open.
        models: how many have numbers.
        tasks: how many have numbers.
        files: how many the site has.
        notes: what was left out and why.
    """

    index: Path
    models: int
    tasks: int
    files: int
    notes: Sequence[str]


@dataclass(frozen=True)
class Pages:
    """File names of the models' and the tasks' pages, without their ending."""

    models: dict[str, str]
    tasks: dict[str, str]


@dataclass(frozen=True)
class TaskLine:
    """One task of the list of tasks."""

    facts: TaskFacts
    samples: int | None
    measured: int
    published: int
    best: Row | None


def build_site(
    results: Path, output: Path, *, published: Sequence[Published] = (), title: str = "VLM leaderboard"
) -> Built:
    """Write the leaderboard of a results folder.

    Args:
        results: the results folder; without records the site says how to make some.
        output: the site's folder: new, empty, or of an earlier build.
        published: numbers to show beside those of the records.
        title: of every page.

    Raises:
        MissingDependencyError: plotly is not installed.
        UsageError: the output folder holds other files.
        StoreError: it cannot be written.
    """
    scripts = assets()
    folder = SiteFolder(output)
    folder.begin()
    store = ResultStore(results)
    collected = collect(store, published)
    made = board(collected)
    pages = _pages(collected, made)
    for name, content in scripts.items():
        folder.write(f"assets/{name}", content)
    renderer = Renderer({"site_title": title, "pages": pages, "newest": _newest(collected)})
    _write_overviews(folder, renderer, collected, made, pages)
    for task in made.columns:
        folder.write(f"tasks/{pages.tasks[task.name]}.html", _task_html(renderer, task, collected))
    titles = {task.name: task.title for task in made.columns}
    for name, file in pages.models.items():
        page = model_page(name, collected, store, list(titles))
        folder.write(
            f"models/{file}.html",
            renderer.page("model.html", root="../", page=page, titles=titles, card=_card_facts(page)),
        )
        _write_files(folder, page)
    return Built(output / "index.html", len(pages.models), len(made.columns), folder.finish(), collected.notes)


def _pages(collected: Collected, made: Board) -> Pages:
    models = [model for model, _ in collected.pairs] + [number.model for number in collected.published]
    return Pages(page_names(models), page_names(task.name for task in made.columns))


def _newest(collected: Collected) -> str:
    """The day of the newest record: the same records make the same site, whenever it is built."""
    started = [record.run.started for pair in collected.pairs.values() for record in pair.records]
    return max(started, default="")[:10]


def _write_overviews(folder: SiteFolder, renderer: Renderer, collected: Collected, made: Board, pages: Pages) -> None:
    measured = [
        row for row in made.rows if row.origin == "measured" and any(c.value is not None for c in row.cells.values())
    ]
    index = renderer.page(
        "index.html",
        current="index.html",
        board=made,
        data=table_data(made),
        filters=filters(made),
        notes=collected.notes,
        measured_models=len(measured),
        measured_tasks=len({task for row in measured for task, cell in row.cells.items() if cell.value is not None}),
        published_rows=sum(row.origin == "published" for row in made.rows),
    )
    failures = [pair.failure for pair in collected.pairs.values() if pair.failure]
    folder.write("index.html", index)
    folder.write(
        "tasks.html", renderer.page("tasks.html", current="tasks.html", board=made, kinds=_kinds(collected, made))
    )
    folder.write("plots.html", renderer.page("plots.html", current="plots.html", data=plot_data(made, pages.models)))
    folder.write(
        "about.html", renderer.page("about.html", current="about.html", notes=collected.notes, failures=failures)
    )


def _kinds(collected: Collected, made: Board) -> list[tuple[str, list[TaskLine]]]:
    found: dict[str, list[TaskLine]] = {}
    for task in made.columns:
        with_value = [row for row in made.rows if (cell := row.cells.get(task.name)) and cell.value is not None]
        own = [row for row in with_value if row.origin == "measured"]
        line = TaskLine(
            facts=task,
            samples=card.samples if (card := collected.tasks.get(task.name)) else None,
            measured=len(own),
            published=len(with_value) - len(own),
            best=_best(own, task),
        )
        found.setdefault(_kind(task), []).append(line)
    return list(found.items())


def _best(rows: Sequence[Row], task: TaskFacts) -> Row | None:
    sign = 1 if task.higher_is_better else -1
    known = [row for row in rows if row.cells[task.name].comparable]
    return max(known, key=lambda row: sign * (row.cells[task.name].value or 0.0), default=None)


def _kind(task: TaskFacts) -> str:
    return KIND_TITLES.get(task.kind, task.kind)


def _task_html(renderer: Renderer, task: TaskFacts, collected: Collected) -> str:
    page = task_page(task, collected)
    return renderer.page(
        "task.html",
        root="../",
        page=page,
        kind=_kind(task),
        dataset=_dataset_facts(page.card) if page.card else (),
        protocol=_protocol_facts(page.card) if page.card else (),
        templates_shown=TEMPLATES_SHOWN,
    )


def _dataset_facts(card: TaskCard) -> list[tuple[str, str]]:
    sources = "\n".join(f"{source.kind}: {source.location}" for source in card.sources)
    return _known(
        ("samples", f"{card.samples:,}" if card.samples else None),
        ("classes", f"{len(card.classes):,}" if card.classes else None),
        ("read from", sources),
        ("licence", card.licence),
        ("citation", card.citation),
    )


def _protocol_facts(card: TaskCard) -> list[tuple[str, str]]:
    return _known(
        ("kind", card.plugin),
        ("version of the card", str(card.version)),
        ("metrics", ", ".join(card.metrics)),
        ("main metric", card.main_metric),
        ("several labels", "yes" if card.multi_label else None),
        ("prompts", f"{len(card.templates):,}" if card.templates else None),
        *((name.replace("_", " "), str(value)) for name, value in card.protocol.items()),
    )


def _card_facts(page: ModelPage) -> list[tuple[str, str]]:
    facts, card = page.facts, page.card
    speeds = [f"{speed:,.0f} images a second ({device})" for device, speed in (facts.speeds or {}).items()]
    return _known(
        ("objective", facts.objective),
        ("architecture", card.architecture if card else None),
        ("image encoder", facts.image_encoder),
        ("text encoder", facts.text_encoder),
        ("training data", facts.data),
        ("parameters", None if facts.parameters is None else count(facts.parameters)),
        ("GFLOPs", None if facts.gflops is None else f"{facts.gflops:,.1f}"),
        ("throughput", "\n".join(speeds)),
        ("loaded by", f"{card.adapter}: {card.spec}" if card else None),
        ("licence", card.licence if card else None),
        ("paper", card.paper if card else None),
    )


def _known(*pairs: tuple[str, str | None]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if value]


def _write_files(folder: SiteFolder, page: ModelPage) -> None:
    """The classes and the pictures of a model's answers."""
    for answer in page.answers:
        if answer.classes:
            folder.write(answer.classes.file, _classes_csv(answer.classes))
        for picture in answer.pictures:
            folder.copy(picture.path, picture.source)


def _classes_csv(classes: ClassTable) -> str:
    rows: list[dict[str, Any]] = [
        {
            "class": row.name,
            "n": row.n,
            **{name: row.values.get(name) for name in classes.measures},
            "ci95_low": row.ci95[0] if row.ci95 else None,
            "ci95_high": row.ci95[1] if row.ci95 else None,
        }
        for row in classes.all
    ]
    return to_csv(Table("classes", [], [], rows))
