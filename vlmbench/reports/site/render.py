"""Pages as HTML: Jinja2 with autoescape on, and data as JSON that no name in it can leave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

import vlmbench
from vlmbench.records import ClassResult, MetricValue
from vlmbench.reports.results import DASH, interval, percent, shown
from vlmbench.reports.site.board import Cell
from vlmbench.reports.site.facts import TaskFacts
from vlmbench.reports.site.names import anchor

_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


class Renderer:
    """The templates, with what every page needs.

    Args:
        shared: values of every page (the site's title, file names, …).
    """

    def __init__(self, shared: Mapping[str, Any]) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(shared, version=vlmbench.__version__)

    def page(self, template: str, *, root: str = "", current: str = "", **values: Any) -> str:
        """One page.

        Args:
            template: a file of ``templates/``.
            root: the way to the site's folder.
            current: which page of the navigation this is.
            values: what it shows.
        """
        return self._environment.get_template(template).render(root=root, current=current, **values)


def metric_value(metric: MetricValue) -> str:
    """A record's number in its unit."""
    return shown(metric.value, metric)


def cell_value(cell: Cell, task: TaskFacts) -> str:
    """A cell's number in its task's unit; a rank's column says so in its heading."""
    if cell.value is None:
        return cell.status or DASH
    return percent(cell.value) if task.unit == "fraction" else f"{cell.value:,.1f}"


def cell_spread(cell: Cell, task: TaskFacts) -> str:
    """ "±1.2": the larger half of the interval, so that it always covers it; "" without one."""
    if cell.value is None or cell.interval is None:
        return ""
    low, high = cell.interval
    half = max(high - cell.value, cell.value - low, 0.0)
    return f"±{percent(half) if task.unit == 'fraction' else f'{half:,.1f}'}"


def count(value: int | None) -> str:
    """A number of parameters: "1.9 M"."""
    if value is None:
        return DASH
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.{0 if value >= 100 * size else 1}f} {unit}"
    return str(value)


def shortened(text: str, most: int = 80) -> str:
    """A text of any length as one line of a table."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def class_bar(row: ClassResult, name: str) -> MetricValue:
    """A class's first value and its interval, to be drawn."""
    return MetricValue(value=row.values.get(name), ci95=row.ci95, n=row.n)


def mean_rank(value: float | None) -> str:
    """A mean rank, a dash where there is none."""
    return DASH if value is None else f"{value:.1f}"


def words(name: str) -> str:
    """A field's name as people write it."""
    return name.replace("_", " ")


_FILTERS = {
    "anchor": anchor,
    "class_bar": class_bar,
    "count": count,
    "interval": interval,
    "percent": percent,
    "rank": mean_rank,
    "shortened": shortened,
    "shown": metric_value,
    "spread": cell_spread,
    "value": cell_value,
    "words": words,
}
