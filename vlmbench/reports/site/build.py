"""Builds the site from a results folder: reads records once for the leaderboard, and once for the models' pages.

``vlmbench leaderboard`` and ``demo`` call it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.reports.formats.csv import to_csv
from vlmbench.reports.published import Published
from vlmbench.reports.site.assets import assets, without_charts
from vlmbench.reports.site.board import Board, BoardRow, board, kind_title
from vlmbench.reports.site.collect import Collected, collect
from vlmbench.reports.site.data import filters, plot_data, table_data
from vlmbench.reports.site.details import dataset_details, model_details, protocol_details
from vlmbench.reports.site.folder import SiteFolder, site_folder
from vlmbench.reports.site.headings import ModelHeading, TaskHeading, model_headings
from vlmbench.reports.site.model_page import ClassTable, ModelPage, model_page
from vlmbench.reports.site.names import page_names
from vlmbench.reports.site.render import Renderer
from vlmbench.reports.site.task_page import TEMPLATES_SHOWN, task_page
from vlmbench.reports.table_data import Table
from vlmbench.store import ResultStore

DEFAULT_TITLE = "VLM leaderboard"


@dataclass(frozen=True)
class Built:
    """The site that was written.

    Attributes:
        index: the page to open.
        models: the number of models with records.
        tasks: the number of tasks with records.
        files: the number of files in the site.
        notes: which records were left out, and why.
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
    """One task of the list of tasks.

    Attributes:
        heading: its name, title and metric.
        samples: of its standard split; None if unknown.
        measured: the number of models that were measured on it.
        published: the number of published rows.
        best: the best measured row that may be compared.
    """

    heading: TaskHeading
    samples: int | None
    measured: int
    published: int
    best: BoardRow | None


def build_site(
    results: Path,
    output: Path,
    *,
    published: Sequence[Published] = (),
    title: str = DEFAULT_TITLE,
    few_shot: Path | None = None,
) -> Built:
    """Write the leaderboard of a results folder.

    Args:
        results: the results folder; without records the site says how to make some.
        output: the site's folder: new, empty, or of an earlier build.
        published: numbers to show beside those of the records.
        title: of every page.
        few_shot: another results folder, whose records of adapted models are shown, too.

    Raises:
        UsageError: the output folder holds other files, or another build is writing it.
        StoreError: it cannot be written.
    """
    scripts = assets()
    with site_folder(output) as folder:
        store = ResultStore(results)
        collected = collect(store, published, None if few_shot is None else ResultStore(few_shot))
        models = model_headings(collected)
        every = board(collected, models)
        pages = Pages(page_names(models), page_names(task.name for task in every.columns))
        site = _Site(folder, store, collected, models, every, pages, title)
        for name, content in scripts.items():
            folder.write(f"assets/{name}", content)
        site.write_overviews()
        site.write_tasks()
        site.write_models()
    run = {model for model, _ in collected.pairs}, {task for _, task in collected.pairs}
    return Built(output / "index.html", len(run[0]), len(run[1]), len(folder), collected.notes)


class _Site:
    """The pages of one build, into one folder."""

    def __init__(
        self,
        folder: SiteFolder,
        store: ResultStore,
        collected: Collected,
        models: Mapping[str, ModelHeading],
        every: Board,
        pages: Pages,
        title: str,
    ) -> None:
        self._folder, self._store, self._collected, self._models = folder, store, collected, models
        self._every, self._pages = every, pages
        self._measured = every.narrowed({task for _, task in collected.pairs}, collected.suites)
        names = {number.task for number in collected.published}
        self._published = every.narrowed(names, collected.suites)
        navigation = [
            ("index.html", "Leaderboard"),
            *([("published.html", "Published")] if collected.published else []),
            ("tasks.html", "Tasks"),
            ("plots.html", "Plots"),
            ("about.html", "About"),
        ]
        shared = {
            "site_title": title,
            "pages": pages,
            "newest": _newest(collected),
            "navigation": navigation,
            "notes": collected.notes,
            "has_published": bool(collected.published),
            "without_charts": without_charts(),
        }
        self._renderer = Renderer(shared)

    def write_overviews(self) -> None:
        """Write the pages of the leaderboard, published numbers, tasks, plots, and About."""
        own = [row for row in self._measured.rows if row.origin != "published"]
        answered = [(row, task) for row in own for task, cell in row.cells.items() if cell.value is not None]
        counts = {
            "answers": len(answered),
            "models": len({row.model.name for row, _ in answered}),
            "tasks": len({task for _, task in answered}),
            "published": len(self._measured.rows) - len(own),
        }
        self._page("index.html", **_board_values(self._measured), counts=counts)
        if self._published.rows:
            self._page("published.html", **_board_values(self._published))
        self._page("tasks.html", board=self._every, kinds=self._kinds())
        self._page("plots.html", data=plot_data(self._every, self._pages.models))
        self._page("about.html", failures=[pair.failure for pair in self._collected.pairs.values() if pair.failure])

    def write_tasks(self) -> None:
        """Write a page for each task."""
        for task in self._every.columns:
            page = task_page(task, self._collected, self._models, self._store)
            values = {
                "page": page,
                "kind": kind_title(task.kind),
                "dataset": dataset_details(page.card) if page.card else (),
                "protocol": protocol_details(page.card) if page.card else (),
                "templates_shown": TEMPLATES_SHOWN,
            }
            html = self._renderer.page("task.html", values, root="../")
            self._folder.write(f"tasks/{self._pages.tasks[task.name]}.html", html)

    def write_models(self) -> None:
        """Write a page for each model, with the CSV files of classes and the pictures of its answers."""
        titles = {task.name: task.title for task in self._every.columns}
        for name, file in self._pages.models.items():
            page = model_page(self._models[name], self._collected, self._store, list(titles))
            values = {"page": page, "titles": titles, "details": model_details(page)}
            html = self._renderer.page("model.html", values, root="../")
            self._folder.write(f"models/{file}.html", html)
            self._write_files(page)

    def _write_files(self, page: ModelPage) -> None:
        for answer in page.answers:
            if answer.classes:
                self._folder.write(answer.classes.file, _classes_csv(answer.classes))
            for picture in answer.pictures:
                self._folder.write(picture.path, picture.source.read_bytes())

    def _page(self, name: str, **values: object) -> None:
        self._folder.write(name, self._renderer.page(name, values, current=name))

    def _kinds(self) -> list[tuple[str, list[TaskLine]]]:
        found: dict[str, list[TaskLine]] = {}
        for task in self._every.columns:
            rows = [r for r in self._every.rows if (cell := r.cells.get(task.name)) and cell.value is not None]
            measured = [row for row in rows if row.origin != "published"]
            card = self._collected.tasks.get(task.name)
            line = TaskLine(
                heading=task,
                samples=card.samples if card else None,
                measured=len(measured),
                published=len(rows) - len(measured),
                best=_best(measured, task),
            )
            found.setdefault(kind_title(task.kind), []).append(line)
        return list(found.items())


def _board_values(made: Board) -> dict[str, object]:
    cells = [cell for row in made.rows for cell in row.cells.values()]
    return {
        "board": made,
        "data": table_data(made),
        "filters": filters(made),
        "mixed": any(row.origin != "published" for row in made.rows),
        "with_published": any(row.origin == "published" for row in made.rows),
        "with_intervals": any(cell.interval for cell in cells),
        "with_others": any(not cell.comparable for cell in cells),
    }


def _newest(collected: Collected) -> str:
    """The day of the newest record. The site has no other date, so that the same records always make the same site."""
    started = [record.run.started for pair in collected.pairs.values() for record in pair.records]
    return max(started, default="")[:10]


def _best(rows: Sequence[BoardRow], task: TaskHeading) -> BoardRow | None:
    sign = 1 if task.higher_is_better else -1
    known = [row for row in rows if row.cells[task.name].comparable]
    return max(known, key=lambda row: sign * (row.cells[task.name].value or 0.0), default=None)


def _classes_csv(classes: ClassTable) -> str:
    rows = [
        {
            "class": row.name,
            "n": row.n,
            **{name: row.values.get(name) for name in classes.measures},
            "ci95_low": row.ci95[0] if row.ci95 else None,
            "ci95_high": row.ci95[1] if row.ci95 else None,
            "reason": row.reason,
        }
        for row in classes.all
    ]
    return to_csv(Table("classes", [], [], rows))
