"""Pages as HTML: Jinja2 with autoescape on, and data as JSON that no name in it can leave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from vlmbench._version import __version__
from vlmbench.markup import printable
from vlmbench.records import MetricValue
from vlmbench.reports.aggregates import Standing
from vlmbench.reports.cells import DASH, percent
from vlmbench.reports.facts import count
from vlmbench.reports.scores import interval_text, value_text
from vlmbench.reports.site.data import spread
from vlmbench.reports.site.names import anchor


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
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(shared, version=__version__)

    def page(self, template: str, values: Mapping[str, Any], *, root: str = "", current: str = "") -> str:
        """One page: a file of ``templates/`` with its values.

        ``root`` is the way to the site's folder, ``current`` the page's place in the navigation.
        """
        return self._environment.get_template(template).render(root=root, current=current, **values)


def _shown(value: Any) -> Any:
    """What any expression of a template becomes, before it is escaped: texts without signs that move what is around."""
    return printable(value) if type(value) is str else value  # not Markup, which is made of such texts


def metric_value(metric: MetricValue) -> str:
    """A record's number in its unit."""
    return value_text(metric.value, metric)


def mean_spread(standing: Standing) -> str:
    """ "±1.2" beside a mean; "" without an interval."""
    half = spread(standing)
    return "" if half is None else f"±{percent(half)}"


def counted(value: int | None) -> str:
    """A number of parameters, a dash where it is unknown."""
    return DASH if value is None else count(value)


def shortened(text: str, most: int = 80) -> str:
    """A text of any length as one line of a table."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def ends(interval: tuple[float, float] | None) -> str:
    """A class's interval in percent."""
    return DASH if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def words(name: str) -> str:
    """A field's name as people write it."""
    return name.replace("_", " ")


_FILTERS = {
    "anchor": anchor,
    "count": counted,
    "ends": ends,
    "interval": interval_text,
    "percent": percent,
    "shortened": shortened,
    "shown": metric_value,
    "spread": mean_spread,
    "words": words,
}
