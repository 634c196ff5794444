"""Makes HTML from templates with Jinja2. All values are escaped, and JSON data cannot break out of its script element.

The leaderboard and ``vlmbench show`` use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import jinja2.bccache

from vlmbench._version import __version__
from vlmbench.markup import printable
from vlmbench.records import MetricValue
from vlmbench.reports.aggregates import Standing
from vlmbench.reports.cells import DASH, percent
from vlmbench.reports.facts import count
from vlmbench.reports.scores import interval_text, value_text
from vlmbench.reports.site.data import spread
from vlmbench.reports.site.names import anchor
from vlmbench.wording import counted as counted_noun


class _Compiled(jinja2.BytecodeCache):
    """Keeps the compiled templates, because each :class:`Renderer` would compile them again."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _Compiled()


class Renderer:
    """The templates, with the values that every page needs.

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
            bytecode_cache=_COMPILED,
        )
        self._environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(shared, version=__version__)

    def page(self, template: str, values: Mapping[str, Any], *, root: str = "", current: str = "") -> str:
        """One page: a file of ``templates/`` with its values.

        ``root`` is the relative path to the site's folder, ``current`` the page's entry in the navigation.
        """
        return self._environment.get_template(template).render(root=root, current=current, **values)


def _shown(value: Any) -> Any:
    """Applied to every value of a template before it is escaped: remove characters that change the text around them."""
    return printable(value) if type(value) is str else value  # Markup is made of such texts already


def metric_value(metric: MetricValue) -> str:
    """A record's number in its unit."""
    return value_text(metric.value, metric)


def mean_spread(standing: Standing) -> str:
    """ "±1.2" beside a mean; "" without an interval."""
    half = spread(standing)
    return "" if half is None else f"±{percent(half)}"


def counted(value: int | None) -> str:
    """A number of parameters; a dash if it is unknown."""
    return DASH if value is None else count(value)


def shortened(text: str, most: int = 80) -> str:
    """A text on one line, cut to ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def ends(interval: tuple[float, float] | None) -> str:
    """A class's interval in percent."""
    return DASH if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def words(name: str) -> str:
    """A field's name with spaces."""
    return name.replace("_", " ")


_FILTERS = {
    "anchor": anchor,
    "count": counted,
    "ends": ends,
    "interval": interval_text,
    "of": counted_noun,
    "percent": percent,
    "shortened": shortened,
    "shown": metric_value,
    "spread": mean_spread,
    "words": words,
}
